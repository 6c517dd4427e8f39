"""The tables of a home's store, and how those that an earlier version made are brought up to date."""

import sqlite3

VERSION = 2

TABLES = """
CREATE TABLE IF NOT EXISTS definitions (id INTEGER PRIMARY KEY, digest TEXT UNIQUE, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state_machines (
    arn TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, role_arn TEXT NOT NULL,
    definition INTEGER NOT NULL, revision_id TEXT NOT NULL, created REAL NOT NULL,
    updated REAL NOT NULL DEFAULT 0, is_of_stack INTEGER NOT NULL DEFAULT 1, is_deleting INTEGER NOT NULL DEFAULT 0,
    settings TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY, arn TEXT UNIQUE NOT NULL, machine_arn TEXT NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL, started REAL NOT NULL, stopped REAL, input TEXT NOT NULL, output TEXT, error TEXT, cause TEXT,
    definition INTEGER NOT NULL, trace_header TEXT, redrive_count INTEGER NOT NULL DEFAULT 0,
    redriven REAL, snapshot TEXT NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS redrives (
    execution INTEGER, number INTEGER, token TEXT NOT NULL, moment REAL NOT NULL,
    PRIMARY KEY (execution, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    execution INTEGER, first INTEGER, blob BLOB, PRIMARY KEY (execution, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS map_runs (
    id INTEGER PRIMARY KEY, arn TEXT UNIQUE NOT NULL, uuid TEXT NOT NULL, execution INTEGER NOT NULL,
    child_machine_arn TEXT NOT NULL, child_type TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, stopped REAL,
    max_concurrency INTEGER NOT NULL, tolerated_failure_count INTEGER NOT NULL,
    tolerated_failure_percentage REAL NOT NULL,
    started_children INTEGER NOT NULL DEFAULT 0, total_children INTEGER, total_items INTEGER,
    results_written INTEGER NOT NULL DEFAULT 0, redrive_count INTEGER NOT NULL DEFAULT 0, redriven REAL,
    is_read INTEGER NOT NULL DEFAULT 0, dataset TEXT, success_files TEXT NOT NULL DEFAULT '[]',
    covered_segment INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS map_runs_of_execution ON map_runs (execution);
CREATE INDEX IF NOT EXISTS map_runs_of_child_machine ON map_runs (child_machine_arn);
CREATE TABLE IF NOT EXISTS children (
    map_run INTEGER, position INTEGER, status TEXT NOT NULL, started REAL NOT NULL, stopped REAL NOT NULL,
    item_count INTEGER NOT NULL, redrive_count INTEGER NOT NULL DEFAULT 0, redriven REAL,
    event_count INTEGER NOT NULL DEFAULT 0, segment INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (map_run, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, map_run INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS segments_of_map_run ON segments (map_run);
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, stopped INTEGER NOT NULL, blob BLOB NOT NULL) WITHOUT ROWID;
"""

# Lists are read newest first from a given place on, with and without a status.
INDEXES = """
DROP INDEX IF EXISTS executions_of_machine;
DROP INDEX IF EXISTS executions_by_machine;
DROP INDEX IF EXISTS executions_by_status;
CREATE INDEX IF NOT EXISTS executions_by_end ON executions (machine_arn, stopped, id);
CREATE INDEX IF NOT EXISTS executions_by_status_and_end ON executions (machine_arn, status, stopped, id);
CREATE INDEX IF NOT EXISTS executions_running ON executions (id) WHERE status = 'RUNNING';
CREATE INDEX IF NOT EXISTS children_unsuccessful ON children (map_run, status, position) WHERE status <> 'SUCCEEDED';
CREATE INDEX IF NOT EXISTS jobs_by_end ON jobs (stopped);
"""

# Statements that upgrade a file, by the version that it has.
_UPGRADES = {
    0: (
        "ALTER TABLE state_machines ADD COLUMN updated REAL NOT NULL DEFAULT 0",
        "ALTER TABLE state_machines ADD COLUMN is_of_stack INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE state_machines ADD COLUMN is_deleting INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE state_machines ADD COLUMN settings TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE executions ADD COLUMN snapshot TEXT NOT NULL DEFAULT '{}'",
    ),
    1: (
        "ALTER TABLE executions ADD COLUMN redriven REAL",
        "ALTER TABLE map_runs ADD COLUMN redriven REAL",
        "ALTER TABLE map_runs ADD COLUMN is_read INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE map_runs ADD COLUMN dataset TEXT",
        "ALTER TABLE map_runs ADD COLUMN success_files TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE map_runs ADD COLUMN covered_segment INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE children ADD COLUMN redrive_count INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE children ADD COLUMN redriven REAL",
        "ALTER TABLE children ADD COLUMN event_count INTEGER NOT NULL DEFAULT 0",
    ),
}


class StoreVersionError(Exception):
    """The store was made by a later version of this tool."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date.

    Raises
    ------
    StoreVersionError
        If the store is of a later version than this one.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StoreVersionError(f"the store has version {version}, known here are those up to {VERSION}")
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'executions'").fetchone():
        for step in range(version, VERSION):
            for statement in _UPGRADES[step]:
                connection.execute(statement)
    for statement in (TABLES + INDEXES).split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION:d}")
    connection.execute("COMMIT")
