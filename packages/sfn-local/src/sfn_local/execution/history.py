"""The event history of one execution, in the shape that GetExecutionHistory returns.

Source of event types and details: the service model of botocore (``HistoryEvent``) and recorded executions.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from sfn_local.language.errors import StatesError
from sfn_local.storage.event import Event

# Source: Step Functions quotas, "Maximum execution history size".
MAX_EVENTS = 25_000
MAX_UNWRITTEN = 4  # segments


class HistoryLimitError(StatesError):
    """The execution has as many events as the service keeps; nothing catches this."""

    def __init__(self) -> None:
        super().__init__(
            "States.Runtime", f"The execution reached the maximum number of history events ({MAX_EVENTS})."
        )


class History:
    """Events of one execution, oldest first; ids count from 1.

    ``drain`` hands over what has been added since the last call, so that a long execution keeps only what is not yet
    stored.  An Express execution has no history that the API could return: ``keep=False`` counts ids only.

    Parameters
    ----------
    count : int
        How many events there are already, which are stored.
    events : sequence
        Earlier events, to be handed over with the new ones.

    Attributes
    ----------
    refusal : str or None
        Why no event is taken any more but the one that ends the execution: the cause that it then fails with.
    pending_characters : int
        Characters of the inputs and outputs that ``drain`` will hand over.
    unwritten : deque of Future
        Done when what was handed over is on disk, in that order.
    computed : list of list
        Begin and end of each call of a function, from the moment that a worker took it, in seconds since the epoch;
        a call without an end goes on.
    """

    __slots__ = (
        "_keep",
        "_now",
        "_on_add",
        "_pending",
        "computed",
        "count",
        "pending_characters",
        "refusal",
        "unwritten",
    )

    def __init__(
        self,
        now: Callable[[], float],
        *,
        count: int = 0,
        events: Sequence[Event] = (),
        keep: bool = True,
        on_add: Callable[[], None] | None = None,
    ) -> None:
        self.count = count or len(events)
        self.refusal: str | None = None
        self.pending_characters = 0
        self.unwritten: deque[Future[None]] = deque()
        self.computed: list[list[float]] = []
        self._now = now
        self._keep = keep
        self._on_add = on_add
        self._pending: list[Event] = list(events)

    def add(
        self, event_type: str, previous_id: int, details_name: str = "", details: dict[str, Any] | None = None
    ) -> int:
        """Append an event and return its id.

        Raises
        ------
        HistoryLimitError
            If this would be one event more than the service keeps; room for the closing event is left.
        StatesError
            If there is a refusal.
        """
        if self.refusal is not None:
            raise StatesError("States.Runtime", self.refusal)
        if self._keep and self.count >= MAX_EVENTS - 1:
            raise HistoryLimitError
        return self._append(event_type, previous_id, details_name, details)

    def close(
        self, event_type: str, previous_id: int, details_name: str = "", details: dict[str, Any] | None = None
    ) -> int:
        """Append the event that ends the execution, for which there is always room."""
        return self._append(event_type, previous_id, details_name, details)

    def _append(self, event_type: str, previous_id: int, details_name: str, details: dict[str, Any] | None) -> int:
        self.count += 1
        if self._keep:
            event: Event = {
                "timestamp": self._now(),
                "type": event_type,
                "id": self.count,
                "previousEventId": previous_id,
            }
            if details_name and details is not None:
                event[details_name] = details
                self.pending_characters += len(details.get("input") or details.get("output") or "")
            self._pending.append(event)
            if self._on_add:
                self._on_add()
        return self.count

    def begin_call(self) -> list[float]:
        """Note that a worker computes from now on, and return what ``end_call`` takes."""
        call = [self._now()]
        self.computed.append(call)
        return call

    def end_call(self, call: list[float]) -> None:
        """Note that a worker has computed up to now."""
        if len(call) == 1:
            call.append(self._now())

    @property
    def last_type(self) -> str:
        """Type of the event that was added last and is not drained yet, "" if there is none."""
        return str(self._pending[-1]["type"]) if self._pending else ""

    @property
    def pending_count(self) -> int:
        return len(self._pending)

    def pending(self) -> list[Event]:
        """Return what has been added since the last ``drain``, which stays."""
        return list(self._pending)

    def drain(self) -> list[Event]:
        events, self._pending = self._pending, []
        self.pending_characters = 0
        return events

    @property
    def is_behind(self) -> bool:
        """Whether more is on its way to the disk than should be kept in memory."""
        while self.unwritten and self.unwritten[0].done():
            self.unwritten.popleft()
        return len(self.unwritten) > MAX_UNWRITTEN

    async def catch_up(self) -> None:
        """Wait until the disk has caught up; a failure to write ends the execution elsewhere."""
        while self.is_behind:
            [written], _waiting = await asyncio.wait([asyncio.wrap_future(self.unwritten[0])])
            written.exception()  # asyncio warns of what nobody has looked at
