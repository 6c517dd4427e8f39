"""Faults that a state can have: checked on definitions before anything starts."""

from typing import Any

import pytest
from sfn_local.faults.spec import FaultSpec, FaultSpecError
from sfn_local.faults.states import check_states, known_states

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


def task(resource: str = FUNCTION, **fields: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "End": True, **fields}


def service(name: str, **fields: Any) -> dict[str, Any]:
    return task(f"arn:aws:states:::{name}", **fields)


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


PIPELINE = machine(
    Start=task(),
    Items={"Type": "Map", "ItemProcessor": machine(Compute=task(), Check={"Type": "Choice"})},
    Old={"Type": "Map", "Iterator": machine(Iterate=task())},
    Both={"Type": "Parallel", "Branches": [machine(Left=task()), machine(Right=task())]},
    Token=service("lambda:invoke.waitForTaskToken"),
    Array=service("batch:submitJob.sync", Parameters={"ArrayProperties": {"Size": 3}}),
    Single=service("batch:submitJob.sync", Parameters={"JobName": "j"}),
    Nested=service("states:startExecution.sync:2"),
    Read=service("aws-sdk:s3:getObject"),
)


def test_states_are_found_wherever_they_are_in_a_definition() -> None:
    tasks = [state for state in known_states(PIPELINE) if state.type == "Task"]
    assert {state.name for state in tasks if state.has_index} == {"Compute", "Iterate"}
    assert {state.name for state in tasks if state.is_array_job} == {"Array"}
    assert {"Start", "Left", "Right", "Token", "Single", "Nested", "Read"} < {state.name for state in tasks}


@pytest.mark.parametrize(
    "text",
    [
        "crash Compute item=3",
        "throttle Compute 5%",
        "throttle Iterate item=0",
        "s3_503 Start",
        "timeout Left times=2",
        "crash Array item=1",
        "crash Array 10%",
        "s3_500 Array item=1 times=always",
        "throttle Array times=2",
        "crash Single",
        "wrong_output Token",
        "duplicate Nested",
        "wrong_output Nested",
        "slow Read seconds=1",
        "kill_runner Read",
    ],
)
def test_fault_that_a_state_can_have_is_taken(text: str) -> None:
    check_states(FaultSpec.parse(text), [PIPELINE])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "crash Missing",
            "rule 1, crash Missing: there is no state Missing; faults are for Task states, which are Start",
        ),
        ("slow Start seconds=1; crash Items", "rule 2, crash Items: Items is a Map state"),
        ("crash Check 5%", "Check is a Choice state"),
        (
            "crash Nested",
            "crash means nothing at Nested, which calls states; allowed there are throttle, service_error",
        ),
        ("s3_503 Nested", "s3_503 means nothing at Nested"),
        ("wrong_output Array", "wrong_output means nothing at Array, which calls batch"),
        ("throttle Read", "throttle means nothing at Read, which calls aws-sdk; allowed there are slow"),
        ("crash Start item=1", "Start has no items for crash: give a percentage or times"),
        ("throttle Array item=1", "Array has no items for throttle"),
        ("crash Single item=1", "Single has no items for crash"),
        ("crash Compute", "Compute computes many items: give a percentage or item="),
        ("crash Array times=2", "Array computes many items"),
    ],
)
def test_fault_that_a_state_cannot_have_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(FaultSpecError, match=message.replace(".", r"\.")):
        check_states(FaultSpec.parse(text), [PIPELINE])


def test_state_of_any_machine_is_known() -> None:
    check_states(FaultSpec.parse("crash Other"), [PIPELINE, machine(Other=task())])


def test_without_any_task_there_is_nothing_to_fail() -> None:
    with pytest.raises(FaultSpecError, match="which are none here"):
        check_states(FaultSpec.parse("crash Start"), [machine(Only={"Type": "Pass"})])
