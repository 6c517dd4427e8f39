"""Histories as a report reads them: states of iterations that run side by side, and what the states started."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from stubs import answering, deployed_stack

from hpc.runs import tree as tree_module
from hpc.runs.history import HistoryReader, StartedJob
from hpc.runs.tree import Machine, read_tree, read_works
from hpc.targets.client import Target

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
ACCOUNT = "us-east-1:000000000000"
FUNCTION = f"arn:aws:lambda:{ACCOUNT}:function:Start"
Event = dict[str, Any]


def event(number: int, before: int, kind: str, **details: Any) -> Event:
    return {
        "id": number,
        "previousEventId": before,
        "type": kind,
        "timestamp": BEGIN + timedelta(seconds=number),
        **details,
    }


def entered(number: int, before: int, name: str, given: str = "{}") -> Event:
    return event(number, before, "TaskStateEntered", stateEnteredEventDetails={"name": name, "input": given})


def left(number: int, before: int, name: str, output: str = "{}") -> Event:
    return event(number, before, "TaskStateExited", stateExitedEventDetails={"name": name, "output": output})


def failed(number: int, before: int, error: str) -> Event:
    return event(
        number, before, "LambdaFunctionFailed", lambdaFunctionFailedEventDetails={"error": error, "cause": "no"}
    )


def scheduled(number: int, before: int) -> Event:
    details = {"resource": FUNCTION}
    return event(number, before, "LambdaFunctionScheduled", lambdaFunctionScheduledEventDetails=details)


def task(number: int, before: int, kind: str, resource: str, **given: Any) -> Event:
    """A task's event, e.g. ``task(2, 1, "Scheduled", "batch:submitJob.sync", parameters={})``."""
    service, _, action = resource.partition(":")
    texts = {name: json.dumps(value) for name, value in given.items()}
    details = {"resourceType": service, "resource": action, **texts}
    if kind == "Scheduled":
        details["region"] = "us-east-1"
    return event(number, before, f"Task{kind}", **{f"task{kind}EventDetails": details})


def read(events: list[Event], status: str = "SUCCEEDED") -> Any:
    reader = HistoryReader()
    for each in events:
        reader.add(each)
    return reader.end(status, events[-1]["timestamp"])


ITERATIONS = [
    event(1, 0, "MapStateEntered", stateEnteredEventDetails={"name": "Map", "input": "[]"}),
    event(2, 1, "MapStateStarted"),
    event(3, 2, "MapIterationStarted"),
    entered(4, 3, "Work", "first"),
    scheduled(5, 4),
    event(6, 2, "MapIterationStarted"),
    entered(7, 6, "Work", "second"),
    scheduled(8, 7),
    failed(9, 8, "Broken"),
]


def test_iterations_that_run_side_by_side_are_told_apart() -> None:
    more = [left(10, 9, "Work"), entered(11, 10, "Rescue"), left(12, 11, "Rescue"), left(13, 5, "Work", "done")]
    ended = [event(14, 13, "MapIterationSucceeded"), left(15, 14, "Map")]
    states = read([*ITERATIONS, *more, *ended]).states
    assert {name: dict(facts.statuses) for name, facts in states.items()} == {
        "Work": {"CAUGHT": 1, "SUCCEEDED": 1},
        "Rescue": {"SUCCEEDED": 1},
        "Map": {"SUCCEEDED": 1},
    }
    assert (states["Work"].status, states["Work"].input) == ("CAUGHT", "second")
    assert states["Work"].error == "Broken: no"


def test_iterations_beside_the_one_that_failed_were_aborted_and_the_map_failed() -> None:
    states = read(ITERATIONS, "FAILED").states
    assert {name: dict(facts.statuses) for name, facts in states.items()} == {
        "Work": {"FAILED": 1, "ABORTED": 1},
        "Map": {"FAILED": 1},
    }


@pytest.mark.parametrize("status", ["RUNNING", "ABORTED", "TIMED_OUT"])
def test_states_that_were_not_left_have_the_status_of_the_execution(status: str) -> None:
    states = read([entered(1, 0, "Work"), scheduled(2, 1)], status).states
    assert states["Work"].status == status


def test_retries_are_counted_and_each_is_a_transition() -> None:
    events = [entered(1, 0, "Work"), scheduled(2, 1), failed(3, 2, "Busy"), scheduled(4, 3)]
    history = read([*events, event(5, 4, "LambdaFunctionSucceeded"), left(6, 5, "Work")])
    assert (history.states["Work"].retries, history.states["Work"].status) == (1, "SUCCEEDED")
    assert history.transitions == 2
    assert history.calls == {FUNCTION: [1.0, 1.0]}


def test_state_goes_on_after_a_redrive() -> None:
    before = [entered(1, 0, "Work"), scheduled(2, 1), failed(3, 2, "Busy"), event(4, 3, "ExecutionFailed")]
    history = read([*before, event(5, 0, "ExecutionRedriven"), scheduled(6, 3), left(7, 6, "Work")])
    assert dict(history.states["Work"].statuses) == {"SUCCEEDED": 1}


def test_map_that_succeeds_after_a_redrive_was_not_caught() -> None:
    error = {"error": "States.ExceedToleratedFailureThreshold", "cause": "too many"}
    before = [
        event(1, 0, "MapStateEntered", stateEnteredEventDetails={"name": "Map", "input": "[]"}),
        event(2, 1, "MapStateStarted"),
        event(3, 2, "MapRunStarted", mapRunStartedEventDetails={"mapRunArn": "arn"}),
        event(4, 3, "MapRunFailed", mapRunFailedEventDetails=error),
        event(5, 4, "ExecutionFailed", executionFailedEventDetails=error),
    ]
    redriven = event(6, 0, "ExecutionRedriven", executionRedrivenEventDetails={"redriveCount": 1})
    again = event(7, 4, "MapRunRedriven", mapRunRedrivenEventDetails={"mapRunArn": "arn", "redriveCount": 1})
    done = [event(8, 7, "MapRunSucceeded"), event(9, 8, "MapStateSucceeded"), left(10, 9, "Map")]
    assert read([*before], "FAILED").states["Map"].status == "FAILED"
    assert read([*before, redriven, again], "RUNNING").states["Map"].status == "RUNNING"
    found = read([*before, redriven, again, *done]).states["Map"]
    assert (found.status, found.error) == ("SUCCEEDED", "")


def test_time_of_a_state_is_that_between_its_events_without_the_pause_before_a_redrive() -> None:
    before = [entered(1, 0, "Work"), scheduled(2, 1), failed(3, 2, "Busy"), event(4, 3, "ExecutionFailed")]
    after = [event(1_004, 0, "ExecutionRedriven"), scheduled(1_005, 3), left(1_007, 1_005, "Work")]
    history = read([*before, *after, entered(1_008, 1_007, "Last"), left(1_010, 1_008, "Last")])
    assert {name: state.seconds for name, state in history.states.items()} == {"Work": 6.0, "Last": 2.0}
    names = [(moment - BEGIN).total_seconds() for moment, _ in history.marks], [name for _, name in history.marks]
    assert names == ([1, 4, 1_004, 1_008], ["Work", None, "Work", "Last"])


def test_function_with_a_task_token_is_billed_until_it_returns_and_its_token_is_not_kept() -> None:
    resource = "lambda:invoke.waitForTaskToken"
    parameters = {"FunctionName": FUNCTION, "Payload": {"run": "run-1", "job_name": "job", "task_token": "secret"}}
    submitted = {"Payload": {"job_id": "job-1"}}
    events = [entered(1, 0, "Job"), task(2, 1, "Scheduled", resource, parameters=parameters)]
    events += [task(3, 2, "Submitted", resource, output=submitted), task(60, 3, "Succeeded", resource, output={})]
    history = read([*events, left(61, 60, "Job")])
    assert history.calls == {FUNCTION: [1.0]}
    assert history.jobs == [StartedJob("Job", "job-1", "run-1")]
    assert "secret" not in repr(history)


# --- trees, on a stubbed AWS ---


def machine_arn(name: str) -> str:
    return f"arn:aws:states:{ACCOUNT}:stateMachine:{name}"


def execution_arn(machine: str, name: str) -> str:
    return f"arn:aws:states:{ACCOUNT}:execution:{machine}:{name}"


@pytest.fixture
def target() -> Target:
    return deployed_stack(machine_arn("Inner"))


@pytest.fixture
def states(target: Target) -> Iterator[Stubber]:
    with answering(target.stepfunctions) as stub:
        yield stub


def add_execution(stub: Stubber, machine: str, name: str, events: list[Event], *, is_first: bool = False) -> None:
    """Answer what is asked about an execution; the machine's definition with its first one."""
    arn = execution_arn(machine, name)
    described = {"executionArn": arn, "stateMachineArn": machine_arn(machine), "name": name, "status": "SUCCEEDED"}
    described |= {"startDate": BEGIN, "stopDate": BEGIN + timedelta(seconds=5)}
    stub.add_response("describe_execution", described, {"executionArn": arn})
    first, rest = events[:2], events[2:]
    asked = {"executionArn": arn, "maxResults": 1_000}
    stub.add_response("get_execution_history", {"events": first, "nextToken": "more"}, asked)
    stub.add_response("get_execution_history", {"events": rest}, {**asked, "nextToken": "more"})
    if is_first:
        definition = {"StartAt": "State", "States": {"State": {"Type": "Task", "End": True}}}
        answer = {"name": machine, "definition": json.dumps(definition), "roleArn": "arn:aws:iam::000000000000:role/r"}
        answer |= {"stateMachineArn": machine_arn(machine), "updateDate": BEGIN}
        stub.add_response("describe_state_machine_for_execution", answer, {"executionArn": arn})


def starting(*names: str) -> list[Event]:
    """Events of a state that starts executions of Inner, one after the other."""
    events = [entered(1, 0, "State")]
    for number, name in enumerate(names):
        output = {"ExecutionArn": execution_arn("Inner", name)}
        events.append(task(2 * number + 2, 1, "Scheduled", "states:startExecution.sync:2", parameters={}))
        events.append(task(2 * number + 3, 2 * number + 2, "Submitted", "states:startExecution.sync:2", output=output))
    return [*events, left(2 * len(names) + 2, 1, "State")]


def test_nested_executions_are_found_and_added_up_by_machine(target: Target, states: Stubber) -> None:
    add_execution(states, "Outer", "one", starting("a", "b"), is_first=True)
    add_execution(states, "Inner", "a", starting(), is_first=True)
    add_execution(states, "Inner", "b", starting())
    tree = read_tree(target, execution_arn("Outer", "one"))
    assert [(each.machine, each.name, each.parent) for each in tree.executions] == [
        ("Outer", "one", None),
        ("Inner", "a", "one"),
        ("Inner", "b", "one"),
    ]
    assert tree.machines["Inner"].states["State"].statuses == {"SUCCEEDED": 2}
    assert tree.machines["Outer"].links == {"State": {"Inner"}}
    assert read_works(target, tree) == []


def test_executions_beyond_the_bound_are_counted_and_not_read(
    target: Target, states: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "MAX_EXECUTIONS", 2)
    add_execution(states, "Outer", "one", starting("a", "b", "c"), is_first=True)
    add_execution(states, "Inner", "a", starting(), is_first=True)
    tree = read_tree(target, execution_arn("Outer", "one"))
    assert (len(tree.executions), tree.unread) == (2, 2)


def test_execution_that_came_to_no_batches_is_a_run_without_children(target: Target, states: Stubber) -> None:
    add_execution(states, "Inner", "run-1", starting(), is_first=True)
    [work] = read_works(target, read_tree(target, execution_arn("Inner", "run-1")))
    assert (work.run.name, work.seen.map_run, work.jobs) == ("run-1", None, ())


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("HpcStack-OrchestratorSyncNestedStateMachine17298231", "OrchestratorSyncNested"),
        ("My-Stack-MapReduceStateMachineE823828F-AbCdEf012345", "MapReduce"),
        ("Machine", "Machine"),
        ("my-machine", "my-machine"),
    ],
)
def test_machine_is_called_what_its_construct_is_called(name: str, short: str) -> None:
    assert Machine(name, {}).short_name == short
