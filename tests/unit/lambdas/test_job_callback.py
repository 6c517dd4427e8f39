"""A job with a task token: heartbeats, one answer, and an end when nobody waits any more."""

import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lambdas import job
from lambdas import sum as sum_
from lambdas.jobs import job_callback
from lambdas.jobs.job_callback import TaskCallback, TaskCancelled

TOKEN = "a-task-token-that-nobody-may-see"
ENDED = ["TaskTimedOut", "InvalidToken", "TaskDoesNotExist"]
# Computes until the test has heard enough.
WAITING = "import lambdas\ndef compute(item): return lambdas.heard.wait(30)\ndef combine(a, b): return a and b\n"
# Would sleep for longer than a test may take, and swallows exceptions; the stubbornest once those too that are none.
BEGIN = "import lambdas, time\ndef compute(item):\n  lambdas.begun.set()\n"
STUBBORN = BEGIN + "  try: time.sleep(600)\n  except Exception: pass\n"
STUBBORNEST = BEGIN + "  try: time.sleep(600)\n  except BaseException: time.sleep(600)\n"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}}, "SendTask")


class Tasks:
    """The task behind the token, at the edge: notes what it is told, and raises what it is told to raise."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.errors: dict[str, list[Exception | None]] = {}
        self.heard: dict[int, threading.Event] = {}
        self.begun: threading.Event | None = None

    def _tell(self, action: str, answer: dict[str, Any]) -> None:
        assert answer.pop("taskToken") == TOKEN
        self.told.append((action, answer))
        errors = self.errors.get(action, [])
        error = errors.pop(0) if errors else None
        if len(self.told) in self.heard:
            self.heard[len(self.told)].set()
        if error is not None:
            # An exception that comes while a library is at work is a test of that library.
            assert self.begun is None or self.begun.wait(30)
            raise error

    def send_task_heartbeat(self, **answer: Any) -> None:
        self._tell("heartbeat", answer)

    def send_task_success(self, **answer: Any) -> None:
        self._tell("success", answer)

    def send_task_failure(self, **answer: Any) -> None:
        self._tell("failure", answer)

    @property
    def answers(self) -> list[tuple[str, dict[str, Any]]]:
        return [each for each in self.told if each[0] != "heartbeat"]


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tasks]:
    tasks = Tasks()
    monkeypatch.setattr(job, "step_functions_client", lambda: tasks)
    monkeypatch.setenv("BACK_ENDS", "lambda,batch,batch_callback")
    monkeypatch.setenv("TASK_TOKEN", TOKEN)
    monkeypatch.setenv("HEARTBEAT_SECONDS", "3600")
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1")
    previous = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    yield tasks
    assert signal.getsignal(signal.SIGUSR1) == previous[1]
    signal.signal(signal.SIGTERM, previous[0])


@pytest.fixture
def started(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def start(**execution_input: Any) -> Any:
        run = pipeline(**{"size": 9, "workload": "squares", "back_end": "batch_callback"} | execution_input)
        run.start()
        monkeypatch.setenv("RUN", run.name)
        return run

    return start


@pytest.fixture
def heard_after(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let WAITING go on after so many messages."""

    def wait_for(count: int) -> None:
        monkeypatch.setattr(job, "MAX_INTERVAL_SECONDS", 0.001)
        tasks.heard[count] = threading.Event()
        monkeypatch.setattr(sys.modules["lambdas"], "heard", tasks.heard[count], raising=False)

    return wait_for


@pytest.fixture
def refuse_while_working(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Refuse the second heartbeat, as soon as the workload is at work."""

    def refuse(code: str) -> None:
        monkeypatch.setattr(job, "MAX_INTERVAL_SECONDS", 0.001)
        tasks.begun = threading.Event()
        monkeypatch.setattr(sys.modules["lambdas"], "begun", tasks.begun, raising=False)
        tasks.errors["heartbeat"] = [None, refused(code)]

    return refuse


def part_keys(s3: Any, run: Any) -> list[str]:
    listed = s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/batch_callback/").get("Contents", ())
    return [entry["Key"] for entry in listed]


def test_job_answers_with_its_part_which_sum_reads(s3: Any, tasks: Tasks, started: Any) -> None:
    run = started()
    assert job.main() == 0
    [(action, answer)] = tasks.answers
    key = f"runs/{run.name}/batch_callback/job-1.jsonl"
    assert (action, json.loads(answer["output"])) == ("success", {"key": key})
    assert part_keys(s3, run) == [key]
    output = sum_.handler({**run.state, "callback": {"key": key}}, None)
    assert (output["total_sum"], output["count"]) == ("204", 9)


@pytest.mark.parametrize("size", [0, 1, 777])
def test_job_of_any_size_is_exact(tasks: Tasks, started: Any, size: int) -> None:
    run = started(size=size)
    assert job.main() == 0
    output = sum_.handler({**run.state, "callback": json.loads(tasks.answers[0][1]["output"])}, None)
    assert output["total_sum"] == str(sum(index * index for index in range(size)))


def test_job_sends_a_heartbeat_before_any_work(tasks: Tasks, started: Any) -> None:
    started()
    assert job.main() == 0
    assert [action for action, _ in tasks.told] == ["heartbeat", "success"]


def test_job_sends_heartbeats_while_it_works(tasks: Tasks, started: Any, make_workload: Any, heard_after: Any) -> None:
    heard_after(4)
    started(size=1, workload=make_workload(WAITING))
    assert job.main() == 0
    assert [action for action, _ in tasks.told[:4]] == ["heartbeat"] * 4
    assert [action for action, _ in tasks.answers] == ["success"]


@pytest.mark.parametrize("code", ENDED)
def test_job_whose_task_has_ended_before_it_began_writes_nothing(
    s3: Any, tasks: Tasks, started: Any, code: str
) -> None:
    run = started()
    tasks.errors["heartbeat"] = [refused(code)]
    assert job.main() == 0
    assert [action for action, _ in tasks.told] == ["heartbeat"]
    assert part_keys(s3, run) == []


@pytest.mark.parametrize("code", ENDED)
def test_job_whose_task_ends_meanwhile_stops_its_work_and_writes_nothing(
    s3: Any, tasks: Tasks, started: Any, make_workload: Any, refuse_while_working: Any, code: str
) -> None:
    run = started(size=1, workload=make_workload(STUBBORN))
    refuse_while_working(code)
    assert job.main() == 0
    assert tasks.answers == []
    assert part_keys(s3, run) == []


def test_job_is_interrupted_again_when_its_work_goes_on_all_the_same(
    s3: Any,
    tasks: Tasks,
    started: Any,
    make_workload: Any,
    refuse_while_working: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_callback, "CANCEL_INTERVAL_SECONDS", 0.05)
    run = started(size=1, workload=make_workload(STUBBORNEST))
    refuse_while_working("TaskTimedOut")
    assert job.main() == 0
    assert part_keys(s3, run) == []


@pytest.mark.parametrize("code", ENDED)
def test_job_whose_task_has_ended_when_it_answers_exits_0(tasks: Tasks, started: Any, code: str) -> None:
    started()
    tasks.errors["success"] = [refused(code)]
    assert job.main() == 0


@pytest.mark.parametrize("error", [refused("ThrottlingException"), EndpointConnectionError(endpoint_url="http://x")])
def test_job_goes_on_when_heartbeats_are_lost(
    tasks: Tasks, started: Any, make_workload: Any, heard_after: Any, error: Exception
) -> None:
    heard_after(4)
    tasks.errors["heartbeat"] = [None, error, error]
    started(size=1, workload=make_workload(WAITING))
    assert job.main() == 0
    assert [action for action, _ in tasks.answers] == ["success"]


def test_job_that_fails_says_why_and_exits_1(s3: Any, tasks: Tasks, started: Any) -> None:
    run = started()
    s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batches.jsonl")
    assert job.main() == 1
    [(action, answer)] = tasks.answers
    assert (action, answer["error"]) == ("failure", "StorageAccessError")
    assert f"runs/{run.name}/batches.jsonl is missing" in answer["cause"]


def test_job_that_is_terminated_answers_nothing_and_writes_nothing(
    s3: Any, tasks: Tasks, started: Any, make_workload: Any
) -> None:
    source = "import os, signal\ndef compute(item): os.kill(os.getpid(), signal.SIGTERM)\n"
    run = started(size=1, workload=make_workload(source))
    with pytest.raises(SystemExit) as caught:
        job.main()
    assert caught.value.code == 143
    assert tasks.answers == []
    assert part_keys(s3, run) == []


def test_item_errors_are_in_the_part_and_the_job_succeeds(tasks: Tasks, started: Any, make_workload: Any) -> None:
    run = started(workload=make_workload("def compute(item): return 1 // item\n"), tolerated_failure_percentage=20)
    assert job.main() == 0
    output = sum_.handler({**run.state, "callback": json.loads(tasks.answers[0][1]["output"])}, None)
    assert (output["count"], output["failed"], output["failed_items"]["first"]) == (8, 1, [0])


def test_second_attempt_of_a_job_answers_with_the_part_of_the_first(
    s3: Any, tasks: Tasks, started: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started()
    tasks.errors["success"] = [EndpointConnectionError(endpoint_url="http://x")]
    assert job.main() == 1
    monkeypatch.setenv("TASK_TOKEN", TOKEN)
    # What computes again now, fails.
    monkeypatch.delattr("lambdas.jobs.job_part.compute_batch")
    assert job.main() == 0
    assert tasks.answers[-1] == (
        "success",
        {"output": json.dumps({"key": part_keys(s3, run)[0]}, separators=(",", ":"))},
    )


def test_workload_finds_no_token_and_no_log_holds_it(
    tasks: Tasks, started: Any, make_workload: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = started(size=1, workload=make_workload("import os\ndef compute(item): return sorted(os.environ.values())\n"))
    with caplog.at_level(logging.DEBUG, logger="lambdas"):
        assert job.main() == 0
    assert TOKEN not in caplog.text
    assert TOKEN not in run.text("batch_callback/job-1.jsonl")


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "soon"])
def test_job_needs_the_heartbeat_time_out(
    tasks: Tasks, started: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    started()
    monkeypatch.setenv("HEARTBEAT_SECONDS", text)
    assert job.main() == 1
    assert tasks.told == []


@pytest.mark.parametrize(("timeout_seconds", "interval"), [("10", 10 / 6), ("360", 60), ("3600", 60)])
def test_several_heartbeats_fit_into_the_time_out(
    monkeypatch: pytest.MonkeyPatch, timeout_seconds: str, interval: float
) -> None:
    monkeypatch.setenv("HEARTBEAT_SECONDS", timeout_seconds)
    assert job.heartbeat_interval_seconds() == pytest.approx(interval)


def test_failure_is_cut_to_what_the_service_takes() -> None:
    tasks = Tasks()
    TaskCallback(tasks, TOKEN, interval_seconds=1).fail("E" * 300, "c" * 40_000)
    [(_, answer)] = tasks.answers
    limits = (job_callback.MAX_ERROR_CHARACTERS, job_callback.MAX_CAUSE_CHARACTERS)
    assert (len(answer["error"]), len(answer["cause"])) == limits == (256, 32_768)


def test_cancelled_task_is_no_exception_that_a_workload_could_swallow() -> None:
    assert not issubclass(TaskCancelled, Exception)
