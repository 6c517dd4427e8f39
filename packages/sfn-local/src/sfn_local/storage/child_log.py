"""Children of one Map Run on their way to the disk: gathered into segments, and known until they are stored."""

import asyncio

from sfn_local.storage.journal import StorageError
from sfn_local.storage.map_run_store import ChildRecord, MapRunStore

SEGMENT_CHILDREN = 256
SEGMENT_BYTES = 4 * 1024 * 1024  # of texts: bounds memory where payloads are large
SEGMENT_SECONDS = 0.025


class ChildLog:
    """Gathers children into segments: 256 children, 4 MiB or 25 ms, whichever comes first.

    Attributes
    ----------
    unstored : dict
        The children that have ended and are not on disk yet, by position.
    """

    def __init__(self, store: MapRunStore, map_run: int) -> None:
        self._store = store
        self._map_run = map_run
        self._records: list[ChildRecord] = []
        self._size_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._unwritten: list[asyncio.Future[None]] = []
        self.unstored: dict[int, ChildRecord] = {}
        self.started_children = 0

    def add(self, record: ChildRecord) -> None:
        self._records.append(record)
        self.unstored[record.position] = record
        self._size_bytes += record_size_bytes(record)
        if len(self._records) >= SEGMENT_CHILDREN or self._size_bytes >= SEGMENT_BYTES:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SEGMENT_SECONDS, self._write)

    async def keep_up(self, limit: int = 8) -> None:
        """Wait while more than ``limit`` segments are not on disk, so that a slow disk bounds the memory used."""
        self._unwritten = [future for future in self._unwritten if not _is_written(future)]
        while len(self._unwritten) > limit:
            await self._unwritten.pop(0)

    async def flush(self) -> None:
        """Write what is gathered and wait until everything is on disk."""
        self._write()
        unwritten, self._unwritten = self._unwritten, []
        for future in unwritten:
            await future

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._records:
            return
        records, self._records, self._size_bytes = self._records, [], 0
        try:
            written = self._store.append(self._map_run, records, self.started_children)
        except StorageError as error:  # raised in a timer it would be lost: whoever waits next is to get it
            written = asyncio.get_running_loop().create_future()
            written.set_exception(error)
        written.add_done_callback(lambda future: self._stored(future, records))
        self._unwritten.append(written)

    def _stored(self, future: "asyncio.Future[None]", records: list[ChildRecord]) -> None:
        if not future.cancelled() and future.exception() is None:
            for record in records:
                del self.unstored[record.position]


def record_size_bytes(record: ChildRecord) -> int:
    """Estimate what a record takes: each of its events may hold an input or an output again."""
    return (len(record.input) + len(record.output or "")) * (1 + len(record.events) // 2)


def _is_written(future: "asyncio.Future[None]") -> bool:
    """Whether the segment is on disk; raises what the journal raised if it can't be."""
    if not future.done():
        return False
    future.result()
    return True
