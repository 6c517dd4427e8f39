"""Executions that never wait for anything leave room for others, and end when they are told to."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from state_machines import Home

PASS = {"StartAt": "Pass", "States": {"Pass": {"Type": "Pass", "End": True}}}
ENDLESS = {
    "StartAt": "Pass",
    "States": {
        "Pass": {"Type": "Pass", "Next": "Choice"},
        "Choice": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.on", "BooleanEquals": True, "Next": "Pass"}],
            "Default": "End",
        },
        "End": {"Type": "Succeed"},
    },
}
ON = {"on": True}


def over_two_items(mode: str, processor: dict[str, Any]) -> dict[str, Any]:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": mode} if mode != "INLINE" else {"Mode": "INLINE"}
    state = {"Type": "Map", "ItemProcessor": {"ProcessorConfig": config, **processor}, "End": True}
    return {"StartAt": "Map", "States": {"Map": {**state, "ItemsPath": "$.items"}}}


@contextlib.contextmanager
def home(folder: Path, speed: float) -> Iterator[Home]:
    with contextlib.ExitStack() as stack:
        yield Home(folder, stack, speed)


@pytest.mark.parametrize(
    ("definition", "payload"),
    [
        (ENDLESS, ON),
        (over_two_items("EXPRESS", ENDLESS), {"items": [ON, ON]}),
        (over_two_items("INLINE", ENDLESS), {"items": [ON, ON]}),
    ],
    ids=["alone", "children", "iterations"],
)
def test_an_endless_express_loop_ends_at_its_time_limit(
    tmp_path: Path, definition: dict[str, Any], payload: Any
) -> None:
    """The clock runs 1,000 times as fast, so 300 s are over soon."""
    with home(tmp_path, speed=1000) as here:
        is_child = "Map" in definition["States"] and definition is not ENDLESS
        kind = "STANDARD" if is_child and "EXPRESS" in json.dumps(definition) else "EXPRESS"
        arn = here.register("endless", definition, kind=kind)

        async def until_end() -> Any:
            return await (await here.start(arn, payload)).ended

        row = here.do(until_end())
    assert row.status == ("FAILED" if kind == "STANDARD" else "TIMED_OUT")
    if kind == "STANDARD":
        assert row.error == "States.ExceedToleratedFailureThreshold"


@pytest.mark.parametrize("count", [1, 30])
def test_others_run_to_their_end_beside_endless_loops(tmp_path: Path, count: int) -> None:
    with home(tmp_path, speed=1) as here:
        endless = here.register("endless", ENDLESS, kind="EXPRESS")
        other = here.register("other", PASS)

        async def beside() -> Any:
            for _ in range(count):
                await here.start(endless, ON)
            rows = [await (await here.start(other, {})).ended for _ in range(20)]
            await asyncio.wait_for(here.machines.executions.stop_all("enough"), 60)
            return rows

        rows = here.do(beside())
    assert [row.status for row in rows] == ["SUCCEEDED"] * 20


def test_a_standard_loop_ends_at_the_limit_of_its_history_and_others_go_on(tmp_path: Path) -> None:
    with home(tmp_path, speed=1) as here:
        endless = here.register("endless", ENDLESS)
        other = here.register("other", PASS)

        async def beside() -> Any:
            loop = await here.start(endless, ON)
            await (await here.start(other, {})).ended
            is_running = not loop.ended.done()
            return is_running, await loop.ended

        is_running, row = here.do(beside())
    assert is_running
    assert (row.status, row.error) == ("FAILED", "States.Runtime")
