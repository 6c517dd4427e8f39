"""Commands that look, on a stubbed AWS: every request and answer is checked against the services' own models."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from stubs import answering, deployed_stack

from hpc.runs.children import attempts, list_children, slowest_children
from hpc.runs.failed_items import FailedItems
from hpc.runs.find import MAX_SAMPLES, find_run, list_executions
from hpc.runs.run import Run
from hpc.runs.watch import Seen
from hpc.targets.client import Target

ACCOUNT = "us-east-1:000000000000"
MACHINE = f"arn:aws:states:{ACCOUNT}:stateMachine:Machine"
RUN = f"arn:aws:states:{ACCOUNT}:execution:Machine:run-1"
MAP_RUN = f"arn:aws:states:{ACCOUNT}:mapRun:Machine/ComputeMap:7222f377-4870-4794-8550-312d6e46b652"
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
PAGE = 1_000


@pytest.fixture
def target() -> Target:
    return deployed_stack(MACHINE)


@pytest.fixture
def states(target: Target) -> Iterator[Stubber]:
    with answering(target.stepfunctions) as stub:
        yield stub


def child(number: int, status: str = "FAILED") -> dict[str, Any]:
    return {
        "executionArn": f"arn:aws:states:{ACCOUNT}:execution:Machine/ComputeMap:child-{number}",
        "stateMachineArn": f"{MACHINE}/ComputeMap",
        "mapRunArn": MAP_RUN,
        "name": f"child-{number}",
        "status": status,
        "startDate": BEGIN + timedelta(seconds=number),
    }


def add_pages(stub: Stubber, executions: list[dict[str, Any]], **given: Any) -> None:
    """Answer ListExecutions in pages of 1,000, each asked for with the token of the one before."""
    for first in range(0, max(1, len(executions)), PAGE):
        token = {"nextToken": str(first)} if first else {}
        more = {"nextToken": str(first + PAGE)} if first + PAGE < len(executions) else {}
        asked = {**given, "maxResults": PAGE, **token}
        stub.add_response("list_executions", {"executions": executions[first : first + PAGE], **more}, asked)


def add_failed(stub: Stubber, number: int) -> None:
    """Answer what is asked about a child of one item that failed."""
    details = json.dumps({"index": number, "error_type": "ValueError", "message": "bad", "traceback": ""})
    cause = {"errorType": "ItemFailedError", "errorMessage": f"item {number} failed: ValueError: bad\n{details}"}
    described = {
        **{name: value for name, value in child(number).items() if name != "mapRunArn"},
        "input": json.dumps({"run": "run-1", "batch": {"batch": number, "first": number, "count": 1}}),
        "error": "ItemFailedError",
        "cause": json.dumps(cause),
    }
    stub.add_response("describe_execution", described, {"executionArn": described["executionArn"]})
    stub.add_response("get_execution_history", history("TaskStateEntered", "LambdaFunctionScheduled"))


def history(*types: str) -> dict[str, Any]:
    return {"events": [{"timestamp": BEGIN, "type": kind, "id": number} for number, kind in enumerate(types, 1)]}


def test_children_beyond_the_first_1000_are_listed(target: Target, states: Stubber) -> None:
    add_pages(states, [child(number) for number in range(2_345)], mapRunArn=MAP_RUN, statusFilter="FAILED")
    listed = [each["name"] for each in list_children(target, MAP_RUN, "FAILED")]
    assert listed == [f"child-{number}" for number in range(2_345)]


def test_runs_beyond_the_first_1000_are_listed_up_to_the_limit(target: Target, states: Stubber) -> None:
    runs = [{**child(number), "stateMachineArn": MACHINE} for number in range(1_200)]
    add_pages(states, runs, stateMachineArn=MACHINE)
    assert [run["name"] for run in list_executions(target, [MACHINE], limit=1_100)] == [
        f"child-{number}" for number in range(1_100)
    ]


def test_runs_of_two_machines_are_listed_together_the_latest_first(target: Target, states: Stubber) -> None:
    machines = [MACHINE, f"{MACHINE}2"]
    for number, machine in enumerate(machines):
        runs = [{**child(each), "stateMachineArn": machine} for each in range(8 + number, 0, -2)]
        states.add_response("list_executions", {"executions": runs}, {"stateMachineArn": machine, "maxResults": 20})
    listed = [run["name"] for run in list_executions(target, machines, limit=20)]
    assert listed == [f"child-{number}" for number in range(9, 0, -1)]


def test_slowest_children_are_the_running_ones_that_started_first(target: Target, states: Stubber) -> None:
    running = [child(number, "RUNNING") for number in reversed(range(1_001))]
    add_pages(states, running, mapRunArn=MAP_RUN, statusFilter="RUNNING")
    tries = ("TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionFailed", "LambdaFunctionScheduled")
    states.add_response("get_execution_history", history(*tries))
    states.add_client_error("get_execution_history", "ExecutionDoesNotExist", "an Express child has no history")
    slowest = slowest_children(target, MAP_RUN, 2)
    assert [(each.name, each.attempts) for each in slowest] == [("child-0", 2), ("child-1", None)]


def test_child_that_was_redriven_is_as_slow_as_it_has_run_since_then(target: Target, states: Stubber) -> None:
    redriven = {**child(0, "RUNNING"), "redriveDate": BEGIN + timedelta(seconds=60)}
    add_pages(states, [redriven, child(50, "RUNNING")], mapRunArn=MAP_RUN, statusFilter="RUNNING")
    for _ in range(2):
        states.add_response("get_execution_history", history("TaskStateEntered", "LambdaFunctionScheduled"))
    slowest = slowest_children(target, MAP_RUN, 2)
    assert [(each.name, (each.started - BEGIN).total_seconds()) for each in slowest] == [
        ("child-50", 50),
        ("child-0", 60),
    ]


def test_attempts_are_those_of_the_last_time_the_state_was_entered(target: Target, states: Stubber) -> None:
    first = ("TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionScheduled", "TaskStateExited")
    states.add_response("get_execution_history", history(*first, "TaskStateEntered", "LambdaFunctionScheduled"))
    assert attempts(target, RUN) == 1


def test_failed_items_come_from_the_children_while_the_map_run_goes_on(target: Target, states: Stubber) -> None:
    run = Run(target, RUN)
    run.__dict__["settings"] = {"tolerated_failure_percentage": 0}  # as if run.json had been read
    with Stubber(target.s3) as s3:
        s3.add_client_error("get_object", "NoSuchKey", "no manifest yet", 404)
        asked = {"mapRunArn": MAP_RUN, "statusFilter": "FAILED", "maxResults": PAGE}
        first_page = [child(number) for number in range(PAGE)]
        states.add_response("list_executions", {"executions": first_page, "nextToken": "more"}, asked)
        for number in range(PAGE):
            add_failed(states, number)
        states.add_response("list_executions", {"executions": [child(PAGE)]}, {**asked, "nextToken": "more"})
        add_failed(states, PAGE)
        for status in ("TIMED_OUT", "ABORTED"):
            add_pages(states, [], mapRunArn=MAP_RUN, statusFilter=status)
        items = FailedItems(run, Seen({"status": "RUNNING"}, {"mapRunArn": MAP_RUN, "redriveCount": 0}))
        found = [(item.index, item.input, item.error, item.cause, item.attempts) for item in items]
    assert found == [(number, number, "ValueError", "bad", 1) for number in range(PAGE + 1)]
    assert items.batches == {"FAILED": PAGE + 1}


def ended(name: str, started: int, stopped: int | None) -> dict[str, Any]:
    end = {} if stopped is None else {"stopDate": BEGIN + timedelta(seconds=stopped)}
    arn = RUN.replace("run-1", name)
    moments = {"startDate": BEGIN + timedelta(seconds=started), **end}
    return {**child(0, "SUCCEEDED"), "stateMachineArn": MACHINE, "name": name, "executionArn": arn, **moments}


def test_latest_run_started_last_though_a_longer_one_ended_later(target: Target, states: Stubber) -> None:
    asked = {"stateMachineArn": MACHINE, "maxResults": min(MAX_SAMPLES, PAGE)}
    # By their end, as the service lists them.
    runs = [ended("long", 0, 500), ended("longer", -100, 400), ended("short", 300, 310), ended("before", 0, 299)]
    states.add_response("list_executions", {"executions": runs, "nextToken": "more"}, asked)
    assert find_run(target, None).endswith(":short")


def test_latest_run_is_looked_for_until_no_other_can_have_started_later(target: Target, states: Stubber) -> None:
    asked = {"stateMachineArn": MACHINE, "maxResults": min(MAX_SAMPLES, PAGE)}
    first = [ended(f"long-{number}", -number, 1_000 - number) for number in range(20)]
    states.add_response("list_executions", {"executions": first, "nextToken": "more"}, asked)
    second = [ended("latest", 300, 310), ended("before", 200, 210), ended("earlier", 250, 299)]
    states.add_response("list_executions", {"executions": second, "nextToken": "rest"}, {**asked, "nextToken": "more"})
    assert find_run(target, None).endswith(":latest")


def test_runs_are_listed_by_their_start(target: Target, states: Stubber) -> None:
    runs = [ended("b", 10, 400), ended("c", 300, 310), ended("r", 305, None), ended("d", 200, 210), ended("e", 1, 20)]
    states.add_response("list_executions", {"executions": runs}, {"stateMachineArn": MACHINE, "maxResults": 20})
    assert [run["name"] for run in list_executions(target, [MACHINE], limit=3)] == ["r", "c", "d"]


@pytest.mark.parametrize(("status", "is_known"), [("SUCCEEDED", True), ("FAILED", False)])
def test_failed_items_of_aws_batch_are_not_known_before_sum_has_named_them(
    target: Target, status: str, is_known: bool
) -> None:
    run = Run(target, RUN)
    run.__dict__["settings"] = {"back_end": "batch"}  # as if run.json had been read
    items = FailedItems(run, Seen({"status": status}, None))
    with Stubber(target.s3) as s3:
        s3.add_response("list_objects_v2", {"KeyCount": 0})
        assert list(items) == []
    assert items.is_known is is_known
