"""One entry of the orchestrator through all its handlers, in the order in which SyncNested calls them."""

import json
import signal
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import compare, job, notify, start
from lambdas import sum as sum_

CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)

KEPT = ("result_file", "count", "failed")


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Answers to task tokens, of Notify and of the job."""
    told: list[Any] = []
    client = SimpleNamespace(
        send_task_success=lambda output, **_: told.append(json.loads(output)), send_task_heartbeat=lambda **_: None
    )
    for module in (job, notify):
        monkeypatch.setattr(module, "step_functions_client", lambda: client)
    monkeypatch.setenv("BACK_ENDS", "lambda,batch,batch_callback")
    monkeypatch.setenv("MAX_ARRAY_SIZE", "24")
    monkeypatch.setenv("HEARTBEAT_SECONDS", "3600")
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "job-1")
    previous = signal.getsignal(signal.SIGTERM)
    yield told
    signal.signal(signal.SIGTERM, previous)


def begin(execution: str, plan: dict[str, Any], back_end: str) -> dict[str, Any]:
    value = {**plan["input"], "batch_size": plan["batch_size"], "back_end": back_end}
    run: dict[str, Any] = start.handler({"input": value, "name": f"{execution}/{back_end}"}, CONTEXT)["run"]
    return run


def run_job(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert job.main() == 0


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "invoke1"},
        {"name": "2", "size": 0},
        {"name": "3", "size": 1},
        {"name": "4", "size": 50, "workload": "squares"},
    ],
)
def test_totals_of_an_entry_agree_on_every_back_end(
    pipeline: Any, answers: list[Any], monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any]
) -> None:
    execution = f"entry-{uuid.uuid4().hex}"
    notify.handler({"entry": entry, "entry_count": 1, "task_token": "token"}, None)
    [plan] = answers
    by_map = pipeline(**plan["input"]).run()
    array = begin(execution, plan, "batch")
    assert array["array_size"] == (3 if plan["input"]["size"] > 2 else 2)
    for index in range(array["array_size"]):
        run_job(monkeypatch, RUN=array["name"], AWS_BATCH_JOB_ARRAY_INDEX=str(index))
    by_array = sum_.handler({"run": array}, None)
    callback = begin(execution, plan, "batch_callback")
    run_job(monkeypatch, RUN=callback["name"], TASK_TOKEN="token")
    by_callback = sum_.handler({"run": callback, "callback": answers[-1]}, None)
    outputs = {"lambda": by_map, "batch": by_array, "batch_callback": by_callback}
    compared = compare.handler(
        {
            "name": plan["name"],
            "total_characters": plan["total_characters"],
            "results": {back_end: {field: output[field] for field in KEPT} for back_end, output in outputs.items()},
        },
        None,
    )
    assert compared["agree"] is True
    assert {total["total"] for total in compared["totals"].values()} == {by_map["result"]}
    assert by_array["result_file"] == f"s3://{pipeline().BUCKET}/runs/{execution}/batch/result.json"
