"""One running execution, and how it ends.

Source: recorded executions: the events that end one, and the events that those follow.
"""

import asyncio
import contextlib
from typing import NamedTuple

from sfn_local.clock import Clock
from sfn_local.execution.history import History
from sfn_local.execution.limits import ExecutionTimeoutError
from sfn_local.execution.machine import Machine
from sfn_local.execution.redrive_points import RedrivePoint
from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.storage.execution_store import ExecutionRow, ExecutionStore
from sfn_local.storage.journal import StorageError

# How many events are written together, and how long they gather.
SEGMENT_EVENTS = 256
SEGMENT_CHARACTERS = 4 * 1024 * 1024
SEGMENT_SECONDS = 0.025


class Ending(NamedTuple):
    """The end of an execution; ``output`` is JSON text."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


class Redrive(NamedTuple):
    """State with which a redriven execution resumes.

    Attributes
    ----------
    point : RedrivePoint or None
        Where it goes on; None if it had entered no state.
    event_count : int
        How many events it has already.
    token : str
        Client token of the request.
    """

    point: RedrivePoint | None
    event_count: int
    token: str


# Events that are written with what follows them, and events that are written at once: before any child that they tell
# of.  A history that a kill cuts off then always tells where the execution was.
_NEVER_LAST = "StateExited"
_WRITTEN_AT_ONCE = ("MapRunStarted", "MapRunRedriven")


class Execution:
    """One running top-level execution; its children are records of its Map Runs.

    Attributes
    ----------
    stored : asyncio.Future
        Done when the execution is on disk.
    requested_end : Ending or None
        How the execution is to end because somebody asked for it.
    is_open : bool
        Whether its definition runs, so that it can be cancelled.
    """

    def __init__(
        self, machine: Machine, row: ExecutionRow, clock: Clock, store: ExecutionStore, redrive: Redrive | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.machine = machine
        self.row = row
        # The service keeps no history of Express executions.
        event_count = redrive.event_count if redrive else 0
        self.history = History(clock.time, count=event_count, keep=not machine.is_express, on_add=self._schedule_write)
        self.redrive = redrive
        self.stored: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[ExecutionRow] = loop.create_future()
        self.task: asyncio.Task[None] | None = None
        self.requested_end: Ending | None = None
        self.is_open = False
        self._store = store
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self) -> ExecutionRow:
        """Wait until the execution has ended and its end is on disk."""
        return await asyncio.shield(self.ended)

    def end(self, ending: Ending) -> None:
        """Ask the execution to end; the first to ask decides how."""
        if self.requested_end is None:
            self.requested_end = ending
            if self.is_open and self.task:
                self.task.cancel()

    def _schedule_write(self) -> None:
        last = self.history.last_type
        is_full = self.history.pending_count >= SEGMENT_EVENTS or self.history.pending_characters >= SEGMENT_CHARACTERS
        if last in _WRITTEN_AT_ONCE or (is_full and not last.endswith(_NEVER_LAST)):
            self.write_events()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SEGMENT_SECONDS, self.write_events)

    def write_events(self) -> None:
        """Hand the events gathered so far to the journal; once it has failed, which ends the execution, to nobody."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        events = self.history.drain()
        if events:
            with contextlib.suppress(StorageError):
                self.history.unwritten.append(self._store.append_events(self.row.id, events))


def failure_status(failure: StatesError) -> str:
    """TIMED_OUT only where the execution's own TimeoutSeconds ran out; see :class:`ExecutionTimeoutError`."""
    return "TIMED_OUT" if isinstance(failure, ExecutionTimeoutError) else "FAILED"


def open_history(execution: Execution) -> None:
    """Add the event that starts an execution, or that starts it again.

    Raises
    ------
    StatesError
        If its history takes no more events.
    """
    history, row = execution.history, execution.row
    if execution.redrive is not None:
        details: dict[str, Json] = {"redriveCount": row.redrive_count}
        history.add("ExecutionRedriven", history.count, "executionRedrivenEventDetails", details)
        return
    details = {"input": row.input, "inputDetails": {"truncated": False}, "roleArn": execution.machine.row.role_arn}
    history.add("ExecutionStarted", 0, "executionStartedEventDetails", details)


_CLOSING_EVENT = {
    "SUCCEEDED": ("ExecutionSucceeded", "executionSucceededEventDetails"),
    "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
    "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
    "ABORTED": ("ExecutionAborted", "executionAbortedEventDetails"),
}
# An end that comes from outside follows no event of the history.
_FROM_OUTSIDE = ("TIMED_OUT", "ABORTED")


def close_history(history: History, ending: Ending) -> None:
    """Add the event that ends an execution."""
    event_type, details_name = _CLOSING_EVENT[ending.status]
    details: dict[str, Json]
    if ending.status == "SUCCEEDED":
        details = {"output": ending.output, "outputDetails": {"truncated": False}}
    else:
        texts = {"error": ending.error, "cause": ending.cause}
        details = {key: text for key, text in texts.items() if text is not None}
    previous_id = 0 if ending.status in _FROM_OUTSIDE else history.count
    history.close(event_type, previous_id, details_name, details)
