"""Redrives of executions without Map Runs, as they were recorded: what runs again, and what the history says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redrives import of_type, read_task, redrive, shape, wait
from sfn_local.protocol import ServiceError
from state_machines import Home, open_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def machine(start: str, **states: Any) -> dict[str, Any]:
    return {"StartAt": start, "States": states}


def error_of(call: Any) -> tuple[str, str]:
    with pytest.raises(ServiceError) as raised:
        call()
    return raised.value.code, raised.value.message


def test_execution_goes_on_from_the_state_that_failed(home: Home) -> None:
    definition = machine(
        "Before",
        Before={
            "Type": "Pass",
            "Parameters": {"entered.$": "$$.State.EnteredTime", "input.$": "$"},
            "Assign": {"kept": {"by.$": "$$.State.Name"}},
            "Next": "Read",
        },
        Read=read_task("sequence", ResultPath="$.read", Next="After"),
        After={
            "Type": "Pass",
            "Parameters": {"state.$": "$", "variable.$": "$kept", "execution.$": "$$.Execution"},
            "End": True,
        },
    )
    failed = home.run(definition, {"n": 1})
    assert failed.status == "FAILED"
    before = home.events(failed.arn)
    home.put("sequence", "text")
    described = redrive(home, failed.arn)
    assert described["status"] == "SUCCEEDED"
    output = json.loads(described["output"])
    assert output["state"]["input"] == {"n": 1}
    assert output["state"]["read"] == {"body": "text"}
    assert output["variable"] == {"by": "Before"}
    assert output["execution"]["RedriveCount"] == 1
    assert output["execution"]["RedriveTime"] > output["execution"]["StartTime"]
    assert output["execution"]["Input"] == {"n": 1}
    assert described["startDate"].timestamp() == pytest.approx(failed.started, abs=1e-6)
    assert (described["redriveCount"], described["redriveStatus"]) == (1, "NOT_REDRIVABLE")
    assert "error" not in described
    events = home.events(failed.arn)
    assert events[: len(before)] == before
    entered, last = of_type(events, "TaskStateEntered")[0]["id"], len(before)
    assert shape(events, last + 1)[:4] == [
        (last + 1, "ExecutionRedriven", last),
        (last + 2, "TaskScheduled", entered),
        (last + 3, "TaskStarted", last + 2),
        (last + 4, "TaskSucceeded", last + 3),
    ]
    assert events[last]["executionRedrivenEventDetails"] == {"redriveCount": 1}
    assert len(of_type(events, "TaskStateEntered")) == len(of_type(events, "ExecutionStarted")) == 1


def test_retries_begin_anew_with_each_redrive(home: Home) -> None:
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    failed = home.run(machine("Read", Read=read_task("retried", Retry=retry, End=True)))
    assert redrive(home, failed.arn)["status"] == "FAILED"
    described = redrive(home, failed.arn)
    assert described["redriveCount"] == 2
    assert described["redriveStatus"] == "REDRIVABLE"
    assert "redriveStatusReason" not in described
    assert len(of_type(home.events(failed.arn), "TaskScheduled")) == 9


def test_groups_that_were_retried_inside_each_other_go_on_from_their_last_attempt(home: Home) -> None:
    def group(name: str, inner: dict[str, Any]) -> dict[str, Any]:
        retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
        processor = {"StartAt": inner["name"], "States": {inner["name"]: inner["state"]}}
        state = {"Type": "Map", "ItemsPath": "$", "MaxConcurrency": 1, "ItemProcessor": processor, "Retry": retry}
        return {"name": name, "state": {**state, "End": True}}

    outer = group("Outer", group("Inner", {"name": "Read", "state": read_task("nested retries", End=True)}))
    failed = home.run(machine("Outer", Outer=outer["state"]), [[0]])
    events = home.events(failed.arn)
    assert len(of_type(events, "MapStateStarted")) == 6
    assert len(of_type(events, "MapStateFailed")) == 3  # of each inner attempt's last, and the outer one's
    home.put("nested retries", "text")
    described = redrive(home, failed.arn)
    assert json.loads(described["output"]) == [[{"body": "text"}]]
    resumed = [event["type"] for event in home.events(failed.arn)[len(events) :]]
    assert "MapStateStarted" not in resumed
    assert "MapIterationStarted" not in resumed


def test_branches_that_succeeded_keep_their_results(home: Home) -> None:
    def branch(name: str, **fields: Any) -> dict[str, Any]:
        begin = {"Type": "Pass", "Result": name, "ResultPath": "$.name", "Next": name}
        read = read_task(f"branch{name}", End=True, **fields)
        return machine(f"Begin{name}", **{f"Begin{name}": begin, name: read})

    waiting = machine("Pause", Pause={"Type": "Wait", "Seconds": 3000, "End": True})
    # It fails when the first branch has succeeded: a failure ends what still runs beside it.
    failing = branch("B", Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 500, "MaxAttempts": 1}])
    state = {"Type": "Parallel", "Branches": [branch("A"), failing, waiting], "End": True}
    home.put("branchA", "first")
    failed = home.run(machine("Both", Both=state), {})
    before = home.events(failed.arn)
    home.put("branchA", "changed")
    home.put("branchB", "second")
    described = redrive(home, failed.arn)
    assert json.loads(described["output"])[:2] == [{"body": "first"}, {"body": "second"}]
    events = home.events(failed.arn)
    for kind in ("ParallelStateStarted", "WaitStateEntered"):
        assert len(of_type(events, kind)) == 1
    assert len(of_type(events, "TaskStateEntered")) == len(of_type(events, "PassStateEntered")) == 2
    (wait_entered,) = of_type(events, "WaitStateEntered")
    (wait_exited,) = of_type(events, "WaitStateExited")
    assert wait_exited["previousEventId"] == wait_entered["id"]
    assert wait_exited["id"] > len(before)


def test_branches_that_end_at_once_keep_their_results(home: Home) -> None:
    at_once = [machine(name, **{name: {"Type": "Pass", "Result": name, "End": True}}) for name in ("First", "Last")]
    branches = [at_once[0], machine("Read", Read=read_task("besides", End=True)), at_once[1]]
    failed = home.run(machine("All", All={"Type": "Parallel", "Branches": branches, "End": True}))
    assert failed.status == "FAILED"
    (started,) = of_type(home.events(failed.arn), "ParallelStateStarted")
    begun = [
        *of_type(home.events(failed.arn), "PassStateEntered"),
        *of_type(home.events(failed.arn), "TaskStateEntered"),
    ]
    assert [event["previousEventId"] for event in begun] == [started["id"]] * 3  # none has waited for another
    home.put("besides", "read")
    assert json.loads(redrive(home, failed.arn)["output"]) == ["First", {"body": "read"}, "Last"]
    assert len(of_type(home.events(failed.arn), "PassStateEntered")) == 2


def test_iterations_that_succeeded_keep_their_results_and_others_begin(home: Home) -> None:
    processor = machine("Item", Item=read_task("$.key", End=True))
    state = {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ItemProcessor": processor, "End": True}
    home.put("item0", "0")
    items = [{"key": f"item{index}"} for index in range(3)]
    failed = home.run(machine("Each", Each=state), {"items": items})
    home.put("item0", "changed")
    home.put("item1", "1")
    assert redrive(home, failed.arn)["status"] == "FAILED"
    home.put("item2", "2")
    described = redrive(home, failed.arn)
    assert json.loads(described["output"]) == [{"body": "0"}, {"body": "1"}, {"body": "2"}]
    events = home.events(failed.arn)
    assert len(of_type(events, "MapStateStarted")) == 1
    started = [event["mapIterationStartedEventDetails"]["index"] for event in of_type(events, "MapIterationStarted")]
    assert started == [0, 1, 2]
    assert len(of_type(events, "TaskStateEntered")) == 3


def test_nested_branches_go_on_at_every_depth(home: Home) -> None:
    inner = {
        "Type": "Parallel",
        "Branches": [machine("Deep", Deep=read_task("$.key", End=True)), machine("Done", Done={"Type": "Succeed"})],
        "End": True,
    }
    processor = machine("Inner", Inner=inner)
    outer = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True}
    other = machine("Other", Other={"Type": "Pass", "Result": "kept", "End": True})
    definition = machine(
        "Outer", Outer={"Type": "Parallel", "Branches": [machine("Map", Map=outer), other], "End": True}
    )
    home.put("deep0", "0")
    items = [{"key": "deep0"}, {"key": "deep1"}]
    failed = home.run(definition, {"items": items})
    home.put("deep1", "1")
    described = redrive(home, failed.arn)
    expected = [[[{"body": str(index)}, item] for index, item in enumerate(items)], "kept"]
    assert json.loads(described["output"]) == expected
    events = home.events(failed.arn)
    assert len(of_type(events, "ParallelStateStarted")) == 3
    assert len(of_type(events, "MapIterationStarted")) == 2
    assert [event["previousEventId"] < event["id"] for event in events].count(False) == 0


def test_state_that_was_retried_goes_on_with_its_last_attempt(home: Home) -> None:
    branches = [machine("First", First=read_task("attempt", End=True))]
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
    state = {"Type": "Parallel", "Branches": branches, "Retry": retry, "End": True}
    failed = home.run(machine("Both", Both=state))
    assert len(of_type(home.events(failed.arn), "ParallelStateStarted")) == 2
    assert redrive(home, failed.arn)["status"] == "FAILED"
    # the redrive goes on with the second attempt, and its own retry is a third one
    assert len(of_type(home.events(failed.arn), "ParallelStateStarted")) == 3
    home.put("attempt", "x")
    assert json.loads(redrive(home, failed.arn)["output"]) == [{"body": "x"}]


def test_caught_state_is_not_run_again(home: Home) -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Fails"}]
    failed = home.run(
        machine("Read", Read=read_task("caught", Catch=catch, End=True), Fails={"Type": "Fail", "Error": "Known"}), {}
    )
    home.put("caught", "x")
    described = redrive(home, failed.arn)
    assert (described["status"], described["error"]) == ("FAILED", "Known")
    events = home.events(failed.arn)
    assert len(of_type(events, "TaskScheduled")) == len(of_type(events, "FailStateEntered")) == 1
    assert [event["type"] for event in events[-2:]] == ["ExecutionRedriven", "ExecutionFailed"]
    assert events[-1]["previousEventId"] == events[-2]["id"]


def test_result_that_was_too_long_is_made_anew(home: Home) -> None:
    branches = [machine(name, **{name: read_task("long", End=True)}) for name in ("One", "Two")]
    home.put("long", "x" * 140_000)
    failed = home.run(machine("Both", Both={"Type": "Parallel", "Branches": branches, "End": True}))
    assert failed.error == "States.DataLimitExceeded"
    home.put("long", "short")
    assert json.loads(redrive(home, failed.arn)["output"]) == [{"body": "short"}] * 2


def test_stopped_execution_can_be_redriven_and_time_begins_anew(home: Home) -> None:
    definition = {"TimeoutSeconds": 60, **machine("Pause", Pause={"Type": "Wait", "Seconds": 100, "End": True})}
    timed_out = home.run(definition)
    assert timed_out.status == "TIMED_OUT"
    assert redrive(home, timed_out.arn)["status"] == "TIMED_OUT"
    arn = home.register("stopped", machine("Pause", Pause={"Type": "Wait", "Seconds": 100, "End": True}))
    execution = home.do(home.start(arn, {}))
    home.states("StopExecution", executionArn=execution.row.arn)
    assert redrive(home, execution.row.arn)["status"] == "SUCCEEDED"


def test_definition_is_that_of_the_start(home: Home) -> None:
    def definition(marker: str) -> dict[str, Any]:
        return machine(
            "Read", Read=read_task("pinned", Next="Mark"), Mark={"Type": "Pass", "Result": marker, "End": True}
        )

    arn = home.register("pinned", definition("old"))
    execution = home.do(home.start(arn, {}))
    wait(home, execution.row.arn)
    home.register("pinned", definition("new"))
    home.put("pinned", "x")
    assert json.loads(redrive(home, execution.row.arn)["output"]) == "old"


@pytest.fixture
def unhurried(tmp_path: Path) -> Iterator[Home]:
    """Open a home in whose real time a token is remembered for longer than a test takes."""
    with open_home(tmp_path, speed=1.0) as opened:
        yield opened


def test_client_token_is_answered_before_anything_is_looked_at(unhurried: Home) -> None:
    home = unhurried
    hold = {"Type": "Wait", "Seconds": 6, "Next": "Read"}
    states = {"First": read_task("first", Next="Hold"), "Hold": hold, "Read": read_task("token", End=True)}
    failed = home.run(machine("First", **states))
    home.put("first", "x")
    first = home.states("RedriveExecution", executionArn=failed.arn, clientToken="a")
    assert home.states("RedriveExecution", executionArn=failed.arn, clientToken="a") == first
    assert error_of(lambda: home.states("RedriveExecution", executionArn=failed.arn, clientToken="b"))[0] == (
        "ExecutionNotRedrivable"
    )
    wait(home, failed.arn)
    assert home.states("RedriveExecution", executionArn=failed.arn, clientToken="a") == first
    assert home.states("DescribeExecution", executionArn=failed.arn)["redriveCount"] == 1
    home.put("token", "x")
    second = redrive(home, failed.arn, "b")
    assert (second["status"], second["redriveCount"]) == ("SUCCEEDED", 2)
    assert home.states("RedriveExecution", executionArn=failed.arn, clientToken="a") == first
    assert (
        home.states("RedriveExecution", executionArn=failed.arn, clientToken="b")["redriveDate"]
        == (second["redriveDate"])
    )


def test_only_the_last_ten_tokens_are_remembered(unhurried: Home) -> None:
    home = unhurried
    failed = home.run(machine("Read", Read=read_task("tokens", End=True)))
    for number in range(11):
        redrive(home, failed.arn, f"token-{number}")
    assert redrive(home, failed.arn, "token-1")["redriveCount"] == 11
    assert redrive(home, failed.arn, "token-0")["redriveCount"] == 12


def test_what_cannot_be_redriven_is_refused_in_the_services_words(home: Home) -> None:
    succeeded = home.run(machine("Done", Done={"Type": "Succeed"})).arn
    code, message = error_of(lambda: redrive(home, succeeded))
    assert code == "ExecutionNotRedrivable"
    assert message == (f"Execution {succeeded} invalid for redrive as: Execution is SUCCEEDED and cannot be redriven")
    missing = succeeded + "-missing"
    assert error_of(lambda: redrive(home, missing)) == (
        "ExecutionDoesNotExist",
        f"Execution Does Not Exist: '{missing}'",
    )
    express = succeeded.replace(":execution:", ":express:") + ":c0ffee"
    assert error_of(lambda: redrive(home, express)) == (
        "InvalidArn",
        "Invalid Arn: 'Resource type not valid in this context: express'",
    )
    child = succeeded.replace(":execution:machine", ":execution:machine/Label")
    assert error_of(lambda: redrive(home, child)) == (
        "ValidationException",
        "Labeled Execution ARNs are not supported for this API",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stopped": -15 * 86_400}, "Execution redrivable period exceeded"),
        ({"started": -366 * 86_400}, "Execution has exceeded the max execution time"),
    ],
)
def test_execution_that_is_too_old_is_refused(home: Home, change: dict[str, float], reason: str) -> None:
    failed = home.run(machine("Fails", Fails={"Type": "Fail"}))
    ((column, seconds),) = change.items()
    journal = home.machines.executions._journal
    moment = getattr(failed, column) + seconds
    journal.submit(
        lambda connection: connection.execute(f"UPDATE executions SET {column} = ? WHERE id = ?", (moment, failed.id))
    ).result()
    assert error_of(lambda: redrive(home, failed.arn))[1].endswith(f"invalid for redrive as: {reason}")
    described = home.states("DescribeExecution", executionArn=failed.arn)
    assert (described["redriveStatus"], described["redriveStatusReason"]) == ("NOT_REDRIVABLE", reason)


def test_redrives_survive_the_process(home: Home, tmp_path: Any) -> None:
    definition = machine("Read", Read=read_task("later", End=True))
    with open_home(tmp_path) as first:
        failed = first.run(definition)
        date = first.states("RedriveExecution", executionArn=failed.arn, clientToken="kept")["redriveDate"]
        wait(first, failed.arn)
    with open_home(tmp_path) as second:
        second.put("later", "x")
        again = second.states("RedriveExecution", executionArn=failed.arn, clientToken="kept")["redriveDate"]
        assert again == date
        described = redrive(second, failed.arn)
        assert (described["status"], described["redriveCount"]) == ("SUCCEEDED", 2)
