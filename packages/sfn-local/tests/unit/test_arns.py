"""ARNs, and names of child executions that carry their position."""

import uuid

from hypothesis import given
from hypothesis import strategies as st
from sfn_local.arns import (
    Account,
    child_machine_arn,
    child_name,
    child_position,
    execution_arn,
    express_execution_arn,
    map_run_arn,
    state_machine_arn,
)

MAP_RUN_ID = uuid.UUID("40663f35-9f21-4f5e-b92f-f450de2d9415")
MACHINE = state_machine_arn(Account("111111111111", "us-west-2"), "m")


def test_arns_have_the_forms_that_recordings_show() -> None:
    states = "arn:aws:states:us-west-2:111111111111"
    assert f"{states}:stateMachine:m" == MACHINE
    assert execution_arn(MACHINE, "e") == f"{states}:execution:m:e"
    assert express_execution_arn(MACHINE, "e", MAP_RUN_ID) == f"{states}:express:m:e:{MAP_RUN_ID}"
    assert map_run_arn(MACHINE, "L", MAP_RUN_ID) == f"{states}:mapRun:m/L:{MAP_RUN_ID}"
    assert execution_arn(child_machine_arn(MACHINE, "L"), "c") == f"{states}:execution:m/L:c"


def test_machine_whose_name_looks_like_a_part_of_an_arn_keeps_it() -> None:
    machine = state_machine_arn(Account(), "stateMachine")
    assert execution_arn(machine, "x").endswith(":execution:stateMachine:x")


@given(st.uuids(), st.integers(min_value=0, max_value=100_000_000))
def test_position_of_a_child_is_read_from_its_name(map_run_id: uuid.UUID, position: int) -> None:
    name = child_name(map_run_id, position)
    assert str(uuid.UUID(name)) == name
    assert child_position(map_run_id, name) == position


@given(st.uuids(), st.one_of(st.uuids().map(str), st.text(max_size=40)))
def test_name_that_the_map_run_did_not_give_has_no_position(map_run_id: uuid.UUID, name: str) -> None:
    assert child_position(map_run_id, name) is None


@given(st.sets(st.integers(min_value=0, max_value=2**31), max_size=20))
def test_children_of_one_map_run_have_different_names(positions: set[int]) -> None:
    assert len({child_name(MAP_RUN_ID, position) for position in positions}) == len(positions)
