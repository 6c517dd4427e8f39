"""The image of jobs: its Dockerfile, and its command run as a process with the image's files, user and environment."""

import errno
import json
import os
import signal
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import job_image
import pytest
from job_image import DOCKERFILE, ROOT, Dockerfile, complaints
from sfn_local.server import Connection, LocalServer

from hpc_stack.batch_jobs import COMMAND, USER
from lambdas import start, workloads
from lambdas import sum as sum_
from lambdas.run_files import storage

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)

BUCKET = "results-bucket"
TOKEN = "a-task-token-that-nobody-may-see"
# Leaves behind what an interpreter waits for when it ends: a thread, and a function that is called at exit.
LINGERING = """
import atexit, os, signal, threading, time

def compute(item):
    print("computed", item, end="")
    threading.Thread(target=time.sleep, args=(86_400,)).start()
    atexit.register(time.sleep, 86_400)
    {end}
"""


def test_dockerfile_has_no_complaint() -> None:
    assert complaints(DOCKERFILE.read_text()) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (":3.14.7-slim-trixie", ":latest", "base image without a full version and a digest"),
        (":3.14.7-slim-trixie", "", "base image without a full version and a digest"),
        (":3.14.7-slim-trixie", ":3.14-slim", "base image without a full version and a digest"),
        ("@sha256:ce40", "", "base image without a full version and a digest"),
        ("--chmod=755 lambdas/ lambdas/", "lambdas/ lambdas/", "copies more than lambdas/"),
        ("USER 65534:65534", "USER root", "a user that is not root"),
        ("USER 65534:65534", "USER 0", "a user that is not root"),
        ("USER 65534:65534", "", "a user that is not root"),
        ("\nCOPY --chmod=755 lambdas/ lambdas/", "\nCOPY --chmod=755 . .", "copies more than lambdas/"),
        ("\nCOPY --chmod=755 lambdas/ lambdas/", "\nADD lambdas/ lambdas/", "unknown instruction ADD"),
        ('"boto3==${BOTO3_VERSION}"', "boto3", "package without a version: boto3"),
        ("RUN pip", "RUN curl -O x && pip", "not allowed in RUN: curl"),
        ('CMD ["python", "-m", "lambdas.job"]', "CMD python -m lambdas.job", "CMD must be a list"),
        ("WORKDIR /opt/hpc", "WORKDIR hpc", "WORKDIR must be an absolute path"),
    ],
)
def test_lint_finds_what_a_dockerfile_should_not_say(old: str, new: str, complaint: str) -> None:
    text = DOCKERFILE.read_text()
    assert text.count(old) == 1
    assert any(complaint in each for each in complaints(text.replace(old, new)))


def test_dockerfile_says_what_the_job_definition_says() -> None:
    file = Dockerfile.read(DOCKERFILE.read_text())
    assert (file.command, file.one("USER")) == (COMMAND, USER)


def test_dockerfile_installs_what_requirements_pin() -> None:
    [pin] = [
        line.split()[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("boto3==")
    ]
    assert f"BOTO3_VERSION={pin.removeprefix('boto3==')}" in Dockerfile.read(DOCKERFILE.read_text()).all("ARG")


class TaskEndpoint(BaseHTTPRequestHandler):
    """Step Functions as far as a job calls it: notes every call and answers it with nothing."""

    calls: list[tuple[str, dict[str, Any]]]
    heard: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.calls.append((self.headers["X-Amz-Target"].rpartition(".")[2], body))
        self.heard.set()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def tasks() -> Iterator[Any]:
    handler = type("Handler", (TaskEndpoint,), {"calls": [], "heard": threading.Event()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        handler.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with LocalServer(tmp_path_factory.mktemp("home"), None, worker_count=1) as connection:
        yield connection


@pytest.fixture(scope="module")
def handlers(server: Connection) -> Iterator[None]:
    """Let the handlers in this process use the same bucket."""
    variables = environment_of(server) | {"MAX_CONCURRENCY": "9", "MAX_ARRAY_SIZE": "3"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (variables | {"BACK_ENDS": "lambda,batch,batch_callback"}).items():
            patch.setenv(name, value)
        storage.s3_client.cache_clear()
        storage.s3_client().create_bucket(Bucket=BUCKET)
        yield
    storage.s3_client.cache_clear()


def environment_of(server: Connection) -> dict[str, str]:
    """Return the environment of a task on Fargate: the definition's variables, and credentials of its role."""
    return {
        "RESULTS_BUCKET": BUCKET,
        "AWS_DEFAULT_REGION": server.region,
        "AWS_ACCESS_KEY_ID": server.access_key_id,
        "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    # Not below pytest's own folder, which only its owner may enter: the image's user is another one.
    with tempfile.TemporaryDirectory(prefix="hpc-image-") as name:
        folder = Path(name)
        job_image.lay_out(folder)
        yield folder
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.fixture
def start_job(image: Path, server: Connection) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start_process(**variables: str) -> "subprocess.Popen[str]":
        started.append(job_image.start_job(image, environment_of(server) | variables))
        return started[-1]

    yield start_process
    for process in started:
        process.kill()
        process.communicate()


def new_run(name: str, back_end: str, **execution_input: Any) -> dict[str, Any]:
    value = {"size": 9, "workload": "squares", "back_end": back_end} | execution_input
    return start.handler({"input": value, "name": name}, CONTEXT)


def of_task(tasks: Any) -> dict[str, str]:
    """Return the variables of a job with a token, which answers to the Step Functions of a test."""
    return {"TASK_TOKEN": TOKEN, "HEARTBEAT_SECONDS": "3600", "AWS_ENDPOINT_URL_SFN": tasks.url}


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.mark.usefixtures("handlers")
def test_children_of_an_array_job_compute_a_run(start_job: Any) -> None:
    state = new_run("array", "batch")
    jobs = [start_job(RUN="array", AWS_BATCH_JOB_ARRAY_INDEX=str(index)) for index in range(state["run"]["array_size"])]
    results = [ended(process) for process in jobs]
    assert [status for status, _ in results] == [0, 0, 0], results
    assert all("INFO wrote 3 batches to s3://results-bucket/runs/array/batch/" in output for _, output in results)
    assert sum_.handler(state, None)["total_sum"] == "204"


@pytest.mark.usefixtures("handlers")
def test_job_with_a_token_computes_a_run(start_job: Any, tasks: Any) -> None:
    state = new_run("callback", "batch_callback")
    process = start_job(RUN="callback", AWS_BATCH_JOB_ID="job-7", **of_task(tasks))
    status, output = ended(process)
    assert status == 0, output
    assert TOKEN not in output
    assert [action for action, _ in tasks.calls] == ["SendTaskHeartbeat", "SendTaskSuccess"]
    answer = json.loads(tasks.calls[1][1]["output"])
    assert answer == {"key": "runs/callback/batch_callback/job-7.jsonl"}
    assert sum_.handler({**state, "callback": answer}, None)["total_sum"] == "204"


@pytest.mark.usefixtures("handlers")
def test_job_whose_token_the_service_does_not_know_exits_0_and_writes_nothing(start_job: Any) -> None:
    new_run("cancelled", "batch_callback")
    process = start_job(RUN="cancelled", TASK_TOKEN=TOKEN, HEARTBEAT_SECONDS="60", AWS_BATCH_JOB_ID="job-8")
    status, output = ended(process)
    assert (status, "nobody waits for this job any more" in output) == (0, True), output
    assert TOKEN not in output
    listed = storage.s3_client().list_objects_v2(Bucket=BUCKET, Prefix="runs/cancelled/batch_callback/")
    assert listed["KeyCount"] == 0


@pytest.mark.usefixtures("handlers")
def test_job_ends_at_sigterm_and_answers_nothing(start_job: Any, tasks: Any) -> None:
    # Minutes of work.
    value = {"items": [400_000] * 50, "workload": "utf8_keys", "back_end": "batch_callback"}
    start.handler({"input": value, "name": "terminated"}, CONTEXT)
    process = start_job(RUN="terminated", AWS_BATCH_JOB_ID="job-9", **of_task(tasks))
    assert tasks.heard.wait(30)
    process.send_signal(signal.SIGTERM)
    status, output = ended(process)
    assert status == 143, output
    assert [action for action, _ in tasks.calls] == ["SendTaskHeartbeat"]


@pytest.fixture
def add_workload(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], tuple[str, str]]]:
    """Return its name, and its folder: as for the image, not below pytest's own."""
    with tempfile.TemporaryDirectory(prefix="hpc-workloads-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, name])

        def add(source: str) -> tuple[str, str]:
            path = folder / f"made_{uuid.uuid4().hex}.py"
            path.write_text(source)
            path.chmod(0o644)
            return path.stem, name

        yield add
    workloads.load_unchanged.cache_clear()


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("return item", 0),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
        ("raise SystemExit", 0),
        ("raise SystemExit(7)", 0),
        ("raise SystemExit('why it left')", 0),
        ("raise KeyboardInterrupt('why it left')", 0),
        ("os._exit(0)", 0),
        ("os._exit(5)", 0),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_job_ends_when_it_is_done_whatever_its_workload_leaves_behind(
    start_job: Any, add_workload: Any, end: str, expected: int
) -> None:
    workload, folder = add_workload(LINGERING.format(end=end))
    run = f"lingering-{workload}"
    new_run(run, "batch", size=2, workload=workload)
    status, output = ended(start_job(RUN=run, AWS_BATCH_JOB_ARRAY_INDEX="0", HPC_WORKLOADS_OVERLAY=folder))
    assert status == expected, output
    assert "computed 0" in output
    assert ("why it left" in output) == ("why it left" in end)


@pytest.mark.usefixtures("handlers")
def test_job_with_a_token_ends_when_it_has_answered(start_job: Any, add_workload: Any, tasks: Any) -> None:
    workload, folder = add_workload(LINGERING.format(end="return item"))
    new_run("answered", "batch_callback", size=1, workload=workload)
    process = start_job(RUN="answered", AWS_BATCH_JOB_ID="job-10", HPC_WORKLOADS_OVERLAY=folder, **of_task(tasks))
    status, output = ended(process)
    assert status == 0, output
    assert [action for action, _ in tasks.calls] == ["SendTaskHeartbeat", "SendTaskSuccess"]


@pytest.mark.usefixtures("handlers")
def test_job_says_in_one_line_that_its_run_is_not_there(start_job: Any) -> None:
    status, output = ended(start_job(RUN="no-such-run", AWS_BATCH_JOB_ARRAY_INDEX="0"))
    assert status == 1
    assert output.startswith("ERROR StorageAccessError: s3://results-bucket/runs/no-such-run/run.json is missing")
    assert output.count("\n") == 1


def test_job_may_write_nowhere_and_is_not_root(image: Path) -> None:
    """The restrictions of these tests themselves: without them the others would show nothing."""
    command = "import os, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    command += "import tempfile\nfor place in ('.', '/tmp'):\n  try:\n"
    command += "    with tempfile.TemporaryFile(dir=place, buffering=0) as file: file.write(b'x')\n"
    command += "  except OSError as error: print(error.errno)\nprint(os.getuid())"
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 0 && exec "$@"', "sh", job_image.python_for_all(), "-c", command],
        cwd=image,
        capture_output=True,
        text=True,
        check=True,
        **job_image.image_user(),
    )
    uid = job_image.image_user().get("user", os.getuid())
    assert done.stdout.split() == [str(errno.EACCES), str(errno.EFBIG), str(uid)]
    assert uid != 0
