"""Live executions: started, watched, stopped, and written to the store as they go.

**Differs from AWS:** an execution whose process died is ABORTED with the cause "runner died" at the next start.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from hpc_local.arns import execution_arn
from hpc_local.clock import Clock
from hpc_local.execution.history import Event, History
from hpc_local.execution.limits import ExecutionTimeoutError
from hpc_local.execution.program import Program
from hpc_local.language import Json
from hpc_local.language.errors import StatesError
from hpc_local.language.json_text import compact
from hpc_local.storage.executions import ExecutionRow, MachineRow, Store
from hpc_local.storage.journal import StorageError

LOGGER = logging.getLogger(__name__)

RUNNER_DIED = "runner died"
EVENT_SECONDS = 0.025  # how long events gather before they are written together


@dataclass(frozen=True, slots=True)
class Machine:
    """A registered state machine with its definition compiled."""

    row: MachineRow
    program: Program

    @property
    def is_express(self) -> bool:
        return self.row.type == "EXPRESS"


class ExecutionStopped(Exception):  # noqa: N818 - an event, not an error: StopExecution was called
    """Ends an execution as ABORTED."""

    def __init__(self, error: str | None, cause: str | None) -> None:
        super().__init__(error, cause)
        self.error = error
        self.cause = cause


class Execution:
    """One running top-level execution; its children are records of its Map Runs."""

    def __init__(self, machine: Machine, row: ExecutionRow, clock: Clock, store: Store) -> None:
        self.machine = machine
        self.row = row
        self.history = History(clock.time, keep=not machine.is_express, on_add=self._schedule_write)
        self.task: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[ExecutionRow] = asyncio.get_running_loop().create_future()
        self.stop_request: ExecutionStopped | None = None
        self._store = store
        self._timer: asyncio.TimerHandle | None = None

    def _schedule_write(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVENT_SECONDS, self.write_events)

    def write_events(self) -> None:
        """Hand the events gathered so far to the journal."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events = self.history.drain()
        if events:
            self._store.append_events(self.row.id, events)


RunDefinition = Callable[[Execution, Json], Awaitable[Json]]
"""Runs an execution's definition on its input; raises :class:`StatesError` if it fails."""


class Executions:
    """All executions of this home: the running ones in memory, the others in the store."""

    def __init__(self, store: Store, clock: Clock, run_definition: RunDefinition) -> None:
        self._store = store
        self._clock = clock
        self._run_definition = run_definition
        self.running: dict[str, Execution] = {}

    async def start(
        self, machine: Machine, input_text: str, *, name: str | None = None, trace_header: str | None = None
    ) -> Execution:
        """Start an execution; it is on disk when this returns.

        Raises
        ------
        ExecutionExistsError
            If the machine has an execution of that name.
        """
        name = name or str(uuid.uuid4())
        arn = execution_arn(machine.row.arn, name)
        if machine.is_express:
            arn = arn.replace(":execution:", ":express:", 1) + f":{uuid.uuid4()}"
        elif arn in self.running or self._store.execution(arn):
            raise ExecutionExistsError(arn)
        row = ExecutionRow(
            id=self._store.next_execution_id(),
            arn=arn,
            machine_arn=machine.row.arn,
            name=name,
            status="RUNNING",
            started=self._clock.time(),
            input=input_text,
            definition=0,
            trace_header=trace_header,
        )
        execution = Execution(machine, row, self._clock, self._store)
        self.running[arn] = execution
        await asyncio.wrap_future(self._store.insert_execution(row, machine.row.definition))
        execution.task = asyncio.get_running_loop().create_task(self._run(execution), name=arn)
        return execution

    def stop(self, arn: str, error: str | None, cause: str | None) -> None:
        """Ask a running execution to end as ABORTED; one that has ended stays as it is."""
        execution = self.running.get(arn)
        if execution and execution.task and execution.stop_request is None:
            execution.stop_request = ExecutionStopped(error, cause)
            execution.task.cancel()

    async def stop_all(self, cause: str) -> None:
        """Abort whatever runs and wait until it is written down."""
        for arn in list(self.running):
            self.stop(arn, None, cause)
        waiting = [execution.ended for execution in self.running.values()]
        await asyncio.gather(*waiting, return_exceptions=True)

    def find(self, arn: str) -> ExecutionRow | None:
        execution = self.running.get(arn)
        return execution.row if execution else self._store.execution(arn)

    def of_machine(self, machine_arn: str, status: str | None, offset: int, limit: int) -> list[ExecutionRow]:
        """Return executions of a machine, newest first."""
        return self._store.executions(machine_arn, status, offset, limit)

    def arn_of(self, execution_id: int) -> str:
        """Return the ARN of the execution with this row id."""
        return self._store.execution_by_id(execution_id).arn

    async def events(self, row: ExecutionRow) -> list[Event]:
        """Return every event of an execution so far, oldest first."""
        execution = self.running.get(row.arn)
        if execution:
            execution.write_events()
            await asyncio.wrap_future(self._store.journal.flush())
        return list(self._store.events(row.id))

    async def _run(self, execution: Execution) -> None:
        history, row = execution.history, execution.row
        status, output, error, cause = "SUCCEEDED", None, None, None
        history.add(
            "ExecutionStarted",
            0,
            "executionStartedEventDetails",
            {"input": row.input, "inputDetails": {"truncated": False}, "roleArn": execution.machine.row.role_arn},
        )
        try:
            output = compact(await self._run_definition(execution, json.loads(row.input)))
        except StatesError as failure:
            status, error, cause = failure_status(failure), failure.name, failure.cause
        except asyncio.CancelledError:
            if execution.stop_request is None:
                raise
            status, error, cause = "ABORTED", execution.stop_request.error, execution.stop_request.cause
        except (
            Exception
        ) as failure:  # the runner's own: a full disk, a fault of ours; the caller must not wait for ever
            LOGGER.exception("execution %s", row.arn)
            status, error, cause = "FAILED", "Runner.InternalError", f"{type(failure).__name__}: {failure}"
        await self._close(execution, status, output, error, cause)

    async def _close(
        self, execution: Execution, status: str, output: str | None, error: str | None, cause: str | None
    ) -> None:
        close_history(execution.history, status, output, error, cause)
        execution.write_events()
        stopped = self._clock.time()
        written = self._store.finish_execution(execution.row.id, status, stopped, output, error, cause)
        execution.row = replace(execution.row, status=status, stopped=stopped, output=output, error=error, cause=cause)
        try:
            await asyncio.wrap_future(written)
        except StorageError:
            LOGGER.exception("execution %s ended as %s, which could not be stored", execution.row.arn, status)
        finally:
            del self.running[execution.row.arn]
            execution.ended.set_result(execution.row)

    def abort_orphans(self) -> int:
        """End what was RUNNING when its process died; return how many executions that were."""
        orphans = self._store.running_executions()
        for row in orphans:
            last_id = self._store.last_event_id(row.id)
            history = History(self._clock.time, count=last_id)
            close_history(history, "ABORTED", None, None, RUNNER_DIED)
            self._store.append_events(row.id, history.drain())
            self._store.finish_execution(row.id, "ABORTED", self._clock.time(), None, None, RUNNER_DIED)
        return len(orphans)


class ExecutionExistsError(Exception):
    """An execution of this name exists."""


def failure_status(failure: StatesError) -> str:
    """TIMED_OUT only where the execution's own TimeoutSeconds ran out; see :class:`hpc_local.limits.ExecutionTimeoutError`."""
    return "TIMED_OUT" if isinstance(failure, ExecutionTimeoutError) else "FAILED"


_CLOSING_EVENT = {
    "SUCCEEDED": ("ExecutionSucceeded", "executionSucceededEventDetails"),
    "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
    "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
    "ABORTED": ("ExecutionAborted", "executionAbortedEventDetails"),
}


def close_history(history: History, status: str, output: str | None, error: str | None, cause: str | None) -> None:
    """Add the event that ends an execution."""
    event_type, details_name = _CLOSING_EVENT[status]
    if status == "SUCCEEDED":
        details: dict[str, Json] = {"output": output, "outputDetails": {"truncated": False}}
    else:
        details = {key: value for key, value in (("error", error), ("cause", cause)) if value is not None}
    history.close(event_type, history.count, details_name, details)
