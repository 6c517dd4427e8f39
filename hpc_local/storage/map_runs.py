"""What is remembered of Map Runs: a small row a child, and segments that hold what the children said.

Measured on 100,000 children with 7 events each: 11.5 us a child and 7 MB in segments of 256, against 61 us and 175 MB
for a row an event.  A child that has started has no row until it ends: everything below the Map Run's high-water mark
without a row was in flight, everything above is pending.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import NamedTuple

from hpc_local.execution.history import Event
from hpc_local.storage.store import Store, pack, unpack


class ChildRecord(NamedTuple):
    """A child execution that has ended; times in seconds since the epoch, input and output as JSON text."""

    position: int
    status: str
    started: float
    stopped: float
    item_count: int
    input: str
    output: str | None
    error: str | None
    cause: str | None
    redrive_count: int
    events: list[Event]


class ChildRow(NamedTuple):
    """What a list tells of a child execution; ``stopped`` is None while it runs."""

    position: int
    status: str
    started: float
    stopped: float | None
    item_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRunRow:
    """One Map Run as it is stored; a ``max_concurrency`` of 0 is the service's limit."""

    id: int
    arn: str
    uuid: str
    execution: int
    child_machine_arn: str
    child_type: str
    status: str
    started: float
    max_concurrency: int
    tolerated_failure_count: int
    tolerated_failure_percentage: float
    stopped: float | None = None
    started_children: int = 0
    total_children: int | None = None
    total_items: int | None = None
    results_written: int = 0
    redrive_count: int = 0


_COLUMNS = tuple(MapRunRow.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM map_runs"  # noqa: S608 - names of our own fields
_HIGHEST_POSITION = 2**63 - 1


class MapRunStore:
    """Map Runs over a :class:`Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, row: MapRunRow) -> "Future[None]":
        """Insert or replace the row of a Map Run."""
        values = tuple(getattr(row, name) for name in _COLUMNS)
        marks = ", ".join("?" * len(_COLUMNS))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(f"INSERT OR REPLACE INTO map_runs ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608 - names of our own fields

        return self._store.journal.submit(write)

    def find(self, arn: str) -> MapRunRow | None:
        row = self._store.reader.execute(f"{_SELECT} WHERE arn = ?", (arn,)).fetchone()
        return MapRunRow(**row) if row else None

    def of_execution(self, execution_id: int) -> list[MapRunRow]:
        rows = self._store.reader.execute(f"{_SELECT} WHERE execution = ? ORDER BY id", (execution_id,))
        return [MapRunRow(**row) for row in rows]

    def of_child_machine(self, child_machine_arn: str) -> list[MapRunRow]:
        """Return the Map Runs whose children belong to this child state machine, newest first."""
        rows = self._store.reader.execute(
            f"{_SELECT} WHERE child_machine_arn = ? ORDER BY id DESC", (child_machine_arn,)
        )
        return [MapRunRow(**row) for row in rows]

    def abort_running(self, now: float) -> None:
        """End the Map Runs that are stored as running."""
        self._store.journal.submit(
            lambda connection: _execute(
                connection, "UPDATE map_runs SET status = 'ABORTED', stopped = ? WHERE status = 'RUNNING'", (now,)
            )
        )

    def counts(self, map_run: int) -> dict[str, tuple[int, int]]:
        """Return (children, items) by status, of those that have ended."""
        rows = self._store.reader.execute(
            "SELECT status, COUNT(*), SUM(item_count) FROM children WHERE map_run = ? GROUP BY status", (map_run,)
        )
        return {status: (children, items) for status, children, items in rows}

    def child(self, map_run: int, position: int) -> ChildRecord | None:
        row = self._store.reader.execute(
            "SELECT blob, slot FROM children JOIN segments ON segments.id = children.segment"
            " WHERE children.map_run = ? AND position = ?",
            (map_run, position),
        ).fetchone()
        return _record(unpack(row["blob"])[row["slot"]]) if row else None

    def ended(self, map_run: int, status: str | None, before: int | None, limit: int) -> list[ChildRow]:
        """Return children that have ended, the one that started last first, below position ``before``."""
        # The literal lets SQLite use the index of children that did not succeed.
        literal = "" if status in (None, "SUCCEEDED") else " AND status <> 'SUCCEEDED'"
        rows = self._store.reader.execute(
            "SELECT position, status, started, stopped, item_count FROM children"  # noqa: S608 - literals of ours
            f" WHERE map_run = ? AND (? IS NULL OR status = ?){literal} AND position < ?"
            " ORDER BY position DESC LIMIT ?",
            (map_run, status, status, _HIGHEST_POSITION if before is None else before, limit),
        )
        return [ChildRow(*row) for row in rows]

    def records(self, map_run: int) -> Iterator[ChildRecord]:
        """Stream the children that have ended, in the order in which they were stored; one segment in memory."""
        with contextlib.closing(self._store.connect()) as reader:
            current = reader.execute(
                "SELECT segment, slot FROM children WHERE map_run = ? ORDER BY segment, slot", (map_run,)
            )
            segment, rows = -1, []
            for wanted, slot in current:
                if wanted != segment:
                    (blob,) = reader.execute("SELECT blob FROM segments WHERE id = ?", (wanted,)).fetchone()
                    segment, rows = wanted, unpack(blob)
                yield _record(rows[slot])

    def append(self, map_run: int, records: list[ChildRecord], started_children: int) -> "asyncio.Future[None]":
        """Store one segment; the returned future is done when it is on disk."""
        segment = self._store.next_segment_id()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO segments VALUES (?, ?, ?)", (segment, map_run, pack(records)))
            connection.executemany(
                "INSERT OR REPLACE INTO children VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(map_run, *record[:5], segment, slot) for slot, record in enumerate(records)],
            )
            connection.execute(
                "UPDATE map_runs SET started_children = MAX(started_children, ?) WHERE id = ?",
                (started_children, map_run),
            )

        return asyncio.wrap_future(self._store.journal.submit(write))


def _record(values: list[object]) -> ChildRecord:
    return ChildRecord(*values)  # type: ignore[arg-type]  # written from a ChildRecord


def _execute(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    connection.execute(statement, values)
