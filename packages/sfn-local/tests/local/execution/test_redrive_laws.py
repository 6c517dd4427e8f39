"""Laws of redrives: wherever a process dies, and whatever failed, the result is that of an undisturbed execution.

What is on disk when a process dies is a prefix of what it has written, so a journal that takes some writes and then no
more stands for any death.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redrives import read_task, redrive
from sfn_local.protocol import ServiceError
from sfn_local.storage.journal import StorageError
from state_machines import BUCKET, Home, open_home

MOST_REDRIVES = 20
STATE_MACHINE_ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:life"
FILE_SETTINGS = {"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET}}}
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def definition(kind: str, concurrency: int, batch_size: int) -> dict[str, Any]:
    """Variables, branches, iterations and a Distributed Map, each with tasks that may fail."""
    reading = read_task("$.key", End=True)
    children = {
        "Type": "Map",
        "Label": "Children",
        "MaxConcurrency": concurrency,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": {"Bucket": BUCKET, "Key": "items.jsonl"},
            "ReaderConfig": {"InputType": "JSONL"},
        },
        "ItemBatcher": {"MaxItemsPerBatch": batch_size},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
            "StartAt": "EachOfBatch",
            "States": {
                "EachOfBatch": {
                    "Type": "Map",
                    "ItemsPath": "$.Items",
                    "ItemProcessor": {"StartAt": "ReadItem", "States": {"ReadItem": reading}},
                    "End": True,
                }
            },
        },
        **FILE_SETTINGS,
        "ResultSelector": {"key.$": "$.ResultWriterDetails.Key"},
        "End": True,
    }
    iterations = {
        "Type": "Map",
        "ItemsPath": "$.inline",
        "MaxConcurrency": concurrency,
        "ItemProcessor": {
            "StartAt": "Remember",
            "States": {
                "Remember": {"Type": "Pass", "Assign": {"mine.$": "$.key"}, "Next": "ReadInline"},
                "ReadInline": read_task("$.key", Next="Recall"),
                "Recall": {
                    "Type": "Pass",
                    "Parameters": {"body.$": "$.body", "mine.$": "$mine", "all.$": "$all"},
                    "End": True,
                },
            },
        },
        "End": True,
    }
    branches = [
        {"StartAt": "Children", "States": {"Children": children}},
        {"StartAt": "Iterations", "States": {"Iterations": iterations}},
    ]
    return {
        "StartAt": "Assign",
        "States": {
            "Assign": {"Type": "Pass", "Assign": {"all.$": "$.inline"}, "Next": "Both"},
            "Both": {"Type": "Parallel", "Branches": branches, "Next": "After"},
            "After": {"Type": "Pass", "Parameters": {"branches.$": "$", "all.$": "$all"}, "End": True},
        },
    }


def dying(home: Home, write_count: int) -> None:
    """Let the home's journal take so many writes more, and none after them."""
    journal = home.machines.executions._journal
    submit = journal.submit
    left = write_count

    def submit_while_alive(write: Callable[[Any], None]) -> Any:
        nonlocal left
        if left == 0:
            raise StorageError("the process is dead")
        left -= 1
        return submit(write)

    journal.submit = submit_while_alive  # type: ignore[method-assign]  # the same, up to a moment


def result_of(home: Home, described: dict[str, Any]) -> Any:
    """Return the execution's output with the children's results in place of their files, by batch."""
    output = json.loads(described["output"])
    details = output["branches"][0]
    listed = json.loads(home.read(details["key"]))["ResultFiles"]
    assert not listed["FAILED"]
    assert not listed["PENDING"]
    records = [record for entry in listed["SUCCEEDED"] for record in json.loads(home.read(entry["Key"]))]
    pairs = [(json.loads(record["Input"]), json.loads(record["Output"])) for record in records]
    output["branches"][0] = sorted(pairs, key=lambda pair: pair[0]["Items"][0]["key"])
    return output


def expected(items: list[dict[str, str]], inline: list[dict[str, str]], batch_size: int) -> Any:
    batches = [items[first : first + batch_size] for first in range(0, len(items), batch_size)]
    children = [({"Items": batch}, [{"body": each["key"]} for each in batch]) for batch in batches]
    iterations = [{"body": each["key"], "mine": each["key"], "all": inline} for each in inline]
    return {"branches": [children, iterations], "all": inline}


def committed(home: Home, arn: str) -> dict[str, Any]:
    """Return the children that have succeeded, by name, with when they ran."""
    found = {}
    for map_run in home.states("ListMapRuns", executionArn=arn)["mapRuns"]:
        listed = home.states(
            "ListExecutions", mapRunArn=map_run["mapRunArn"], statusFilter="SUCCEEDED", maxResults=1000
        )
        found |= {each["name"]: (each["startDate"], each["stopDate"]) for each in listed["executions"]}
    return found


class Life:
    """One execution over processes that die."""

    def __init__(self, root: Path, machine: dict[str, Any], payload: Any) -> None:
        self.root = root
        self.machine = machine
        self.payload = payload

    def start(self, home: Home) -> str:
        """Start the execution, whether or not the process lives to see its end."""
        arn = STATE_MACHINE_ARN

        async def until_end() -> None:
            execution = await home.machines.executions.start(
                home.machines.find(arn), json.dumps(self.payload), name="one"
            )
            await execution.wait()

        with contextlib.suppress(StorageError):
            home.do(until_end())
        return arn.replace(":stateMachine:", ":execution:") + ":one"

    def is_known(self, home: Home, arn: str) -> bool:
        try:
            home.states("DescribeExecution", executionArn=arn)
        except ServiceError:
            return False
        return True


def homes(root: Path, machine: dict[str, Any], deaths: list[int]) -> Iterator[Home]:
    """Open the home again and again; the first processes die after so many writes."""
    for number in range(MOST_REDRIVES):
        with open_home(root) as home:
            home.machines.abort_orphans()
            assert home.register("life", machine) == STATE_MACHINE_ARN
            home.do(flushed(home))
            if number < len(deaths):
                dying(home, deaths[number])
            yield home


async def flushed(home: Home) -> None:
    await asyncio.wrap_future(home.machines.executions._journal.flush())


@SETTINGS
@given(
    count=st.integers(1, 5),
    inline_count=st.integers(0, 3),
    batch_size=st.integers(1, 3),
    concurrency=st.integers(1, 3),
    kind=st.sampled_from(["STANDARD", "EXPRESS"]),
    deaths=st.lists(st.integers(0, 30), max_size=3),
    missing=st.sets(st.integers(0, 7)),
    data=st.data(),
)
def test_result_is_that_of_an_undisturbed_execution(
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    inline_count: int,
    batch_size: int,
    concurrency: int,
    kind: str,
    deaths: list[int],
    missing: set[int],
    data: st.DataObject,
) -> None:
    keys = [{"key": f"object-{index}"} for index in range(count + inline_count)]
    items, inline = keys[:count], keys[count:]
    life = Life(tmp_path_factory.mktemp("life"), definition(kind, concurrency, batch_size), {"inline": inline})
    with open_home(life.root) as home:
        home.put("items.jsonl", "".join(json.dumps(item) + "\n" for item in items))
        for index, each in enumerate(keys):
            if index not in missing:
                home.put(each["key"], each["key"])
    absent = sorted(index for index in missing if index < len(keys))
    arn = ""
    for home in homes(life.root, life.machine, deaths):
        if not arn or not life.is_known(home, arn):
            arn = life.start(home)
        else:
            before = committed(home, arn)
            if absent:
                repaired = keys[absent.pop(data.draw(st.integers(0, len(absent) - 1)))]["key"]
                home.put(repaired, repaired)
            try:
                redrive(home, arn)
            except (ServiceError, StorageError):
                continue  # the process died as it was asked, or the execution is not stored as ended
            after = committed(home, arn)
            assert {name: after.get(name) for name in before} == before
        if life.is_known(home, arn):
            described = home.states("DescribeExecution", executionArn=arn)
            if described["status"] == "SUCCEEDED":
                assert result_of(home, described) == expected(items, inline, batch_size)
                return
    raise AssertionError(f"no success after {MOST_REDRIVES} redrives")
