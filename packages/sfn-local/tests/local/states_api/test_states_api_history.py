"""GetExecutionHistory: pages, order, and the events that recorded executions have."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from states_endpoint import States, chain, refused, serving, wait_until

COUNT = 25_000  # Source: Step Functions quotas, "Maximum execution history size"


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def loop(turns: int | None) -> dict[str, Any]:
    """Return a definition that goes round ``turns`` times with two states, or for ever."""
    again = {"Condition": f"{{% $turn < {turns} %}}" if turns else "{% true %}", "Next": "Count"}
    return {
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {
            "Begin": {"Type": "Pass", "Assign": {"turn": 0}, "Next": "Count"},
            "Count": {"Type": "Pass", "Assign": {"turn": "{% $turn + 1 %}"}, "Next": "Again"},
            "Again": {"Type": "Choice", "Choices": [again], "Default": "End"},
            "End": {"Type": "Succeed"},
        },
    }


@pytest.fixture(scope="module")
def endless(states: States) -> str:
    """An execution that has reached the limit."""
    return str(states.run(states.create("endless", loop(None)))["executionArn"])


def test_history_of_a_chain_of_states_is_that_of_recorded_executions(states: States) -> None:
    execution = states.run(states.create("two", chain(A={"Type": "Pass"}, B={"Type": "Pass"})), {"x": 1})
    events = states.events(execution["executionArn"])
    assert [(event["id"], event["previousEventId"], event["type"]) for event in events] == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "PassStateEntered"),
        (3, 2, "PassStateExited"),
        (4, 3, "PassStateEntered"),
        (5, 4, "PassStateExited"),
        (6, 5, "ExecutionSucceeded"),
    ]
    truncated = {"truncated": False}
    assert events[0]["executionStartedEventDetails"]["inputDetails"] == truncated
    assert events[1]["stateEnteredEventDetails"] == {"name": "A", "input": '{"x":1}', "inputDetails": truncated}
    assert events[2]["stateExitedEventDetails"] == {"name": "A", "output": '{"x":1}', "outputDetails": truncated}
    assert events[5]["executionSucceededEventDetails"] == {"output": '{"x":1}', "outputDetails": truncated}
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)


def test_execution_fails_at_the_limit_of_its_history(states: States, endless: str) -> None:
    described = states.client.describe_execution(executionArn=endless)
    cause = f"The execution reached the maximum number of history events ({COUNT})."
    assert (described["status"], described["error"], described["cause"]) == ("FAILED", "States.Runtime", cause)
    [last, before] = states.client.get_execution_history(executionArn=endless, reverseOrder=True, maxResults=2)[
        "events"
    ]
    assert (last["id"], last["previousEventId"], last["type"]) == (COUNT, COUNT - 1, "ExecutionFailed")
    assert last["executionFailedEventDetails"] == {"error": "States.Runtime", "cause": cause}
    assert (before["id"], before["previousEventId"]) == (COUNT - 1, COUNT - 2)


def test_express_has_no_limit_of_events(states: States) -> None:
    answer = states.client.start_sync_execution(
        stateMachineArn=states.create("express", loop(COUNT // 4 + 1), type="EXPRESS")
    )
    assert answer["status"] == "SUCCEEDED"


@pytest.mark.parametrize("is_reversed", [False, True])
def test_pages_hold_every_event_once_in_order(states: States, endless: str, is_reversed: bool) -> None:
    found = states.events(endless, reverseOrder=is_reversed, PaginationConfig={"PageSize": 999})
    ids = [event["id"] for event in found]
    assert ids == (list(range(COUNT, 0, -1)) if is_reversed else list(range(1, COUNT + 1)))


def test_page_tokens_are_bound_to_execution_and_order(states: States, endless: str) -> None:
    token = states.client.get_execution_history(executionArn=endless, maxResults=1)["nextToken"]
    with refused("InvalidToken"):
        states.client.get_execution_history(executionArn=endless, reverseOrder=True, nextToken=token)
    with refused("InvalidToken"):
        states.client.get_execution_history(executionArn=endless, nextToken="abc")


def test_page_is_cut_short_where_events_are_large(states: States) -> None:
    payload = "x" * 262_000
    execution = states.run(states.create("large", chain(**{f"S{n:02}": {"Type": "Pass"} for n in range(30)})), payload)
    pages = list(states.client.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"]))
    assert len(pages) > 1
    assert [event["id"] for page in pages for event in page["events"]] == list(range(1, 63))


def test_history_without_execution_data_keeps_names_and_order(states: States) -> None:
    execution = states.run(states.create("data", chain(A={"Type": "Pass"})), {"secret": 1})["executionArn"]
    events = states.events(execution, includeExecutionData=False)
    assert "secret" not in json.dumps(events, default=str)
    assert events[1]["stateEnteredEventDetails"]["name"] == "A"


def test_history_of_a_running_execution_is_told_so_far(states: States) -> None:
    execution = states.start(states.create("waiting", chain(A={"Type": "Pass"}, W={"Type": "Wait", "Seconds": 600})))
    wait_until(lambda: len(states.events(execution)) == 4)
    assert states.events(execution, reverseOrder=True)[0]["type"] == "WaitStateEntered"
    states.client.stop_execution(executionArn=execution)
    assert [event["id"] for event in states.events(execution)] == [1, 2, 3, 4, 5]


def test_failed_evaluation_is_an_event_that_follows_what_the_state_follows(states: States) -> None:
    definition = {
        **chain(A={"Type": "Pass"}, B={"Type": "Pass", "Output": {"r": "{% $none %}"}}),
        "QueryLanguage": "JSONata",
    }
    events = states.events(states.run(states.create("evaluation", definition))["executionArn"])
    assert [(event["id"], event["previousEventId"], event["type"]) for event in events[3:]] == [
        (4, 3, "PassStateEntered"),
        (5, 3, "EvaluationFailed"),
        (6, 5, "ExecutionFailed"),
    ]
    assert events[4]["evaluationFailedEventDetails"] == {
        "error": "States.QueryEvaluationError",
        "cause": "An error occurred while executing the state 'B' (entered at the event id #4). The JSONata expression"
        " '$none' specified for the field 'Output/r' returned nothing (undefined).",
        "location": "Output/r",
        "state": "B",
    }


def test_parallel_ends_follow_the_branch_that_ended_last(states: States) -> None:
    parallel = {"Type": "Parallel", "Branches": [chain(A={"Type": "Pass"}), chain(B={"Type": "Pass"})]}
    execution = states.run(states.create("parallel", chain(P=parallel)))["executionArn"]
    [*_, succeeded, exited, ended] = states.chain_of(execution)
    assert [kind for _id, _previous, kind in (succeeded, exited, ended)] == [
        "ParallelStateSucceeded",
        "ParallelStateExited",
        "ExecutionSucceeded",
    ]
    assert succeeded[1] == exited[1] == succeeded[0] - 1
    assert ended[1] == exited[0]


def test_parallel_failure_aborts_the_other_branches_and_all_follows_it(states: States) -> None:
    branches = [
        chain(W={"Type": "Wait", "Seconds": 600}),
        {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}},
    ]
    execution = states.run(states.create("parallel-fail", chain(P={"Type": "Parallel", "Branches": branches})))
    assert execution["error"] == "E"
    assert states.chain_of(execution["executionArn"])[1:] == [
        (2, 0, "ParallelStateEntered"),
        (3, 2, "ParallelStateStarted"),
        (4, 3, "WaitStateEntered"),
        (5, 3, "FailStateEntered"),
        (6, 5, "WaitStateAborted"),
        (7, 5, "ParallelStateFailed"),
        (8, 7, "ExecutionFailed"),
    ]


def test_map_failure_names_the_iteration_that_failed_and_those_it_aborted(states: States) -> None:
    choice = {
        "Type": "Choice",
        "Choices": [{"Variable": "$", "NumericEquals": 1, "Next": "F"}],
        "Default": "W",
    }
    processor = {
        "StartAt": "C",
        "States": {
            "C": choice,
            "F": {"Type": "Fail", "Error": "E"},
            "W": {"Type": "Wait", "Seconds": 600, "End": True},
        },
    }
    arn = states.create("map-fail", chain(M={"Type": "Map", "ItemProcessor": processor}))
    events = states.events(states.run(arn, [0, 1, 2])["executionArn"])
    failed = next(event["id"] for event in events if event["type"] == "FailStateEntered")
    tail = [(event["previousEventId"], event["type"]) for event in events if event["id"] > failed]
    started = sum(event["type"] == "MapIterationStarted" for event in events)
    aborted = [(failed, "MapIterationAborted"), (failed, "WaitStateAborted")]
    assert started in (2, 3)  # the third may not have begun
    assert [entry for entry in tail if "Aborted" in entry[1]][: 2 * (started - 1)] == aborted * (started - 1)
    assert (failed, "MapIterationFailed") in tail
    assert tail[-2:] == [(failed, "MapStateFailed"), (events[-2]["id"], "ExecutionFailed")]


@pytest.mark.parametrize("kind", ["Map", "Parallel"])
def test_failure_of_a_group_is_told_once_no_retry_follows(states: States, kind: str) -> None:
    inner = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}
    work = {"ItemProcessor": inner} if kind == "Map" else {"Branches": [inner]}
    retry = [{"ErrorEquals": ["E"], "MaxAttempts": 2, "IntervalSeconds": 1}]
    arn = states.create(f"retried-{kind}", chain(S={"Type": kind, "Retry": retry, **work}))
    kinds = [event["type"] for event in states.events(states.run(arn, [0])["executionArn"])]
    assert kinds.count(f"{kind}StateStarted") == 3
    assert kinds[-2:] == [f"{kind}StateFailed", "ExecutionFailed"]
    assert kinds.count(f"{kind}StateFailed") == 1


def test_item_selector_without_a_value_ends_the_execution_before_the_iteration_starts(states: States) -> None:
    processor = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    selector = {"source.$": "$$.Map.Item.Source"}
    arn = states.create("no-source", chain(M={"Type": "Map", "ItemProcessor": processor, "ItemSelector": selector}))
    execution = states.run(arn, [0])
    kinds = [event["type"] for event in states.events(execution["executionArn"])]
    assert kinds == ["ExecutionStarted", "MapStateEntered", "MapStateStarted", "ExecutionFailed"]
    assert """'source.$' could not be found in the input '{"Execution":{"Id":""" in execution["cause"]
    assert execution["cause"].endswith(""""Map":{"Item":{"Index":0,"Value":0}}}'""")


def test_map_with_one_at_a_time_starts_nothing_after_a_failure(states: States) -> None:
    processor = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "E"}}}
    state = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": processor}
    events = states.events(states.run(states.create("map-one", chain(M=state)), [1, 2, 3])["executionArn"])
    assert sum(event["type"] == "MapIterationStarted" for event in events) == 1


def test_map_iteration_that_waited_follows_the_last_state_of_the_one_before(states: States) -> None:
    state = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": chain(A={"Type": "Pass"})}
    execution = states.run(states.create("map-chain", chain(M=state)), [1, 2])["executionArn"]
    assert states.chain_of(execution)[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted"),
        (5, 4, "PassStateEntered"),
        (6, 5, "PassStateExited"),
        (7, 6, "MapIterationSucceeded"),
        (8, 6, "MapIterationStarted"),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded"),
        (12, 11, "MapStateSucceeded"),
        (13, 11, "MapStateExited"),
        (14, 13, "ExecutionSucceeded"),
    ]
