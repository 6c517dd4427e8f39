"""Stored state machines; the text of a definition is kept once, however many executions use it."""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sfn_local.storage.journal import StorageError
from sfn_local.storage.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRow:
    """A registered state machine.

    Attributes
    ----------
    definition : str
        ASL text.
    revision_id : str
        Empty until the first update.
    is_of_stack : bool
        Whether a cloud assembly brought it, rather than the API.
    settings : Mapping
        ``loggingConfiguration``, ``tracingConfiguration`` and ``tags`` as they were given.
    """

    arn: str
    name: str
    type: str
    role_arn: str
    definition: str
    revision_id: str
    created: float
    updated: float
    is_of_stack: bool
    is_deleting: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


_SELECT = (
    "SELECT arn, name, type, role_arn, text AS definition, revision_id, created, updated, is_of_stack, is_deleting,"
    " settings FROM state_machines JOIN definitions ON definitions.id = state_machines.definition"
)


class MachineStore:
    """State machines over a :class:`Store`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, machine: MachineRow) -> "Future[None]":
        """Insert or replace."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO state_machines (arn, name, type, role_arn, definition, revision_id, created,"
                " updated, is_of_stack, is_deleting, settings) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(machine.arn, machine.name, machine.type, machine.role_arn),
                    save_definition(connection, machine.definition),
                    *(machine.revision_id, machine.created, machine.updated),
                    *(machine.is_of_stack, machine.is_deleting, json.dumps(machine.settings)),
                ),
            )

        return self._store.journal.submit(write)

    def delete(self, arn: str) -> "Future[None]":
        """Forget a state machine and its executions, as the service does."""
        return self._store.journal.submit(lambda connection: _delete(connection, arn))

    def find(self, arn: str) -> MachineRow | None:
        row = self._store.read_one(f"{_SELECT} WHERE arn = ?", (arn,))
        return _row(row) if row else None

    def made_by_api(self) -> list[MachineRow]:
        return [_row(row) for row in self._store.read(f"{_SELECT} WHERE NOT is_of_stack ORDER BY name")]

    def definition(self, definition_id: int) -> str:
        """Return a definition's text; raises :class:`StorageError` if that is broken."""
        (text,) = self._store.read_one("SELECT text FROM definitions WHERE id = ?", (definition_id,))
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            path = self._store.journal.path
            raise StorageError(f"cannot read {path}: a definition in it is broken: {error}") from error
        return str(text)


def save_definition(connection: sqlite3.Connection, text: str) -> int:
    """Store a definition's text once and return its id."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    connection.execute("INSERT OR IGNORE INTO definitions (digest, text) VALUES (?, ?)", (digest, text))
    (definition_id,) = connection.execute("SELECT id FROM definitions WHERE digest = ?", (digest,)).fetchone()
    return int(definition_id)


def _row(row: sqlite3.Row) -> MachineRow:
    values = dict(row)
    return MachineRow(
        **{name: values[name] for name in ("arn", "name", "type", "role_arn", "definition", "revision_id")},
        created=values["created"],
        updated=values["updated"],
        is_of_stack=bool(values["is_of_stack"]),
        is_deleting=bool(values["is_deleting"]),
        settings=json.loads(values["settings"]),
    )


def _delete(connection: sqlite3.Connection, arn: str) -> None:
    executions = "SELECT id FROM executions WHERE machine_arn = ?"
    map_runs = f"SELECT id FROM map_runs WHERE execution IN ({executions})"  # noqa: S608 - literals of ours
    for statement in (
        f"DELETE FROM segments WHERE map_run IN ({map_runs})",  # noqa: S608
        f"DELETE FROM children WHERE map_run IN ({map_runs})",  # noqa: S608
        f"DELETE FROM map_runs WHERE execution IN ({executions})",  # noqa: S608
        f"DELETE FROM events WHERE execution IN ({executions})",  # noqa: S608
        f"DELETE FROM redrives WHERE execution IN ({executions})",  # noqa: S608
        "DELETE FROM executions WHERE machine_arn = ?",
        "DELETE FROM state_machines WHERE arn = ?",
    ):
        connection.execute(statement, (arn,))
