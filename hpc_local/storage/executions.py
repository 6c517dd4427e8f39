"""What is remembered of executions: rows and event segments in SQLite, written by the journal."""

import hashlib
import itertools
import json
import sqlite3
import zlib
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from hpc_local.execution.history import Event
from hpc_local.storage.journal import Journal

SCHEMA = """
CREATE TABLE IF NOT EXISTS definitions (id INTEGER PRIMARY KEY, digest TEXT UNIQUE, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state_machines (
    arn TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, role_arn TEXT NOT NULL,
    definition INTEGER NOT NULL, revision_id TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY, arn TEXT UNIQUE NOT NULL, machine_arn TEXT NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL, started REAL NOT NULL, stopped REAL, input TEXT NOT NULL, output TEXT, error TEXT, cause TEXT,
    definition INTEGER NOT NULL, trace_header TEXT, redrive_count INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS executions_of_machine ON executions (machine_arn, started);
CREATE TABLE IF NOT EXISTS events (execution INTEGER, first INTEGER, blob BLOB, PRIMARY KEY (execution, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS map_runs (
    id INTEGER PRIMARY KEY, arn TEXT UNIQUE NOT NULL, uuid TEXT NOT NULL, execution INTEGER NOT NULL,
    child_machine_arn TEXT NOT NULL, child_type TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL, stopped REAL,
    max_concurrency INTEGER NOT NULL, tolerated_failure_count INTEGER NOT NULL, tolerated_failure_percentage REAL NOT NULL,
    started_children INTEGER NOT NULL DEFAULT 0, total_children INTEGER, total_items INTEGER,
    results_written INTEGER NOT NULL DEFAULT 0, redrive_count INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS map_runs_of_execution ON map_runs (execution);
CREATE TABLE IF NOT EXISTS children (
    map_run INTEGER, position INTEGER, status TEXT NOT NULL, started REAL NOT NULL, stopped REAL NOT NULL,
    item_count INTEGER NOT NULL, segment INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (map_run, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, map_run INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS segments_of_map_run ON segments (map_run);
"""


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A registered state machine; ``definition`` is the ASL text."""

    arn: str
    name: str
    type: str
    role_arn: str
    definition: str
    revision_id: str
    created: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRow:
    """One execution; times in seconds since the epoch, input and output as JSON text."""

    id: int
    arn: str
    machine_arn: str
    name: str
    status: str
    started: float
    input: str
    definition: int
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    trace_header: str | None = None
    redrive_count: int = 0


_EXECUTION_COLUMNS = "id, arn, machine_arn, name, status, started, stopped, input, output, error, cause, definition, trace_header, redrive_count"


def pack(value: object) -> bytes:
    """JSON, compressed: level 1 is within 10 % of the size of level 6 here and three times as fast."""
    return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def unpack(blob: bytes) -> list[list[object]]:
    return json.loads(zlib.decompress(blob))  # type: ignore[no-any-return]  # what pack() was given


class Store:
    """Executions, their events and state machines.  Writes are queued; reads see what is committed."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path, SCHEMA)
        self.reader = self.journal.connect()
        self.reader.row_factory = sqlite3.Row
        self._execution_ids = itertools.count(self._next_id("executions"))
        self._map_run_ids = itertools.count(self._next_id("map_runs"))
        self._segment_ids = itertools.count(self._next_id("segments"))

    def close(self) -> None:
        self.journal.close()
        self.reader.close()

    def next_execution_id(self) -> int:
        return next(self._execution_ids)

    def next_map_run_id(self) -> int:
        return next(self._map_run_ids)

    def next_segment_id(self) -> int:
        return next(self._segment_ids)

    def _next_id(self, table: str) -> int:
        (highest,) = self.reader.execute(f"SELECT COALESCE(MAX(id), 0) FROM {table}").fetchone()  # noqa: S608 - a literal of ours
        return int(highest) + 1

    # State machines

    def save_machine(self, machine: MachineRow) -> "Future[None]":
        def write(connection: sqlite3.Connection) -> None:
            definition = save_definition(connection, machine.definition)
            connection.execute(
                "INSERT INTO state_machines VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (arn) DO UPDATE SET type = excluded.type,"
                " role_arn = excluded.role_arn, definition = excluded.definition, revision_id = excluded.revision_id",
                (
                    machine.arn,
                    machine.name,
                    machine.type,
                    machine.role_arn,
                    definition,
                    machine.revision_id,
                    machine.created,
                ),
            )

        return self.journal.submit(write)

    def delete_machine(self, arn: str) -> "Future[None]":
        return self.journal.submit(
            lambda connection: _execute(connection, "DELETE FROM state_machines WHERE arn = ?", (arn,))
        )

    def machines(self) -> list[MachineRow]:
        rows = self.reader.execute(
            "SELECT arn, name, type, role_arn, text, revision_id, created FROM state_machines"
            " JOIN definitions ON definitions.id = state_machines.definition ORDER BY name"
        )
        return [MachineRow(*row) for row in rows]

    def definition(self, definition_id: int) -> str:
        (text,) = self.reader.execute("SELECT text FROM definitions WHERE id = ?", (definition_id,)).fetchone()
        return str(text)

    # Executions

    def insert_execution(self, row: ExecutionRow, definition: str) -> "Future[None]":
        """Store a new execution; its ``definition`` text is kept once, however many executions use it."""

        def write(connection: sqlite3.Connection) -> None:
            definition_id = save_definition(connection, definition)
            connection.execute(
                f"INSERT INTO executions ({_EXECUTION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a literal of ours
                (
                    *(row.id, row.arn, row.machine_arn, row.name, row.status, row.started, row.stopped, row.input),
                    *(row.output, row.error, row.cause, definition_id, row.trace_header, row.redrive_count),
                ),
            )

        return self.journal.submit(write)

    def finish_execution(
        self, execution_id: int, status: str, stopped: float, output: str | None, error: str | None, cause: str | None
    ) -> "Future[None]":
        return self.journal.submit(
            lambda connection: _execute(
                connection,
                "UPDATE executions SET status = ?, stopped = ?, output = ?, error = ?, cause = ? WHERE id = ?",
                (status, stopped, output, error, cause, execution_id),
            )
        )

    def append_events(self, execution_id: int, events: list[Event]) -> "Future[None]":
        """Store ``events`` of one execution, in order, as one segment keyed by the id of the first."""
        return self.journal.submit(
            lambda connection: _execute(
                connection, "INSERT INTO events VALUES (?, ?, ?)", (execution_id, events[0]["id"], pack(events))
            )
        )

    def execution(self, arn: str) -> ExecutionRow | None:
        row = self.reader.execute(f"SELECT {_EXECUTION_COLUMNS} FROM executions WHERE arn = ?", (arn,)).fetchone()  # noqa: S608 - a literal of ours
        return ExecutionRow(**row) if row else None

    def execution_by_id(self, execution_id: int) -> ExecutionRow:
        row = self.reader.execute(
            f"SELECT {_EXECUTION_COLUMNS} FROM executions WHERE id = ?", (execution_id,)
        ).fetchone()
        return ExecutionRow(**row)

    def executions(self, machine_arn: str, status: str | None, offset: int, limit: int) -> list[ExecutionRow]:
        """Return executions of one machine, newest first, as ListExecutions does."""
        rows = self.reader.execute(
            f"SELECT {_EXECUTION_COLUMNS} FROM executions WHERE machine_arn = ? AND (? IS NULL OR status = ?)"  # noqa: S608 - a literal of ours
            " ORDER BY started DESC, id DESC LIMIT ? OFFSET ?",
            (machine_arn, status, status, limit, offset),
        )
        return [ExecutionRow(**row) for row in rows]

    def running_executions(self) -> list[ExecutionRow]:
        rows = self.reader.execute(f"SELECT {_EXECUTION_COLUMNS} FROM executions WHERE status = 'RUNNING'")  # noqa: S608 - a literal of ours
        return [ExecutionRow(**row) for row in rows]

    def events(self, execution_id: int) -> Iterator[Event]:
        """Yield the stored events of one execution, oldest first."""
        rows = self.reader.execute("SELECT blob FROM events WHERE execution = ? ORDER BY first", (execution_id,))
        for (blob,) in rows:
            yield from unpack(blob)  # type: ignore[misc]  # a segment of events holds dicts

    def last_event_id(self, execution_id: int) -> int:
        row = self.reader.execute(
            "SELECT blob FROM events WHERE execution = ? ORDER BY first DESC LIMIT 1", (execution_id,)
        ).fetchone()
        return int(unpack(row[0])[-1]["id"]) if row else 0  # type: ignore[call-overload]  # a segment of events holds dicts


def save_definition(connection: sqlite3.Connection, text: str) -> int:
    """Store a definition's text once and return its id."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    connection.execute("INSERT OR IGNORE INTO definitions (digest, text) VALUES (?, ?)", (digest, text))
    (definition_id,) = connection.execute("SELECT id FROM definitions WHERE digest = ?", (digest,)).fetchone()
    return int(definition_id)


def _execute(connection: sqlite3.Connection, statement: str, values: tuple[object, ...]) -> None:
    connection.execute(statement, values)
