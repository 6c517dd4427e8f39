"""Notify: an entry of the orchestrator to its plan, or to the failure that it asks for."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from lambdas import notify
from lambdas.run_files.errors import InvalidEventError, InvalidInputError

TOKEN = "a-task-token-that-nobody-may-see"


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("stepfunctions", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(notify, "step_functions_client", lambda: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def event(entry: Any, entry_count: int = 2) -> dict[str, Any]:
    return {"entry": entry, "entry_count": entry_count, "task_token": TOKEN}


@pytest.mark.parametrize(
    ("entry", "plan"),
    [
        (
            {"name": "invoke1"},
            {
                "name": "invoke1",
                "input": {"size": 16, "workload": "utf8_keys", "params": {}},
                "batch_size": 6,
                "total_characters": 10_000,
            },
        ),
        (
            {"name": "2", "size": 0, "workload": "squares", "params": {"a": [1.5]}, "fail": False},
            {
                "name": "2",
                "input": {"size": 0, "workload": "squares", "params": {"a": [1.5]}},
                "batch_size": 1,
                "total_characters": 10_000,
            },
        ),
    ],
)
def test_notify_answers_with_the_plan_of_an_entry(states: Stubber, entry: dict[str, Any], plan: dict[str, Any]) -> None:
    output = json.dumps(plan, separators=(",", ":"))
    states.add_response("send_task_success", {}, {"taskToken": TOKEN, "output": output})
    notify.handler(event(entry), None)


@pytest.mark.parametrize(
    ("fail", "cause"), [(True, "entry a failed: it was told to"), ("no disk", "entry a failed: no disk")]
)
def test_notify_answers_with_a_failure_when_the_entry_asks_for_it(states: Stubber, fail: Any, cause: str) -> None:
    states.add_response("send_task_failure", {}, {"taskToken": TOKEN, "error": "FailureRequestedError", "cause": cause})
    notify.handler(event({"name": "a", "fail": fail}), None)


@pytest.mark.parametrize("code", ["TaskTimedOut", "InvalidToken", "TaskDoesNotExist"])
def test_notify_leaves_a_task_that_has_ended_alone(states: Stubber, code: str) -> None:
    states.add_client_error("send_task_success", code, expected_params={"taskToken": TOKEN, "output": ANY})
    notify.handler(event({"name": "a"}), None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (None, 'an entry must be an object with a name, such as {"name": "invoke1"}, got null'),
        ({}, "got {}"),
        ({"name": ""}, "must be an object with a name"),
        ({"name": 1}, "must be an object with a name"),
        (
            {"name": "a", "sise": 1},
            'entry a has the unknown key "sise": allowed are name, size, workload, params, fail',
        ),
        ({"name": "a", "size": -1}, "size must be an integer from 0"),
        ({"name": "a", "size": "16"}, "size must be an integer from 0"),
        ({"name": "a", "size": True}, "size must be an integer from 0"),
        ({"name": "a", "fail": 1}, "fail of entry a must be true, false or a text, got 1"),
    ],
)
def test_notify_refuses_an_entry_by_name(states: Stubber, entry: Any, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        notify.handler(event(entry), None)
    assert message in str(caught.value)


@pytest.mark.parametrize("wrong", [None, {}, {"entry": {}, "entry_count": 1}, event({}) | {"task_token": 1}])
def test_notify_refuses_other_events_without_showing_them(states: Stubber, wrong: Any) -> None:
    with pytest.raises(InvalidEventError, match=r"^notify takes entry, entry_count, task_token$"):
        notify.handler(wrong, None)


@given(size=st.integers(0, 10**6), entry_count=st.integers(1, 400))
def test_plan_makes_at_most_three_batches_and_totals_that_fit_one_state(size: int, entry_count: int) -> None:
    plan = notify.plan(notify.Entry("n", size, "squares", {}, fail=False), entry_count)
    assert -(-size // plan["batch_size"]) <= 3
    assert plan["total_characters"] <= 10_000
    assert plan["total_characters"] * 3 * entry_count <= 150_000
