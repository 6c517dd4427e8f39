"""A run without batches: Start is still at it, or did not form them."""

from types import SimpleNamespace
from typing import Any

import pytest

from hpc.errors import NotStartedError
from hpc.runs.items import find_batch
from hpc.runs.run import Run

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:MapReduce"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("RUNNING", "has no items yet: it is RUNNING, and Start forms its batches"),
        ("FAILED", "has no items: Start did not form its batches"),
    ],
)
def test_run_without_batches_says_whether_start_goes_on(status: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states: Any = SimpleNamespace(
        describe_execution=lambda executionArn: {"status": status},  # noqa: N803 - boto3's spelling
        get_paginator=lambda _name: SimpleNamespace(paginate=lambda **_given: [{"events": []}]),
    )
    target: Any = SimpleNamespace(stepfunctions=states, execution_arn=lambda name: f"{EXECUTION}:{name}")
    monkeypatch.setattr(Run, "read", lambda _run, _file: None)
    with pytest.raises(NotStartedError) as caught:
        find_batch(Run(target, f"{EXECUTION}:run-1"), 0)
    assert str(caught.value) == f"run-1 {why}"
