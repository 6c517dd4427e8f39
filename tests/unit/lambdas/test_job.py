"""The job: its share of a run to one part, in any number of attempts; what Sum makes of the parts."""

import json
import logging
import re
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas import job, start
from lambdas import sum as sum_
from lambdas.run_files import errors, storage

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)

BAD_THIRD = (
    "def compute(item):\n    if item == 3: raise ValueError('bad')\n    return item\ndef combine(a, b): return a + b\n"
)


@pytest.fixture(scope="module", autouse=True)
def back_ends() -> Iterator[None]:
    previous = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACK_ENDS", "lambda,batch,batch_callback")
        patch.setenv("MAX_ARRAY_SIZE", "4")
        yield
    signal.signal(signal.SIGTERM, previous)


def run_child(run: Any, index: int | str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUN", run.name)
        patch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", str(index))
        return job.main()


def run_array(run: Any) -> dict[str, Any]:
    """Start a run, run every child of its array job, and sum."""
    size = run.start()["array_size"]
    assert [run_child(run, index) for index in range(size)] == [0] * size
    return sum_run(run)


def sum_run(run: Any) -> dict[str, Any]:
    output: dict[str, Any] = sum_.handler(run.state, None)
    return output


def parts(s3: Any, run: Any) -> list[str]:
    listed = s3.list_objects_v2(Bucket=run.BUCKET, Prefix=f"runs/{run.name}/batch/").get("Contents", ())
    return [entry["Key"].rpartition("/")[2] for entry in listed]


def requests_of(s3: Any) -> tuple[list[str], Callable[..., None]]:
    seen: list[str] = []

    def note(model: Any, **_: Any) -> None:
        seen.append(model.name)

    s3.meta.events.register("before-call.s3", note)
    return seen, note


def test_start_describes_the_array_job(pipeline: Any) -> None:
    run = pipeline(size=100, workload="squares", back_end="batch")
    described = run.start()
    assert {name: described[name] for name in ("back_end", "job_name", "array_size")} == {
        "back_end": "batch",
        "job_name": f"MapReduce-{run.name}-batch",
        "array_size": 4,
    }
    settings_ = json.loads(run.text("run.json"))
    assert (settings_["back_end"], settings_["array_size"]) == ("batch", 4)


@pytest.mark.parametrize(
    ("execution_input", "array_size"),
    [
        ({"size": 0}, 2),
        ({"size": 1}, 2),
        ({"size": 3}, 3),
        ({"size": 100}, 4),
        ({"size": 50, "batch_size": 5}, 10),
        ({"size": 9, "batch_size": 9}, 2),
    ],
)
def test_array_is_as_large_as_items_and_quota_or_the_batch_size_say(
    pipeline: Any, execution_input: dict[str, int], array_size: int
) -> None:
    assert pipeline(workload="squares", back_end="batch", **execution_input).start()["array_size"] == array_size


def test_start_gives_a_callback_job_a_name_only(pipeline: Any) -> None:
    described = pipeline(size=3, workload="squares", back_end="batch_callback").start()
    assert described["job_name"].startswith("MapReduce-run-")
    assert "array_size" not in described


@pytest.mark.parametrize("back_end", ["batch", "batch_callback"])
def test_start_refuses_a_back_end_that_the_stack_does_not_have(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, back_end: str
) -> None:
    monkeypatch.setenv("BACK_ENDS", "lambda")
    with pytest.raises(
        errors.InvalidInputError, match=f"back_end {back_end} needs AWS Batch.*hpc:batch.*it has lambda"
    ):
        pipeline(size=3, back_end=back_end).start()


@pytest.mark.parametrize("back_end", ["fargate", "", None, 1, ["batch"]])
def test_start_refuses_an_unknown_back_end(pipeline: Any, back_end: Any) -> None:
    with pytest.raises(errors.InvalidInputError, match="back_end must be one of lambda, batch, batch_callback"):
        pipeline(size=3, back_end=back_end).start()


def test_job_names_a_file_of_batches_that_was_cut_off(pipeline: Any, s3: Any, caplog: pytest.LogCaptureFixture) -> None:
    run = pipeline(size=100, workload="squares", back_end="batch")
    run.start()
    lines = run.text("batches.jsonl").splitlines(keepends=True)
    s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batches.jsonl", Body="".join(lines[:49]).encode())
    assert [run_child(run, index) for index in (2, 3)] == [0, 1]
    assert "batches.jsonl is broken: it has fewer than 50 batches, run.json says 50" in caplog.text
    assert parts(s3, run) == ["2.jsonl"]


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 40), batch_size=st.none() | st.integers(1, 41))
def test_array_job_gives_the_closed_form(pipeline: Any, size: int, batch_size: int | None) -> None:
    chosen = {} if batch_size is None else {"batch_size": batch_size}
    output = run_array(pipeline(size=size, workload="squares", back_end="batch", **chosen))
    total = sum(index * index for index in range(size))
    assert (output.get("total_sum"), output["count"], output["failed"]) == (str(total), size, 0)


def test_array_job_gives_what_the_map_gives(pipeline: Any, make_workload: Any) -> None:
    for source in ("utf8_keys", make_workload("def compute(item): return [item]\n")):
        by_map = pipeline(size=23, workload=source).run()
        by_jobs = run_array(pipeline(size=23, workload=source, back_end="batch"))
        assert (by_jobs["result"], by_jobs["count"]) == (by_map["result"], 23)


def test_array_job_reads_items_from_a_file(pipeline: Any, make_workload: Any) -> None:
    name = make_workload("def compute(item): return item * 2\ndef combine(a, b): return a + b\n")
    assert run_array(pipeline(items=[1, 2, 3.5, 4, 5], workload=name, back_end="batch"))["result"] == "31.0"


def test_child_without_a_batch_writes_nothing(s3: Any, pipeline: Any) -> None:
    run = pipeline(size=1, workload="squares", back_end="batch")
    run.start()
    assert [run_child(run, index) for index in (0, 1)] == [0, 0]
    assert parts(s3, run) == ["1.jsonl"]


def test_child_whose_part_is_there_computes_and_writes_nothing(
    pipeline: Any,
) -> None:
    run = pipeline(size=8, workload="squares", back_end="batch")
    expected = run_array(run)
    seen, note = requests_of(storage.s3_client())
    assert run_child(run, 2) == 0
    storage.s3_client().meta.events.unregister("before-call.s3", note)
    assert "PutObject" not in seen
    assert sum_run(run) == expected


@pytest.mark.parametrize(
    "body",
    {
        "empty": b"",
        "torn": b'{"done":true,"run":',
        "not text": b"\xff\n",
        "another run": b'{"done":true,"run":"other","batch":4,"first":4,"count":1,"parts":[]}\n',
        "list": b"[]\n",
    }.items(),
    ids=lambda each: each[0],
)
def test_child_writes_a_part_anew_that_is_not_its_own(s3: Any, pipeline: Any, body: tuple[str, bytes]) -> None:
    run = pipeline(size=8, workload="squares", back_end="batch")
    expected = run_array(run)
    s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batch/2.jsonl", Body=body[1])
    assert run_child(run, 2) == 0
    assert sum_run(run) == expected


def test_child_writes_a_part_anew_that_lacks_a_batch_or_has_one_more(s3: Any, pipeline: Any) -> None:
    run = pipeline(size=8, workload="squares", back_end="batch")
    expected = run_array(run)
    lines = run.text("batch/2.jsonl").splitlines(keepends=True)
    assert len(lines) == 2
    for kept in (lines[:1], lines * 2, lines[::-1]):
        s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batch/2.jsonl", Body="".join(kept).encode())
        assert run_child(run, 2) == 0
        assert run.text("batch/2.jsonl").splitlines(keepends=True) == lines
    assert sum_run(run) == expected


def test_item_that_fails_is_recorded_and_the_child_succeeds(pipeline: Any, make_workload: Any) -> None:
    run = pipeline(size=8, workload=make_workload(BAD_THIRD), back_end="batch", tolerated_failure_percentage=13)
    output = run_array(run)
    assert (output["result"], output["count"], output["failed"]) == (str(sum(range(8)) - 3), 7, 1)
    failed = json.loads(run.text("failed.jsonl"))
    assert (failed["index"], failed["error_type"]) == (3, "ValueError")
    assert failed["message"].startswith("bad (made_")


@pytest.mark.parametrize("percentage", [0, 12])
def test_sum_applies_the_tolerance_to_the_items_of_all_children(
    pipeline: Any, make_workload: Any, percentage: int
) -> None:
    run = pipeline(size=8, workload=make_workload(BAD_THIRD), back_end="batch", tolerated_failure_percentage=percentage)
    with pytest.raises(errors.FailureToleranceExceededError, match=r"1 of 8 items failed, .*first of them 3;"):
        run_array(run)


@pytest.mark.parametrize("count", [8, 2_000])
def test_workload_that_breaks_its_contract_fails_its_batches_and_no_job(
    pipeline: Any, make_workload: Any, count: int
) -> None:
    name = make_workload("def compute_batch(items): return []\n")
    run = pipeline(size=count, batch_size=count // 4, workload=name, back_end="batch", tolerated_failure_percentage=100)
    output = run_array(run)
    assert (output["count"], output["failed"]) == (0, count)
    failed = json.loads(run.text("failed.jsonl").splitlines()[-1])
    assert failed["error_type"] == "WorkloadError"
    assert failed["message"].startswith("workload made_")


def test_sum_names_the_part_that_is_missing(s3: Any, pipeline: Any) -> None:
    run = pipeline(size=8, workload="squares", back_end="batch")
    run_array(run)
    s3.delete_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batch/3.jsonl")
    with pytest.raises(errors.StorageAccessError, match=rf"runs/{run.name}/batch/3\.jsonl is missing"):
        sum_run(run)


def test_sum_refuses_a_part_that_lacks_a_batch(s3: Any, pipeline: Any) -> None:
    run = pipeline(size=8, workload="squares", back_end="batch")
    run_array(run)
    first_line = run.text("batch/3.jsonl").splitlines()[0]
    s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/batch/3.jsonl", Body=first_line.encode())
    with pytest.raises(errors.MissingResultsError, match="1 of 8 batches have no record"):
        sum_run(run)


def test_runs_of_one_execution_keep_apart(s3: Any) -> None:
    totals = []
    for back_end in ("batch", "batch_callback"):
        event = {
            "input": {"size": 6, "workload": "squares", "back_end": back_end, "batch_size": 2},
            "name": f"execution-9/{back_end}",
        }
        run = start.handler(event, CONTEXT)["run"]
        assert run["job_name"] == f"SyncNested-execution-9-{back_end}"
        assert run["batches_key"] == f"runs/execution-9/{back_end}/batches.jsonl"
        totals.append(run["batch_count"])
    assert totals == [3, 3]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RUN": "", "AWS_BATCH_JOB_ARRAY_INDEX": "0"}, "ConfigurationError: environment variable RUN is not set"),
        ({"RUN": "../x", "AWS_BATCH_JOB_ARRAY_INDEX": "0"}, "InvalidEventError: RUN must be the name of a run"),
        (
            {"RUN": "unknown", "AWS_BATCH_JOB_ARRAY_INDEX": "0"},
            "StorageAccessError: s3://results-bucket/runs/unknown/run.json",
        ),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "4"}, "ConfigurationError: AWS_BATCH_JOB_ARRAY_INDEX must be 0 to 3, .*got '4'"),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "-1"}, "ConfigurationError: AWS_BATCH_JOB_ARRAY_INDEX must be 0 to 3"),
        ({}, "ConfigurationError: environment variable AWS_BATCH_JOB_ARRAY_INDEX is not set"),
    ],
)
def test_job_says_in_one_line_what_its_environment_lacks(
    pipeline: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    variables: dict[str, str],
    message: str,
) -> None:
    run = pipeline(size=8, workload="squares", back_end="batch")
    run.start()
    monkeypatch.setenv("RUN", run.name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.ERROR):
        assert job.main() == 1
    [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert not record.exc_info
    assert re.match(message, record.getMessage())


@pytest.mark.parametrize(
    ("callback", "error", "message"),
    [
        (None, "InvalidEventError", "callback must be"),
        ({}, "InvalidEventError", "callback must be"),
        ({"key": 1}, "InvalidEventError", "callback must be"),
        ({"key": "runs/other/batch_callback/job-1.jsonl"}, "ResultFileError", "must be under runs/"),
        ({"key": "uploads/x"}, "ResultFileError", "must be under runs/"),
    ],
)
def test_sum_refuses_an_answer_that_is_not_of_its_run(pipeline: Any, callback: Any, error: str, message: str) -> None:
    run = pipeline(size=9, workload="squares", back_end="batch_callback")
    run.start()
    with pytest.raises(Exception, match=message) as caught:
        sum_.handler({**run.state, "callback": callback}, None)
    assert type(caught.value).__name__ == error
