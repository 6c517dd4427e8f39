"""Event patterns, and who gets an event."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.arns import Account
from sfn_local.clock import Clock
from sfn_local.eventbridge.rules import TRIES, EventBus, Rule, matches
from sfn_local.eventbridge.status_events import execution_events
from sfn_local.iam.access import Access, Policies
from sfn_local.iam.policies import parse
from sfn_local.lambda_runtime.runtime import FunctionError
from sfn_local.storage.execution_store import ExecutionRow

SCALARS = st.none() | st.booleans() | st.text(max_size=3) | st.integers()
EVENTS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), SCALARS | st.lists(SCALARS, min_size=1, max_size=3), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def exact_pattern(event: Any) -> Any:
    """Return the pattern of which every field names the event's own value."""
    if isinstance(event, dict):
        return {name: exact_pattern(value) for name, value in event.items()}
    return event if isinstance(event, list) else [event]


@given(event=EVENTS)
def test_an_event_matches_the_pattern_of_its_own_values(event: dict[str, Any]) -> None:
    assert matches(exact_pattern(event), event)
    assert matches({}, event)


@given(event=EVENTS)
def test_an_event_does_not_match_a_pattern_with_a_field_more(event: dict[str, Any]) -> None:
    assert not matches({**exact_pattern(event), "d": [None]}, event)


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({"status": ["FAILED", "ABORTED"]}, {"status": "ABORTED"}, True),
        ({"status": ["FAILED"]}, {"status": "SUCCEEDED"}, False),
        ({"detail": {"status": ["FAILED"]}}, {"detail": {"status": "FAILED", "more": 1}}, True),
        ({"detail": {"status": ["FAILED"]}}, {"detail": "FAILED"}, False),
        ({"resources": ["b"]}, {"resources": ["a", "b"]}, True),
        ({"code": [None]}, {"code": None}, True),
    ],
)
def test_pattern_matches(pattern: dict[str, Any], event: dict[str, Any], expected: bool) -> None:
    assert matches(pattern, event) is expected


@pytest.mark.parametrize("wanted", ["FAILED", [{"prefix": "F"}], [["FAILED"]], 1])
def test_pattern_with_more_than_values_is_refused_by_name(wanted: Any) -> None:
    with pytest.raises(ValueError, match=r"EventPattern\.detail\.status must be a list"):
        Rule(name="rule", arn="arn:rule", pattern={"detail": {"status": wanted}}, targets=())


EVERY_RULE = Access(
    Policies(
        of_resources={
            target: parse(
                {
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "events.amazonaws.com"},
                        "Action": "lambda:InvokeFunction",
                    }
                },
                "permission",
            )
            for target in ("f", "g")
        }
    )
)
FAILED_JOBS = {"source": ["aws.batch"], "detail": {"status": ["FAILED"], "jobQueue": ["queue"]}}


class Functions:
    """Takes invocations in the place of the Lambda runtime, and fails the first of them."""

    def __init__(self, failure_count: int) -> None:
        self.failure_count = failure_count
        self.invocations: list[tuple[str, dict[str, Any]]] = []

    async def invoke(self, function_arn: str, payload: bytes) -> bytes:
        self.invocations.append((function_arn, json.loads(payload)))
        if len(self.invocations) <= self.failure_count:
            raise FunctionError("Unhandled", "{}")
        return b"null"


def deliver(functions: Functions, detail: dict[str, Any]) -> None:
    async def scenario() -> None:
        bus = EventBus(functions, Account(), Clock(), EVERY_RULE)  # type: ignore[arg-type]  # has what the bus calls
        bus.add(
            [
                Rule(name="one", arn="arn:one", pattern=FAILED_JOBS, targets=("f",)),
                Rule(name="other", arn="arn:other", pattern={"source": ["aws.states"]}, targets=("g",)),
            ]
        )
        bus.publish("aws.batch", "Batch Job State Change", "arn:job", detail["status"], lambda: detail)
        while bus._deliveries:
            await asyncio.gather(*bus._deliveries)
        await bus.close()
        bus.publish("aws.batch", "Batch Job State Change", "arn:job", detail["status"], lambda: detail)

    asyncio.run(scenario())


def test_an_event_goes_to_the_targets_of_the_rules_that_it_matches() -> None:
    functions = Functions(failure_count=0)
    deliver(functions, {"status": "FAILED", "jobQueue": "queue"})
    ((target, event),) = functions.invocations
    assert target == "f"
    assert event["detail"] == {"status": "FAILED", "jobQueue": "queue"}
    assert event["detail-type"] == "Batch Job State Change"
    assert event["resources"] == ["arn:job"]
    assert (event["account"], event["region"], event["version"]) == ("000000000000", "us-east-1", "0")


@pytest.mark.parametrize("detail", [{"status": "RUNNING"}, {"status": "FAILED", "jobQueue": "other"}])
def test_an_event_that_no_rule_wants_goes_nowhere(detail: dict[str, str]) -> None:
    functions = Functions(failure_count=0)
    deliver(functions, detail)
    assert not functions.invocations


def test_detail_is_not_made_where_no_rule_wants_the_status() -> None:
    bus = EventBus(Functions(0), Account(), Clock(), EVERY_RULE)  # type: ignore[arg-type]  # has what the bus calls
    bus.add([Rule(name="one", arn="arn:one", pattern={"detail": {"status": ["FAILED"]}}, targets=("f",))])
    bus.publish("aws.batch", "Batch Job State Change", "arn:job", "RUNNING", lambda: pytest.fail("it was made"))


@pytest.mark.parametrize(("failure_count", "invocation_count"), [(1, 2), (TRIES, TRIES)])
def test_a_function_that_fails_gets_the_event_again(failure_count: int, invocation_count: int) -> None:
    functions = Functions(failure_count)
    deliver(functions, {"status": "FAILED", "jobQueue": "queue"})
    assert len(functions.invocations) == invocation_count


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([{"name": "RUN", "value": "a"}, {"name": "TASK_TOKEN", "value": "b"}], True),
        ([{"name": "RUN", "value": "TASK_TOKEN"}], False),
        ([], False),
        (["TASK_TOKEN"], False),
    ],
)
def test_one_of_a_list_of_objects_has_to_have_what_is_wanted(variables: list[Any], expected: bool) -> None:
    pattern = {"detail": {"container": {"environment": {"name": ["TASK_TOKEN"]}}}}
    assert matches(pattern, {"detail": {"container": {"environment": variables}}}) is expected


class Published:
    """Takes the details of events in the place of the bus."""

    def __init__(self) -> None:
        self.details: list[dict[str, Any]] = []

    def publish(self, _source: str, _kind: str, _arn: str, _status: str, detail: Callable[[], dict[str, Any]]) -> None:
        self.details.append(detail())


@pytest.mark.parametrize(
    ("reason", "status"),
    [("Execution is RUNNING and cannot be redriven", "NOT_REDRIVABLE"), (None, "REDRIVABLE")],
)
def test_event_of_an_execution_has_the_fields_that_were_recorded(reason: str | None, status: str) -> None:
    bus = Published()
    row = ExecutionRow(
        id=1,
        arn="arn:e",
        machine_arn="arn:m",
        name="e",
        status="RUNNING",
        input="{}",
        started=1.5,
        redriven=2.25,
        redrive_count=1,
    )
    execution_events(bus, lambda _row: reason)(row)  # type: ignore[arg-type]  # has what is called
    (detail,) = bus.details
    assert set(detail) == {
        *("executionArn", "stateMachineArn", "name", "status", "startDate", "stopDate", "input", "output"),
        *("stateMachineVersionArn", "stateMachineAliasArn", "redriveCount", "redriveDate", "redriveStatus"),
        *("redriveStatusReason", "inputDetails", "outputDetails", "error", "cause"),
    }
    assert (detail["redriveCount"], detail["redriveDate"], detail["startDate"]) == (1, 2250, 1500)
    assert (detail["redriveStatus"], detail["redriveStatusReason"]) == (status, reason)
    assert (detail["stateMachineVersionArn"], detail["stateMachineAliasArn"]) == (None, None)
