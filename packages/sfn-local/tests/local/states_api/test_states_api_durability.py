"""State after a server was killed, and executions when nothing more can be written."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redrives import redrive
from sfn_local.arns import Account
from sfn_local.clock import Clock
from sfn_local.engine import compose
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.machines.registry import Machines
from sfn_local.object_store import ObjectStore
from sfn_local.protocol import ServiceError
from sfn_local.server import attach
from sfn_local.storage.journal import StorageError
from sfn_local.storage.store import Store
from state_machines import open_home
from states_endpoint import States, chain, refused, serving, wait_until

HOST = """
import sys, threading
from pathlib import Path
from sfn_local.server import LocalServer
with LocalServer(Path(sys.argv[1]), None, worker_count=1):
    print("serving", flush=True)
    threading.Event().wait()
"""
WAIT = {"Type": "Wait", "Seconds": 600}
BY_ITEM = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "W",
    "States": {"W": {"Type": "Wait", "SecondsPath": "$", "End": True}},
}


@contextlib.contextmanager
def hosted(home: Path) -> Iterator[tuple[States, subprocess.Popen[str]]]:
    """Serve a home in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", HOST, str(home)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        connection = attach(home)
        assert connection is not None
        yield States(connection), process
    finally:
        process.kill()
        process.communicate()


def kill(process: "subprocess.Popen[str]") -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_server_leaves_ended_executions_whole_and_running_ones_aborted(tmp_path: Path) -> None:
    with hosted(tmp_path) as (states, process):
        ended = states.run(states.create("pass", chain(A={"Type": "Pass"})), {"x": 1})
        before = states.chain_of(ended["executionArn"])
        running = states.start(states.create("wait", chain(A={"Type": "Pass"}, W=WAIT)))
        wait_until(lambda: len(states.events(running)) == 4)
        states.client.stop_execution(executionArn=(stopped := states.start(states.create("stopped", chain(W=WAIT)))))
        started = states.start(states.create("wait-2", chain(W=WAIT)))
        kill(process)  # not even 25 ms after the last start was answered
    with serving(tmp_path) as states:
        again = states.client.describe_execution(executionArn=ended["executionArn"])
        assert {**again, "ResponseMetadata": None} == {**ended, "ResponseMetadata": None}
        assert states.chain_of(ended["executionArn"]) == before
        assert states.client.describe_execution(executionArn=stopped)["status"] == "ABORTED"
        assert "cause" not in states.client.describe_execution(executionArn=stopped)
        for execution in (running, started):
            described = states.client.describe_execution(executionArn=execution)
            assert (described["status"], described["cause"]) == ("ABORTED", "runner died")
            events = states.events(execution)
            assert [event["id"] for event in events] == list(range(1, len(events) + 1))
            assert events[-1]["type"] == "ExecutionAborted"
        assert len(states.events(running)) == 5
        assert not states.client.list_executions(
            stateMachineArn=running.replace(":execution:", ":stateMachine:").rpartition(":")[0], statusFilter="RUNNING"
        )["executions"]


def stored_children(home: Path) -> int:
    with contextlib.closing(sqlite3.connect(home / "executions.sqlite")) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM children").fetchone()[0])


def test_killed_server_leaves_a_map_run_whose_counts_add_up(tmp_path: Path) -> None:
    state = {"Type": "Map", "Label": "L", "ItemProcessor": BY_ITEM, "MaxConcurrency": 60, "ToleratedFailureCount": 1}
    with hosted(tmp_path) as (states, process):
        execution = states.start(states.create("map", chain(M=state)), [0] * 300 + [600] * 100)
        wait_until(lambda: bool(states.client.list_map_runs(executionArn=execution)["mapRuns"]))
        [listed] = states.client.list_map_runs(executionArn=execution)["mapRuns"]
        wait_until(
            lambda: states.client.describe_map_run(mapRunArn=listed["mapRunArn"])["itemCounts"]["succeeded"] > 200
        )
        wait_until(lambda: stored_children(tmp_path) > 0)  # what is counted may not be on disk yet
        kill(process)
    with serving(tmp_path) as states:
        described = states.client.describe_map_run(mapRunArn=listed["mapRunArn"])
        counts = described["executionCounts"]
        assert described["status"] == "ABORTED"
        assert counts["running"] == 0
        assert counts["total"] == 400 == counts["pending"] + counts["succeeded"] + counts["aborted"] + counts["failed"]
        pages = states.client.get_paginator("list_executions").paginate(mapRunArn=listed["mapRunArn"])
        children = [child for page in pages for child in page["executions"]]
        assert Counter(child["status"] for child in children)["SUCCEEDED"] == counts["succeeded"]
        assert len({child["name"] for child in children}) == len(children)
        oldest = children[-1]["executionArn"]
        assert states.chain_of(oldest)[-1] == (4, 3, "ExecutionSucceeded")


def test_killed_executions_stopped_when_they_last_wrote_something_not_at_the_next_start(tmp_path: Path) -> None:
    state = {"Type": "Map", "Label": "L", "ItemProcessor": BY_ITEM, "ToleratedFailureCount": 1}
    with open_home(tmp_path, speed=20) as home:
        mapping = home.register("map", chain(M=state))
        waiting = home.register("wait", chain(A={"Type": "Pass"}, W=WAIT))
        of_map, of_wait = (home.do(home.start(*each)).row.arn for each in ((mapping, [0, 1, 600]), (waiting, None)))
        while stored_children(tmp_path) < 2:
            home.do(asyncio.sleep(0.01))
        map_run = home.map_run(of_map)["mapRunArn"]
        children = home.states("ListExecutions", mapRunArn=map_run, statusFilter="SUCCEEDED")["executions"]
        last_signs = {
            of_map: max(child["stopDate"] for child in children),
            of_wait: home.events(of_wait)[-1]["timestamp"],
        }
    with open_home(tmp_path) as home:
        home.machines._clock._wall_start += 3600
        home.machines.abort_orphans()
        home.machines.executions._journal.flush().result()
        for execution, last_sign in last_signs.items():
            described = home.states("DescribeExecution", executionArn=execution)
            assert (described["status"], described["stopDate"]) == ("ABORTED", last_sign)
            assert home.events(execution)[-1]["timestamp"] == last_sign
        described = home.states("DescribeMapRun", mapRunArn=map_run)
        assert (described["status"], described["stopDate"]) == ("ABORTED", last_signs[of_map])


def test_broken_segments_fail_the_calls_that_need_them_and_a_redrive_by_name(tmp_path: Path) -> None:
    state = {"Type": "Map", "Label": "L", "ItemProcessor": BY_ITEM}
    with open_home(tmp_path) as home:
        failed = home.run(chain(M=state), ["no seconds"]).arn
        map_run = home.map_run(failed)["mapRunArn"]
        (child,) = home.states("ListExecutions", mapRunArn=map_run)["executions"]
    with contextlib.closing(sqlite3.connect(tmp_path / "executions.sqlite")) as connection:
        connection.execute("UPDATE segments SET blob = x'0011'")
        connection.commit()
    with open_home(tmp_path) as home:
        for action in ("DescribeExecution", "GetExecutionHistory"):
            with pytest.raises(ServiceError, match=r"executions\.sqlite: a segment in it is broken") as caught:
                home.states(action, executionArn=child["executionArn"])
            assert (caught.value.code, caught.value.status) == ("InternalFailure", 500)
        described = redrive(home, failed)
        assert (described["status"], described["error"]) == ("FAILED", "Runner.StorageFailed")
        assert "a segment in it is broken" in described["cause"]


def test_deletion_that_a_kill_cut_off_is_finished(tmp_path: Path) -> None:
    with hosted(tmp_path) as (states, process):
        arn = states.create("deleted", chain(W=WAIT))
        states.start(arn)
        states.client.delete_state_machine(stateMachineArn=arn)
        assert states.client.describe_state_machine(stateMachineArn=arn)["status"] == "DELETING"
        kill(process)
    with serving(tmp_path) as states, refused("StateMachineDoesNotExist"):
        states.client.describe_state_machine(stateMachineArn=arn)


def test_stopped_server_aborts_what_runs_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as states:
        execution = states.start(states.create("wait", chain(W=WAIT)))
    with serving(tmp_path) as states:
        described = states.client.describe_execution(executionArn=execution)
        assert (described["status"], described["cause"]) == ("ABORTED", "the local server was stopped")


def test_name_of_an_execution_stays_taken_over_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as states:
        arn = states.create("pass", chain(A={"Type": "Pass"}))
        states.ended(states.start(arn, name="one"))
    with serving(tmp_path) as states, refused("ExecutionAlreadyExists"):
        states.start(arn, name="one")


class FullHome:
    """State machines over a store whose disk is full from a moment on that the test chooses."""

    def __init__(self, root: Path, stack: contextlib.ExitStack) -> None:
        objects = stack.enter_context(contextlib.closing(ObjectStore(root / "s3")))
        self.store = stack.enter_context(contextlib.closing(Store(root / "executions.sqlite")))
        runtime = LambdaRuntime(worker_count=1, log_folder=root / "logs", base_environment={})
        self.machines: Machines
        self.machines, services = compose(
            account=Account(), clock=Clock(), runtime=runtime, objects=objects, store=self.store
        )
        stack.callback(self.machines.close)
        self._states = services["states"].api

    async def call(self, action: str, **params: Any) -> dict[str, Any]:
        return await self._states.handle(action, params, "test")

    async def fill(self) -> None:
        """Let SQLite have no page more than it has, which is how it meets a full disk."""

        def stop_growth(connection: Any) -> None:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")

        with contextlib.suppress(StorageError):  # a later write of the same transaction may meet it already
            await asyncio.wrap_future(self.store.journal.submit(stop_growth))


@pytest.fixture
def full_home(tmp_path: Path) -> Iterator[FullHome]:
    with contextlib.ExitStack() as stack:
        yield FullHome(tmp_path, stack)


async def create(home: FullHome, name: str, definition: dict[str, Any]) -> str:
    answer = await home.call(
        "CreateStateMachine", name=name, roleArn="arn:aws:iam::0:role/r", definition=json.dumps(definition)
    )
    return str(answer["stateMachineArn"])


def test_full_disk_ends_every_execution_with_its_reason_and_starts_no_other(full_home: FullHome) -> None:
    home = full_home

    async def scenario() -> None:
        arn = await create(home, "wait", chain(W=WAIT))
        waiting = [(await home.call("StartExecution", stateMachineArn=arn))["executionArn"] for _ in range(3)]
        executions = [home.machines.executions.running[execution] for execution in waiting]
        await home.fill()
        with pytest.raises(ServiceError, match="full") as caught:
            await home.call("StartExecution", stateMachineArn=arn, input=json.dumps("x" * 100_000))
        assert (caught.value.code, caught.value.status) == ("InternalFailure", 500)
        async with asyncio.timeout(10):
            ends = [await execution.wait() for execution in executions]
        for row in ends:
            assert (row.status, row.error) == ("FAILED", "Runner.StorageFailed")
            assert "full" in (row.cause or "")
        described = await home.call("DescribeExecution", executionArn=waiting[0])
        assert (described["status"], described["error"]) == ("FAILED", "Runner.StorageFailed")
        assert not home.machines.executions.running
        with pytest.raises(ServiceError, match="full"):
            await home.call("StartExecution", stateMachineArn=arn)

    asyncio.run(scenario())


def test_executions_whose_end_is_not_stored_are_listed_with_it_in_pages_of_any_size(full_home: FullHome) -> None:
    home = full_home

    async def listed(arn: str, size: int, **wanted: Any) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        more: dict[str, Any] = {}
        while True:
            page = await home.call("ListExecutions", stateMachineArn=arn, maxResults=size, **wanted, **more)
            assert len(page["executions"]) <= size
            found += [(each["name"], each["status"]) for each in page["executions"]]
            if "nextToken" not in page:
                return found
            more = {"nextToken": page["nextToken"]}

    async def scenario() -> None:
        arn = await create(home, "wait", chain(W={"Type": "Wait", "SecondsPath": "$"}))
        other = await create(home, "other", chain(W=WAIT))
        for number, seconds in enumerate([600, 0, 600, 600, 0, 600, 0]):
            started = await home.call("StartExecution", stateMachineArn=arn, name=str(number), input=str(seconds))
            if not seconds:
                await home.machines.executions.running[started["executionArn"]].wait()
        await home.call("StartExecution", stateMachineArn=other, name="of-another")
        running = list(home.machines.executions.running.values())
        await home.fill()
        with pytest.raises(ServiceError, match="full"):
            await home.call("StartExecution", stateMachineArn=arn, input=json.dumps("x" * 100_000))
        async with asyncio.timeout(10):
            for execution in running:
                await execution.wait()
        failed, succeeded = [(name, "FAILED") for name in "5320"], [(name, "SUCCEEDED") for name in "641"]
        for size in (1, 2, 3, 100):
            assert await listed(arn, size, statusFilter="RUNNING") == []
            assert await listed(arn, size, statusFilter="FAILED") == failed
            assert await listed(arn, size, statusFilter="SUCCEEDED") == succeeded
            assert await listed(arn, size) == failed + succeeded  # by their ends, the latest first

    asyncio.run(scenario())


def test_full_disk_ends_a_map_run_whose_children_can_not_be_stored(full_home: FullHome) -> None:
    home = full_home

    async def scenario() -> None:
        state = {
            "Type": "Map",
            "ItemProcessor": {**BY_ITEM, "StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
            "ItemSelector": {"text.$": "$$.Map.Item.Value", "random.$": "States.UUID()"},
        }
        arn = await create(home, "map", chain(M=state))
        started = await home.call("StartExecution", stateMachineArn=arn, input=json.dumps(list(range(20_000))))
        execution = home.machines.executions.running[started["executionArn"]]
        await home.fill()
        async with asyncio.timeout(30):
            row = await execution.wait()
        assert (row.status, row.error) == ("FAILED", "Runner.StorageFailed")

    asyncio.run(scenario())


def test_broken_definition_fails_the_call_that_needs_it_by_name(tmp_path: Path) -> None:
    with open_home(tmp_path) as home:
        arn = home.run(chain(P={"Type": "Pass"})).arn
    with contextlib.closing(sqlite3.connect(tmp_path / "executions.sqlite")) as connection:
        connection.execute("UPDATE definitions SET text = '{broken'")
        connection.commit()
    with open_home(tmp_path) as home:
        assert home.states("DescribeExecution", executionArn=arn)["status"] == "SUCCEEDED"
        with pytest.raises(ServiceError, match="a definition in it is broken"):
            home.states("DescribeStateMachineForExecution", executionArn=arn)
