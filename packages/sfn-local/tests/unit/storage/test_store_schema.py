"""Stores that earlier versions made are brought up to date; those of later ones are refused."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from sfn_local.storage import schema
from sfn_local.storage.store import Store

# What version 2 added.
ADDED = {
    "executions": ("redriven",),
    "map_runs": ("redriven", "is_read", "dataset", "success_files", "covered_segment"),
    "children": ("redrive_count", "redriven", "event_count"),
}


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def test_store_of_version_1_gets_what_version_2_has(tmp_path: Path) -> None:
    path = tmp_path / "executions.sqlite"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        whole = {table: columns(connection, table) for table in ADDED}
        connection.execute("DROP TABLE redrives")
        for table, names in ADDED.items():
            for name in names:
                connection.execute(f"ALTER TABLE {table} DROP COLUMN {name}")
        connection.execute(
            "INSERT INTO children (map_run, position, status, started, stopped, item_count, segment, slot)"
            " VALUES (1, 0, 'FAILED', 1.0, 2.0, 3, 1, 0)"
        )
        connection.execute("PRAGMA user_version = 1")
    store = Store(path)
    with contextlib.closing(store):
        with contextlib.closing(store.connect()) as reader:
            assert {table: columns(reader, table) for table in ADDED} == whole
        assert not store.read("SELECT * FROM redrives")
        (child,) = store.read("SELECT redrive_count, redriven, event_count, item_count FROM children")
        assert tuple(child) == (0, None, 0, 3)


def test_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "executions.sqlite"
    Store(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(schema.StoreVersionError, match=f"version {schema.VERSION + 1}"):
        Store(path)
