"""The one reader of a limit that needs aws_cdk; tests/unit/test_contract_limits.py has the others."""

import importlib

import pytest

from hpc_stack import tasks
from hpc_stack.contract import limits


def test_start_and_sum_have_the_longest_time_out_of_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FUNCTION_TIMEOUT_SECONDS", 450)
    try:
        assert importlib.reload(tasks).START_AND_SUM_TIMEOUT_SECONDS == 450
    finally:
        monkeypatch.undo()
        importlib.reload(tasks)
