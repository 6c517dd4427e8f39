"""Starts the children of a Map Run as slots get free, and judges the failure threshold."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterator

from sfn_local.execution.frames import Frame
from sfn_local.execution.program import Program
from sfn_local.maps.child_executions import run_child
from sfn_local.maps.map_run import MAX_CONCURRENCY, MapRun
from sfn_local.maps.rights import ChildRights
from sfn_local.maps.waiting import Waiting
from sfn_local.storage.child_log import record_size_bytes

READ_AHEAD = 10_000  # inputs held at the most, so that small datasets have their total at once
READ_AHEAD_BYTES = 16 * 1024 * 1024
READ_STEP = 256  # inputs read between two looks at the event loop
READ_SECONDS = 0.02  # and for how long, from the second input on
GRACE_SECONDS = 0.5
# How long an end waits for the thread that reads inputs: one step takes less, unless an expression goes on for long.
READING_ENDS_SECONDS = 1.0


class InputQueue:
    """Children that have not started: some read ahead, the others still in the dataset or the store.

    Parameters
    ----------
    is_quick : bool
        Whether the inputs can be read on the event loop; otherwise `read` is for a thread.
    """

    def __init__(self, inputs: Iterator[Waiting], map_run: MapRun, *, is_quick: bool) -> None:
        self._inputs = inputs
        self._map_run = map_run
        self.is_quick = is_quick
        self._ahead: deque[Waiting] = deque()
        self._bytes = 0
        self._is_exhausted = False

    @property
    def is_empty(self) -> bool:
        return self._is_exhausted and not self._ahead

    @property
    def is_ready(self) -> bool:
        """Whether ``take`` has something to give without reading on."""
        return bool(self._ahead)

    @property
    def wants_more(self) -> bool:
        """Whether there is room for what one ``read`` gives."""
        if self._is_exhausted or not self._ahead:
            return not self._is_exhausted
        return len(self._ahead) <= READ_AHEAD - READ_STEP and self._bytes <= READ_AHEAD_BYTES / 2

    def read(self) -> list[Waiting]:
        """Read on, for ``add``: one input at least, and fewer than ``READ_STEP`` if they are large or take long.

        An empty list says that there are no more.
        """
        until, size, read = time.monotonic() + READ_SECONDS, 0, list[Waiting]()
        for waiting in itertools.islice(self._inputs, READ_STEP):
            read.append(waiting)
            size += _size_bytes(waiting)
            if size >= READ_AHEAD_BYTES / 2 or time.monotonic() > until:
                break
        return read

    def add(self, read: list[Waiting]) -> None:
        """Take in what ``read`` gave, and let the Map Run know of it."""
        for waiting in read:
            self._ahead.append(waiting)
            self._bytes += _size_bytes(waiting)
            if waiting.record is None:
                self._map_run.note_known(waiting.child.item_count)
        if not read:
            self._is_exhausted = True
            self._map_run.note_read()

    def take(self) -> Waiting:
        waiting = self._ahead.popleft()
        self._bytes -= _size_bytes(waiting)
        return waiting

    def rest(self) -> Iterator[Waiting]:
        """Yield whatever was not started."""
        while not self.is_empty:
            while self._ahead:
                yield self.take()
            if not self._is_exhausted:
                self.add(self.read())


def _size_bytes(waiting: Waiting) -> int:
    return len(waiting.child.text) + (record_size_bytes(waiting.record) if waiting.record else 0)


class Dispatcher:
    """One Map Run under way."""

    def __init__(
        self, program: Program, frame: Frame, map_run: MapRun, inputs: InputQueue, rights: ChildRights
    ) -> None:
        self._program = program
        self._frame = frame
        self._map_run = map_run
        self._inputs = inputs
        self._rights = rights
        self._running: set[asyncio.Task[None]] = set()
        self._reading: asyncio.Task[list[Waiting]] | None = None
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Run every child, or stop early once the failure threshold is exceeded.

        Raises
        ------
        StatesError
            If the items can't be read.
        """
        try:
            await self._dispatch()
            if self._running:  # the threshold is exceeded
                await asyncio.wait(self._running, timeout=GRACE_SECONDS)
        finally:
            await self._abort()
        self._raise_failure()

    async def _dispatch(self) -> None:
        """Start children until all have ended; a freed slot is filled before the threshold is judged, as recorded."""
        while True:
            self._map_run.changed.clear()
            self._read_on()
            self._fill_slots()
            if self._map_run.is_threshold_exceeded() or (self._inputs.is_empty and not self._running):
                if self._reading is not None:  # what it reads is told of as pending
                    self._inputs.add(await self._reading)
                return
            await self._map_run.log.keep_up()
            if (self._has_free_slot() and self._inputs.is_ready) or (self._inputs.is_quick and self._inputs.wants_more):
                await asyncio.sleep(0)
            else:
                await self._map_run.changed.wait()
            self._raise_failure()

    def _read_on(self) -> None:
        """Read more inputs, or begin to; the thread that reads sets ``changed`` when it has."""
        if self._reading is not None and self._reading.done():
            self._inputs.add(self._reading.result())
            self._reading = None
        if self._reading is None and self._inputs.wants_more:
            if self._inputs.is_quick:
                self._inputs.add(self._inputs.read())
            else:
                self._reading = asyncio.create_task(
                    self._frame.services.evaluation.run_in_thread(self._inputs.read), name="inputs"
                )
                self._reading.add_done_callback(self._has_read)

    def _has_read(self, task: asyncio.Task[list[Waiting]]) -> None:
        self._map_run.changed.set()
        if not task.cancelled():
            task.exception()  # asyncio warns of what nobody has looked at, and an aborted Map Run doesn't look

    def _has_free_slot(self) -> bool:
        return len(self._running) < min(self._map_run.row.max_concurrency or MAX_CONCURRENCY, MAX_CONCURRENCY)

    def _fill_slots(self) -> None:
        while self._has_free_slot() and self._inputs.is_ready:
            waiting = self._inputs.take()
            self._map_run.started(waiting)
            task = asyncio.create_task(self._run_child(waiting))
            self._running.add(task)
            task.add_done_callback(self._child_done)

    async def _run_child(self, waiting: Waiting) -> None:
        self._map_run.ended(await run_child(self._program, waiting, self._frame, self._map_run))

    def _child_done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._map_run.changed.set()
        if not task.cancelled():
            self._failure = self._failure or task.exception()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _abort(self) -> None:
        """Stop every child that still runs and wait until each is recorded."""
        if self._running:
            self._rights.note_stop()
        if self._reading is not None:  # its thread can't be interrupted, and reads files that are closed after this
            await asyncio.wait([self._reading], timeout=READING_ENDS_SECONDS)
            self._reading.cancel()
        for task in self._running:
            task.cancel()
        while self._running:
            await asyncio.wait(self._running)
