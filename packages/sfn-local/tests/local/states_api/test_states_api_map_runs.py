"""Map Runs through the API while they run and afterwards: children, counts, settings that are changed under way."""

from collections.abc import Iterator
from typing import Any

import pytest
from states_endpoint import States, chain, refused, serving, wait_until

MAP_RUN_ARN = "arn:aws:states:us-east-1:000000000000:mapRun"


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Iterator[States]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def distributed(processor: dict[str, Any], **fields: Any) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    state = {"Type": "Map", "Label": "L", "ItemProcessor": {"ProcessorConfig": config, **processor}, **fields}
    return chain(M=state)


# Waits as long as its item says; fails if that is negative.
BY_ITEM = {
    "StartAt": "C",
    "States": {
        "C": {"Type": "Choice", "Choices": [{"Variable": "$", "NumericLessThan": 0, "Next": "F"}], "Default": "W"},
        "F": {"Type": "Fail", "Error": "E"},
        "W": {"Type": "Wait", "SecondsPath": "$", "End": True},
    },
}


class Run:
    """One execution with a Map Run under way."""

    def __init__(self, states: States, definition: dict[str, Any], items: list[int]) -> None:
        self.states = states
        arn = states.create(f"m{abs(hash(str(definition)))}", definition)
        self.execution = states.start(arn, items)
        wait_until(lambda: bool(states.client.list_map_runs(executionArn=self.execution)["mapRuns"]))
        [listed] = states.client.list_map_runs(executionArn=self.execution)["mapRuns"]
        self.listed = listed
        self.arn = listed["mapRunArn"]

    def describe(self) -> dict[str, Any]:
        return dict(self.states.client.describe_map_run(mapRunArn=self.arn))

    def wait_for(self, **counts: int) -> None:
        wait_until(lambda: counts.items() <= self.describe()["executionCounts"].items())

    def children(self, **parameters: Any) -> list[dict[str, Any]]:
        pages = self.states.client.get_paginator("list_executions").paginate(mapRunArn=self.arn, **parameters)
        return [child for page in pages for child in page["executions"]]

    def stop(self) -> None:
        self.states.client.stop_execution(executionArn=self.execution)


@pytest.fixture(scope="module")
def mixed(states: States) -> Iterator[Run]:
    """3 children have succeeded, one has failed, 4 run, 2 are pending."""
    items = [0, 0, 0, -1, 600, 600, 600, 600, 600, 600]
    run = Run(states, distributed(BY_ITEM, MaxConcurrency=4, ToleratedFailureCount=1), items)
    run.wait_for(succeeded=3, failed=1, running=4, pending=2)
    yield run
    run.stop()


def test_running_map_run_is_described_with_its_counts(mixed: Run) -> None:
    described = mixed.describe()
    assert described["status"] == "RUNNING"
    assert "stopDate" not in described
    assert described["executionArn"] == mixed.execution
    assert (described["maxConcurrency"], described["toleratedFailureCount"]) == (4, 1)
    for counts in (described["itemCounts"], described["executionCounts"]):
        assert counts["total"] == 10
        assert (counts["succeeded"], counts["failed"], counts["running"], counts["pending"]) == (3, 1, 4, 2)


def test_children_are_listed_the_last_started_first_running_ones_among_them(mixed: Run) -> None:
    children = mixed.children()
    assert [child["status"] for child in children] == ["RUNNING"] * 4 + ["FAILED"] + ["SUCCEEDED"] * 3
    assert [child["executionArn"] for child in mixed.children(PaginationConfig={"PageSize": 3})] == [
        child["executionArn"] for child in children
    ]
    assert all((child["mapRunArn"], child["itemCount"]) == (mixed.arn, 1) for child in children)
    assert ["stopDate" in child for child in children] == [False] * 4 + [True] * 4


@pytest.mark.parametrize(
    ("status", "count"), [("RUNNING", 4), ("SUCCEEDED", 3), ("FAILED", 1), ("ABORTED", 0), ("TIMED_OUT", 0)]
)
def test_children_of_one_status_are_listed_page_by_page(mixed: Run, status: str, count: int) -> None:
    found = mixed.children(statusFilter=status, PaginationConfig={"PageSize": 2})
    assert [child["status"] for child in found] == [status] * count
    assert len({child["name"] for child in found}) == count


def test_start_of_the_map_tells_how_many_items_it_has(states: States, mixed: Run) -> None:
    (started,) = [event for event in states.events(mixed.execution) if event["type"] == "MapStateStarted"]
    assert started["mapStateStartedEventDetails"] == {"length": 10}


def test_running_child_is_described_with_its_history_so_far(states: States, mixed: Run) -> None:
    child = mixed.children(statusFilter="RUNNING")[0]["executionArn"]
    described = states.client.describe_execution(executionArn=child)
    assert (described["status"], described["mapRunArn"], described["input"]) == ("RUNNING", mixed.arn, "600")
    assert [kind for _id, _previous, kind in states.chain_of(child)] == [
        "ExecutionStarted",
        "ChoiceStateEntered",
        "ChoiceStateExited",
        "WaitStateEntered",
    ]
    [event] = states.client.get_execution_history(executionArn=child, reverseOrder=True, maxResults=1)["events"]
    assert event["type"] == "WaitStateEntered"


def test_ended_child_is_described_with_its_whole_history(states: States, mixed: Run) -> None:
    [failed] = mixed.children(statusFilter="FAILED")
    described = states.client.describe_execution(executionArn=failed["executionArn"])
    assert (described["status"], described["error"]) == ("FAILED", "E")
    assert described["redriveStatus"] == "REDRIVABLE_BY_MAP_RUN"
    assert states.chain_of(failed["executionArn"])[-1] == (5, 4, "ExecutionFailed")


def test_state_machine_of_a_child_names_map_run_and_label(states: States, mixed: Run) -> None:
    child = mixed.children()[0]["executionArn"]
    answer = states.client.describe_state_machine_for_execution(executionArn=child)
    assert (answer["mapRunArn"], answer["label"]) == (mixed.arn, "L")
    assert answer["stateMachineArn"].endswith("/L")


def test_child_can_not_be_stopped_on_its_own(states: States, mixed: Run) -> None:
    with refused("ValidationException"):
        states.client.stop_execution(executionArn=mixed.children()[0]["executionArn"])


def test_update_of_concurrency_starts_children_at_once(states: States) -> None:
    run = Run(states, distributed(BY_ITEM, MaxConcurrency=1), [600] * 5)
    run.wait_for(running=1, pending=4)
    states.client.update_map_run(mapRunArn=run.arn, maxConcurrency=3)
    run.wait_for(running=3, pending=2)
    states.client.update_map_run(mapRunArn=run.arn, maxConcurrency=0)
    run.wait_for(running=5, pending=0)
    assert run.describe()["maxConcurrency"] == 0
    run.stop()
    run.wait_for(aborted=5)


def test_update_of_tolerance_ends_a_map_run_that_it_no_longer_allows(states: States) -> None:
    run = Run(states, distributed(BY_ITEM, ToleratedFailurePercentage=50), [-1, 600, 600])
    run.wait_for(failed=1, running=2)
    states.client.update_map_run(mapRunArn=run.arn, toleratedFailurePercentage=10)
    described = states.ended(run.execution)
    assert (described["status"], described["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
    assert run.describe()["toleratedFailurePercentage"] == 10
    assert run.describe()["executionCounts"]["aborted"] == 2


def test_update_is_refused_without_change_after_the_end_and_for_nobody(states: States) -> None:
    run = Run(states, distributed(BY_ITEM), [0])
    assert states.ended(run.execution)["status"] == "SUCCEEDED"
    with refused("ValidationException", message="SUCCEEDED"):
        states.client.update_map_run(mapRunArn=run.arn, maxConcurrency=3)
    other = Run(states, distributed(BY_ITEM), [600])
    with refused("ValidationException"):
        states.client.update_map_run(mapRunArn=other.arn)
    with refused("ValidationException"):
        states.client.update_map_run(mapRunArn=other.arn, toleratedFailurePercentage=101)
    other.stop()
    for action in ("update_map_run", "describe_map_run"):
        with refused("ResourceNotFound", message="Resource not found"):
            getattr(states.client, action)(mapRunArn=f"{MAP_RUN_ARN}:m/L:nobody")
        with refused("InvalidArn"):
            getattr(states.client, action)(mapRunArn="nobody")


def test_stopped_execution_aborts_children_and_keeps_what_was_pending(states: States) -> None:
    run = Run(states, distributed(BY_ITEM, MaxConcurrency=2), [600] * 6)
    run.wait_for(running=2)
    run.stop()
    described = run.describe()
    assert described["status"] == "ABORTED"
    counts = described["executionCounts"]
    assert (counts["aborted"], counts["pending"], counts["running"], counts["total"]) == (2, 4, 0, 6)
    assert [child["status"] for child in run.children()] == ["ABORTED"] * 2


def test_ended_map_run_follows_its_start_and_lists_as_it_did(states: States) -> None:
    run = Run(states, distributed(BY_ITEM), [0] * 300)
    execution = states.ended(run.execution)
    assert execution["status"] == "SUCCEEDED"
    assert states.chain_of(run.execution)[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapRunStarted"),
        (5, 4, "MapRunSucceeded"),
        (6, 5, "MapStateSucceeded"),
        (7, 4, "MapStateExited"),
        (8, 7, "ExecutionSucceeded"),
    ]
    children = run.children()
    assert len({child["name"] for child in children}) == 300
    [listed] = states.client.list_map_runs(executionArn=run.execution)["mapRuns"]
    assert {**run.listed, "stopDate": listed["stopDate"]} == listed
    assert run.describe()["executionCounts"]["succeeded"] == 300
