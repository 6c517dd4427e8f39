"""Stored executions: a row for each, and their events in segments."""

import heapq
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from sfn_local.storage.event import Event
from sfn_local.storage.journal import text
from sfn_local.storage.machine_store import save_definition
from sfn_local.storage.store import Store, pack


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One execution; times in seconds since the epoch, input and output as JSON text.

    Attributes
    ----------
    snapshot : str
        JSON text: what DescribeStateMachineForExecution tells besides the definition.
    """

    id: int
    arn: str
    machine_arn: str
    name: str
    status: str
    started: float
    input: str
    definition: int = 0
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    trace_header: str | None = None
    redrive_count: int = 0
    redriven: float | None = None
    snapshot: str = "{}"


_COLUMNS = tuple(ExecutionRow.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM executions"  # noqa: S608 - names of our own fields
# Where an execution stands in a list: those that run by their start or redrive, those that ended by their end.
Place = tuple[float, int]
_HIGHEST_ID = 2**63 - 1
_FIRST_PLACE: Place = (float("inf"), _HIGHEST_ID)


def place_of(row: ExecutionRow) -> Place:
    """Return where an execution stands in the list of its machine, which is read from the highest place down."""
    moment = row.stopped if row.stopped is not None else row.redriven if row.redriven is not None else row.started
    return moment, row.id


class ExecutionStore:
    """Executions over a :class:`Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def insert(self, row: ExecutionRow, definition: str) -> "Future[None]":
        """Store a new execution and the text of its ``definition``."""

        def write(connection: sqlite3.Connection) -> None:
            values = {name: getattr(row, name) for name in _COLUMNS}
            values["definition"] = save_definition(connection, definition)
            marks = ", ".join(f":{name}" for name in _COLUMNS)
            connection.execute(f"INSERT INTO executions ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608 - names of our own fields

        return self._store.journal.submit(write)

    def finish(self, row: ExecutionRow) -> "Future[None]":
        """Store how an execution ended."""
        return self._store.journal.submit(
            lambda connection: _execute(
                connection,
                "UPDATE executions SET status = ?, stopped = ?, output = ?, error = CAST(? AS TEXT),"
                " cause = CAST(? AS TEXT) WHERE id = ?",
                (row.status, row.stopped, row.output, text(row.error), text(row.cause), row.id),
            )
        )

    def redrive(self, row: ExecutionRow, token: str) -> "Future[None]":
        """Store that an execution runs again, and the client token that asked for it."""

        def write(connection: sqlite3.Connection) -> None:
            _execute(
                connection,
                "UPDATE executions SET status = ?, stopped = NULL, output = NULL, error = NULL, cause = NULL,"
                " redrive_count = ?, redriven = ? WHERE id = ?",
                (row.status, row.redrive_count, row.redriven, row.id),
            )
            values = (row.id, row.redrive_count, token, row.redriven)
            _execute(connection, "INSERT INTO redrives (execution, number, token, moment) VALUES (?, ?, ?, ?)", values)

        return self._store.journal.submit(write)

    def redriven_by(self, execution_id: int, token: str, since: float, last: int) -> float | None:
        """Return when ``token`` redrove the execution, if it is among the ``last`` tokens and not older."""
        row = self._store.read_one(
            "SELECT moment FROM (SELECT * FROM redrives WHERE execution = ? ORDER BY number DESC LIMIT ?)"
            " WHERE token = ? AND moment >= ?",
            (execution_id, last, token, since),
        )
        return row[0] if row else None

    def find(self, arn: str) -> ExecutionRow | None:
        row = self._store.read_one(f"{_SELECT} WHERE arn = ?", (arn,))
        return ExecutionRow(**row) if row else None

    def by_id(self, execution_id: int) -> ExecutionRow:
        return ExecutionRow(**self._store.read_one(f"{_SELECT} WHERE id = ?", (execution_id,)))

    def of_machine(self, machine_arn: str, status: str | None, before: Place | None, limit: int) -> list[ExecutionRow]:
        """Return executions of a machine in the order of ListExecutions, from the first after the place ``before``."""
        condition, values = ("AND status = ?", (status,)) if status else ("", ())
        place = before or _FIRST_PLACE
        of_machine = f"{_SELECT} WHERE machine_arn = ? {condition}"
        ended = self._store.read(
            f"{of_machine} AND stopped IS NOT NULL AND (stopped, id) < (?, ?) ORDER BY stopped DESC, id DESC LIMIT ?",
            (machine_arn, *values, *place, limit),
        )
        running = self._store.read(f"{of_machine} AND stopped IS NULL", (machine_arn, *values))
        rows = [ExecutionRow(**row) for row in (*ended, *running)]
        return heapq.nlargest(limit, (row for row in rows if place_of(row) < place), key=place_of)

    def running(self) -> list[ExecutionRow]:
        return [ExecutionRow(**row) for row in self._store.read(f"{_SELECT} WHERE status = 'RUNNING'")]

    def append_events(self, execution_id: int, events: list[Event]) -> "Future[None]":
        """Store ``events`` of one execution, in order, as one segment keyed by the id of the first."""
        return self._store.journal.submit(
            lambda connection: _execute(
                connection, "INSERT INTO events VALUES (?, ?, ?)", (execution_id, events[0]["id"], pack(events))
            )
        )

    def events(self, execution_id: int, first: int = 1) -> Iterator[Event]:
        """Yield the stored events from id ``first`` on, oldest first; one segment in memory."""
        while events := self._segment(execution_id, first):
            yield from events[first - events[0]["id"] :]
            if first > events[-1]["id"]:
                return
            first = events[-1]["id"] + 1

    def events_backwards(self, execution_id: int, last: int | None = None) -> Iterator[Event]:
        """Yield the stored events from id ``last`` down, newest first; one segment in memory."""
        last = _HIGHEST_ID if last is None else last
        while events := self._segment(execution_id, last):
            yield from (event for event in reversed(events) if event["id"] <= last)
            last = events[0]["id"] - 1

    def last_event_id(self, execution_id: int) -> int:
        events = self._segment(execution_id, _HIGHEST_ID)
        return int(events[-1]["id"]) if events else 0

    def last_sign(self, row: ExecutionRow) -> float:
        """Return the moment of what an execution, its Map Runs or their children wrote last.

        Takes 80 ms for 100,000 children.
        """
        last_event = next(self.events_backwards(row.id), None)
        (of_map_runs,) = self._store.read_one(
            "SELECT MAX(MAX(map_runs.started, COALESCE(map_runs.redriven, 0), COALESCE(children.stopped, 0)))"
            " FROM map_runs LEFT JOIN children ON map_run = map_runs.id WHERE execution = ?",
            (row.id,),
        )
        of_events = last_event["timestamp"] if last_event else 0.0
        return max(row.started, row.redriven or 0.0, of_events, of_map_runs or 0.0)

    def _segment(self, execution_id: int, event_id: int) -> list[Event]:
        """Return the segment with this event, or the last one if there is no such event yet."""
        row = self._store.read_one(
            "SELECT blob FROM events WHERE execution = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            (execution_id, event_id),
        )
        return self._store.unpack(row[0]) if row else []  # type: ignore[return-value]  # a segment of events holds dicts


def _execute(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    connection.execute(statement, values)
