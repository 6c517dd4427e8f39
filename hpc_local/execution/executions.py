"""Live executions: started, watched, stopped, and written to the store as they go.

**Differs from AWS:** an execution whose process died is ABORTED with the cause "runner died" at the next start, as of
what it wrote last; one that can't be written down any more, because the disk is full say, ends as FAILED with
``Runner.StorageFailed``.
"""

import asyncio
import contextlib
import heapq
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace

from hpc_local.arns import execution_arn, express_execution_arn
from hpc_local.clock import Clock
from hpc_local.execution.execution import Ending, Execution, Redrive, close_history, failure_status, open_history
from hpc_local.execution.history import History
from hpc_local.execution.machine import Machine
from hpc_local.execution.redrive import TOKEN_COUNT, TOKEN_SECONDS
from hpc_local.language import Json
from hpc_local.language.errors import TOO_DEEP, StatesError, StatesRuntimeError
from hpc_local.language.json_text import compact
from hpc_local.storage.event import Event
from hpc_local.storage.executions import ExecutionRow, ExecutionStore, Place, place_of
from hpc_local.storage.journal import StorageError
from hpc_local.storage.store import Store

LOGGER = logging.getLogger(__name__)

RUNNER_DIED = "runner died"
STORAGE_FAILED = "Runner.StorageFailed"
INTERNAL_ERROR = "Runner.InternalError"

RunDefinition = Callable[[Execution, Json], Awaitable[Json]]
"""Runs an execution's definition on its input; raises :class:`StatesError` if it fails."""


class ExecutionExistsError(Exception):
    """An execution of this name exists."""


class Executions:
    """All executions of this home: the running ones in memory, the others in the store.

    Attributes
    ----------
    on_end : callable
        Called with the ARN of the state machine when one of its executions has ended.
    on_status : callable
        Called with a Standard execution that has started or ended, when that is on disk.
    """

    def __init__(self, store: Store, clock: Clock, run_definition: RunDefinition) -> None:
        self._journal = store.journal
        self._store = ExecutionStore(store)
        self._next_id = store.next_execution_id
        self._clock = clock
        self._run_definition = run_definition
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unstored: dict[str, ExecutionRow] = {}  # ended, but the store could not take it
        self.running: dict[str, Execution] = {}
        self.on_end: Callable[[str], None] = lambda _machine_arn: None
        self.on_status: Callable[[ExecutionRow], None] = lambda _row: None
        self._journal.on_failure = self._storage_failed

    async def start(
        self, machine: Machine, input_text: str, *, name: str | None = None, trace_header: str | None = None
    ) -> Execution:
        """Start an execution; it is on disk when this returns, unless it is Express, which leaves no record.

        Raises
        ------
        ExecutionExistsError
            If the machine has an execution of that name.
        StorageError
            If it can't be written down; then it doesn't run.
        """
        self._loop = asyncio.get_running_loop()
        name = name or str(uuid.uuid4())
        arn = execution_arn(machine.row.arn, name)
        if machine.is_express:
            arn = express_execution_arn(machine.row.arn, name, uuid.uuid4())
        elif self.find(arn):
            raise ExecutionExistsError(arn)
        row = ExecutionRow(
            id=self._next_id(),
            arn=arn,
            machine_arn=machine.row.arn,
            name=name,
            status="RUNNING",
            started=self._clock.time(),
            input=input_text,
            trace_header=trace_header,
            snapshot=_snapshot(machine),
        )
        return await self._begin(Execution(machine, row, self._clock, self._store))

    async def redrive(self, machine: Machine, row: ExecutionRow, redrive: Redrive) -> Execution:
        """Run an execution again that has ended; that is on disk when this returns.

        Raises
        ------
        StorageError
            If it can't be written down; then it stays as it is.
        """
        self._loop = asyncio.get_running_loop()
        count, now = row.redrive_count + 1, self._clock.time()
        row = replace(row, status="RUNNING", stopped=None, output=None, error=None, cause=None)
        row = replace(row, redrive_count=count, redriven=now)
        return await self._begin(Execution(machine, row, self._clock, self._store, redrive))

    async def _begin(self, execution: Execution) -> Execution:
        arn = execution.row.arn
        self.running[arn] = execution
        execution.task = asyncio.create_task(self._run(execution), name=arn)
        await asyncio.shield(execution.stored)
        if not execution.machine.is_express:
            self.on_status(execution.row)
        return execution

    def stop(self, arn: str, error: str | None, cause: str | None) -> None:
        """Ask a running execution to end as ABORTED; one that has ended stays as it is."""
        execution = self.running.get(arn)
        if execution:
            execution.end(Ending("ABORTED", None, error, cause))

    async def stop_all(self, cause: str) -> None:
        """Abort whatever runs and wait until it is written down."""
        for arn in list(self.running):
            self.stop(arn, None, cause)
        waiting = [execution.ended for execution in self.running.values()]
        await asyncio.gather(*waiting, return_exceptions=True)

    def find(self, arn: str) -> ExecutionRow | None:
        """Return an execution; its end is seen when it is on disk, not before."""
        execution = self.running.get(arn)
        return execution.row if execution else self._unstored.get(arn) or self._store.find(arn)

    def of_machine(self, machine_arn: str, status: str | None, before: Place | None, limit: int) -> list[ExecutionRow]:
        """Return executions of a machine in the order of ListExecutions, from the first after a place on."""
        unstored = {row.id: row for row in self._unstored.values() if row.machine_arn == machine_arn}
        stored = self._store.of_machine(machine_arn, status, before, limit + len(unstored))
        found = [row for row in stored if row.id not in unstored]  # there they are still running
        found += [
            row
            for row in unstored.values()
            if status in (None, row.status) and (before is None or place_of(row) < before)
        ]
        return heapq.nlargest(limit, found, key=place_of)

    def has_running(self, machine_arn: str) -> bool:
        return any(execution.machine.row.arn == machine_arn for execution in self.running.values())

    def refuse_events(self, machine_arn: str, cause: str) -> None:
        """End each running execution of a machine as FAILED at its next event."""
        for execution in self.running.values():
            if execution.machine.row.arn == machine_arn:
                execution.history.refusal = cause

    def forget(self, machine_arn: str) -> None:
        """Forget what is known besides the store of a machine that is deleted."""
        self._unstored = {arn: row for arn, row in self._unstored.items() if row.machine_arn != machine_arn}

    def by_id(self, execution_id: int) -> ExecutionRow:
        return self._store.by_id(execution_id)

    def event_count(self, row: ExecutionRow) -> int:
        """Return how many events of an execution are stored."""
        return self._store.last_event_id(row.id)

    def stored_events(self, row: ExecutionRow) -> Iterator[Event]:
        """Yield the events of an execution that has ended, streamed."""
        return self._store.events(row.id)

    def redriven_by(self, row: ExecutionRow, token: str) -> float | None:
        """Return when the request with this client token redrove the execution, if that is remembered."""
        return self._store.redriven_by(row.id, token, self._clock.time() - TOKEN_SECONDS, TOKEN_COUNT)

    async def events(self, row: ExecutionRow, start: int | None, *, is_reversed: bool) -> Iterator[Event]:
        """Return the events of an execution so far, from event id ``start`` on."""
        execution = self.running.get(row.arn)
        if execution:
            execution.write_events()
            await asyncio.wrap_future(self._journal.flush())
        return self._store.events_backwards(row.id, start) if is_reversed else self._store.events(row.id, start or 1)

    async def _run(self, execution: Execution) -> None:
        if not await self._store_start(execution):
            return
        execution.is_open = True
        ending = await self._outcome(execution)
        execution.is_open = False
        await self._close(execution, ending)

    async def _store_start(self, execution: Execution) -> bool:
        try:
            if not execution.machine.is_express:
                await asyncio.wrap_future(self._written_start(execution))
        except StorageError as error:
            del self.running[execution.row.arn]
            execution.stored.set_exception(error)
            execution.ended.cancel()
            return False
        execution.stored.set_result(None)
        return True

    def _written_start(self, execution: Execution) -> "Future[None]":
        if execution.redrive is not None:
            return self._store.redrive(execution.row, execution.redrive.token)
        return self._store.insert(execution.row, execution.machine.row.definition)

    async def _outcome(self, execution: Execution) -> Ending:
        row = execution.row
        try:
            open_history(execution)
            if execution.requested_end is not None:
                return execution.requested_end
            return Ending("SUCCEEDED", await self._output(execution))
        except StatesError as failure:
            return Ending(failure_status(failure), None, failure.name, failure.cause)
        except asyncio.CancelledError:
            if execution.requested_end is None:
                raise
            return execution.requested_end
        except StorageError as failure:
            return Ending("FAILED", None, STORAGE_FAILED, str(failure))
        except Exception as failure:  # a fault of the runner: whoever waits for the execution must not wait for ever
            LOGGER.exception("execution %s", row.arn)
            return Ending("FAILED", None, INTERNAL_ERROR, f"{type(failure).__name__}: {failure}")

    async def _output(self, execution: Execution) -> str:
        try:
            return compact(await self._run_definition(execution, json.loads(execution.row.input)))
        except RecursionError:
            raise StatesRuntimeError(TOO_DEEP) from None

    async def _close(self, execution: Execution, ending: Ending) -> None:
        close_history(execution.history, ending)
        row = replace(execution.row, stopped=self._clock.time(), **ending._asdict())
        if not execution.machine.is_express:
            try:
                execution.write_events()
                await asyncio.wrap_future(self._store.finish(row))
            except StorageError as error:
                LOGGER.error("execution %s ended as %s, which is not stored: %s", row.arn, row.status, error)  # noqa: TRY400 - told in full
                row = replace(row, status="FAILED", output=None, error=STORAGE_FAILED, cause=str(error))
                self._unstored[row.arn] = row
        execution.row = row
        del self.running[row.arn]
        if not execution.ended.done():
            execution.ended.set_result(row)
        if not execution.machine.is_express:
            self.on_status(row)
        self.on_end(row.machine_arn)

    def _storage_failed(self, error: StorageError) -> None:
        """End what runs; called in the journal's thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing runs any more
                self._loop.call_soon_threadsafe(self.fail_running, str(error))

    def fail_running(self, reason: str) -> None:
        """End what runs, because the disk takes no more of it."""
        for execution in self.running.values():
            execution.end(Ending("FAILED", None, STORAGE_FAILED, reason))

    def abort_orphans(self) -> None:
        """End what was RUNNING when its process died, as of its last sign of life: when it died nothing tells."""
        for row in self._store.running():
            # The system's time may have been set back since.
            self._abort(row, min(self._clock.time(), self._store.last_sign(row)))

    def _abort(self, row: ExecutionRow, stopped: float) -> None:
        ending = Ending("ABORTED", None, None, RUNNER_DIED)
        history = History(lambda: stopped, count=self._store.last_event_id(row.id))
        close_history(history, ending)
        self._store.append_events(row.id, history.drain())
        self._store.finish(replace(row, stopped=stopped, **ending._asdict()))


def _snapshot(machine: Machine) -> str:
    row = machine.row
    return json.dumps(
        {
            "name": row.name,
            "roleArn": row.role_arn,
            "revisionId": row.revision_id,
            "updated": row.updated,
            **{name: value for name, value in row.settings.items() if name != "tags"},
        }
    )
