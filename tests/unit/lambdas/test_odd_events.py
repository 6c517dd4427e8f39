"""Events and run files that fuzzing found to end in an error of Python's, or in a handler that never ends."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas import compare, compute, job_events, notify
from lambdas.run_files import checksums, runs, storage
from lambdas.run_files.errors import InvalidEventError, ResultFileError, StorageAccessError

CONTEXT: Any = None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"next": True}, "next must be 0 to 2, got true"),
        ({"offset": -1}, "offset must be an integer of 0 or more, got -1"),
        ({"checksum": "0"}, "checksum must be an integer of 0 or more"),
        ({"limit": 0}, "limit must be null or an integer of 1 or more, got 0"),  # it never got on
        ({"limit": {}}, "limit must be null or an integer of 1 or more"),
        ({"parts": [{}]}, "parts must be of items 0 to -1"),
        ({"parts": 1}, "parts must be of items 0 to -1"),
        ({"next": 1}, "parts must be of items 0 to 0: its parts end at item 0"),
    ],
)
def test_compute_refuses_a_pause_that_it_never_made(
    pipeline: Callable[..., Any], changes: dict[str, Any], message: str
) -> None:
    run = pipeline(size=2, workload="squares", batch_size=2)
    run.start()
    paused = {"done": False, "next": 0, "offset": 0, "checksum": 0, "limit": None, "parts": []}
    event = {"run": run.name, "batch": run.batches()[0], **paused, **changes}
    compute.read_batch(event)
    with pytest.raises(InvalidEventError, match=message):
        compute.check_pause(runs.Batch.from_json(event["batch"]), event)


@pytest.mark.parametrize(
    ("field", "value"), [("workload", []), ("item_count", "3"), ("params", None), ("array_size", True)]
)
def test_run_file_with_a_field_of_another_type_is_refused(pipeline: Callable[..., Any], field: str, value: Any) -> None:
    run = pipeline(size=2, workload="squares")
    run.start()
    told = checksums.with_checksum(checksums.without_checksum(json.loads(run.text("run.json"))) | {field: value})
    run.s3.put_object(Bucket=run.BUCKET, Key=f"runs/{run.name}/run.json", Body=json.dumps(told).encode())
    runs.read_settings.cache_clear()
    with pytest.raises(ResultFileError, match=f"{field} in run.json of run {run.name} must be"):
        runs.read_settings(run.BUCKET, run.name)


@pytest.mark.parametrize("limit", ["100", None, True, [1]])
def test_compare_refuses_a_limit_that_is_no_integer(pipeline: Callable[..., Any], limit: Any) -> None:
    file = pipeline(size=2, workload="squares").run()["result_file"]
    results = {end: {"result_file": file, "count": 2, "failed": 0} for end in ("lambda", "batch", "batch_callback")}
    with pytest.raises(InvalidEventError, match="total_characters an integer"):
        compare.handler({"name": "invoke1", "total_characters": limit, "results": results}, CONTEXT)


@pytest.mark.parametrize("detail", [None, {}, {"container": {"environment": [0]}}, {"container": 1}, []])
@pytest.mark.parametrize("kind", ["Batch Job State Change", "Step Functions Execution Status Change"])
def test_events_whose_detail_is_of_another_kind_are_refused(kind: str, detail: Any) -> None:
    if kind.startswith("Batch") and detail == {}:
        assert job_events.handler({"detail-type": kind, "detail": detail}, CONTEXT) == {"answered": False}
        return
    with pytest.raises(InvalidEventError, match="is not of its kind"):
        job_events.handler({"detail-type": kind, "detail": detail}, CONTEXT)


@pytest.mark.parametrize("token", [["a-task-token-that-nobody-may-see"], ""])
def test_token_that_is_none_is_refused_and_not_shown(token: Any) -> None:
    container = {"environment": [{"name": "TASK_TOKEN", "value": token}]}
    event = {"detail-type": "Batch Job State Change", "detail": {"jobId": "job-1", "container": container}}
    with pytest.raises(InvalidEventError, match=r"TASK_TOKEN must be a text, not empty$"):
        job_events.handler(event, CONTEXT)


@pytest.mark.parametrize("count", ["2", None, [], True])
def test_notify_refuses_an_entry_count_that_is_no_integer(count: Any) -> None:
    event = {"entry": {"name": "invoke1"}, "entry_count": count, "task_token": "t"}
    with pytest.raises(InvalidEventError, match="entry_count must be an integer"):
        notify.handler(event, CONTEXT)


@pytest.mark.parametrize("token", ["", None, 1])
def test_notify_refuses_a_token_that_is_none(token: Any) -> None:
    event = {"entry": {"name": "invoke1"}, "entry_count": 1, "task_token": token}
    with pytest.raises(InvalidEventError, match="notify takes"):
        notify.handler(event, CONTEXT)


@pytest.mark.parametrize("key", ["\ud800", ""])
def test_key_that_no_object_can_have_is_named(pipeline: Callable[..., Any], key: str) -> None:
    with pytest.raises(StorageAccessError, match="are no names of an object"):
        storage.get_json("bucket", key)
