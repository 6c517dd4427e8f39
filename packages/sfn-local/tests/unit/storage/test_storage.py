"""The store: what is written is read again, in pages of any size, and what can't be written is an error."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.storage.child_log import SEGMENT_BYTES, ChildLog
from sfn_local.storage.execution_store import ExecutionRow, ExecutionStore, place_of
from sfn_local.storage.journal import Journal, StorageError
from sfn_local.storage.machine_store import MachineRow, MachineStore
from sfn_local.storage.map_run_store import ChildRecord, MapRunRow, MapRunStore
from sfn_local.storage.schema import VERSION, StoreVersionError
from sfn_local.storage.store import Store

FIRST_VERSION = """
CREATE TABLE definitions (id INTEGER PRIMARY KEY, digest TEXT UNIQUE, text TEXT NOT NULL);
CREATE TABLE state_machines (
    arn TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, role_arn TEXT NOT NULL,
    definition INTEGER NOT NULL, revision_id TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE executions (
    id INTEGER PRIMARY KEY, arn TEXT UNIQUE NOT NULL, machine_arn TEXT NOT NULL, name TEXT NOT NULL,
    status TEXT NOT NULL, started REAL NOT NULL, stopped REAL, input TEXT NOT NULL, output TEXT, error TEXT, cause TEXT,
    definition INTEGER NOT NULL, trace_header TEXT, redrive_count INTEGER NOT NULL DEFAULT 0);
CREATE TABLE map_runs (
    id INTEGER PRIMARY KEY, arn TEXT UNIQUE NOT NULL, uuid TEXT NOT NULL, execution INTEGER NOT NULL,
    child_machine_arn TEXT NOT NULL, child_type TEXT NOT NULL, status TEXT NOT NULL,
    started REAL NOT NULL, stopped REAL,
    max_concurrency INTEGER NOT NULL, tolerated_failure_count INTEGER NOT NULL,
    tolerated_failure_percentage REAL NOT NULL, started_children INTEGER NOT NULL DEFAULT 0, total_children INTEGER,
    total_items INTEGER, results_written INTEGER NOT NULL DEFAULT 0, redrive_count INTEGER NOT NULL DEFAULT 0);
CREATE TABLE children (
    map_run INTEGER, position INTEGER, status TEXT NOT NULL, started REAL NOT NULL, stopped REAL NOT NULL,
    item_count INTEGER NOT NULL, segment INTEGER NOT NULL, slot INTEGER NOT NULL,
    PRIMARY KEY (map_run, position)) WITHOUT ROWID;
INSERT INTO executions VALUES (7, 'arn', 'machine', 'name', 'SUCCEEDED', 1, 2, '{}', '{}', NULL, NULL, 1, NULL, 0);
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with contextlib.closing(Store(tmp_path_factory.mktemp("store") / "store.sqlite")) as made:
        yield made


def event(number: int) -> dict[str, Any]:
    return {"id": number, "type": "PassStateEntered", "timestamp": number / 7, "details": {"text": "\ud800ä\0"}}


@given(
    segments=st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=8),
    start=st.integers(min_value=1, max_value=80),
)
def test_events_are_read_from_any_id_on_forwards_and_backwards(store: Store, segments: list[int], start: int) -> None:
    executions = ExecutionStore(store)
    execution_id, count = store.next_execution_id(), 0
    for size in segments:
        executions.append_events(execution_id, [event(count + place + 1) for place in range(size)])
        count += size
    store.journal.flush().result()
    assert list(executions.events(execution_id, start)) == [event(number) for number in range(start, count + 1)]
    assert list(executions.events_backwards(execution_id, start)) == [
        event(number) for number in range(min(start, count), 0, -1)
    ]
    assert executions.last_event_id(execution_id) == count


def test_execution_without_events_has_none(store: Store) -> None:
    executions = ExecutionStore(store)
    assert (list(executions.events(10**9)), list(executions.events_backwards(10**9))) == ([], [])
    assert executions.last_event_id(10**9) == 0


def test_executions_of_a_machine_are_paged_newest_first_by_status(store: Store) -> None:
    executions = ExecutionStore(store)
    for number in range(10):
        row = ExecutionRow(
            id=store.next_execution_id(),
            arn=f"paged:{number}",
            machine_arn="paged",
            name=str(number),
            status="RUNNING" if number % 3 else "FAILED",
            started=1.0,
            input="{}",
        )
        executions.insert(row, "definition").result()
    first = executions.of_machine("paged", None, None, 4)
    second = executions.of_machine("paged", None, place_of(first[-1]), 100)
    assert [row.name for row in first + second] == [str(number) for number in range(9, -1, -1)]
    assert [row.name for row in executions.of_machine("paged", "FAILED", None, 100)] == ["9", "6", "3", "0"]


def test_running_executions_are_listed_by_start_or_redrive_and_ended_ones_by_their_end(store: Store) -> None:
    executions = ExecutionStore(store)
    # (name, started, stopped, redriven)
    moments: list[tuple[str, float, float | None, float | None]] = [
        ("long", 1.0, 50.0, None),
        ("short", 10.0, 11.0, None),
        ("running", 20.0, None, None),
        ("redriven", 2.0, None, 30.0),
        ("ended after a redrive", 3.0, 25.0, 24.0),
    ]
    for name, started, stopped, redriven in moments:
        row = ExecutionRow(
            id=store.next_execution_id(),
            arn=f"order:{name}",
            machine_arn="order",
            name=name,
            status="RUNNING" if stopped is None else "SUCCEEDED",
            started=started,
            stopped=stopped,
            redriven=redriven,
            input="{}",
        )
        executions.insert(row, "definition").result()
    listed = executions.of_machine("order", None, None, 10)
    assert [row.name for row in listed] == ["long", "redriven", "ended after a redrive", "running", "short"]
    paged = executions.of_machine("order", None, place_of(listed[1]), 2)
    assert [row.name for row in paged] == ["ended after a redrive", "running"]
    assert [row.name for row in executions.of_machine("order", "RUNNING", None, 10)] == ["redriven", "running"]


def test_deleted_machine_takes_its_executions_along_and_no_others(store: Store) -> None:
    machines, executions = MachineStore(store), ExecutionStore(store)
    for arn in ("gone", "stays"):
        machine = MachineRow(
            arn=arn,
            name=arn,
            type="STANDARD",
            role_arn="role",
            definition='"same text"',
            revision_id="",
            created=1,
            updated=1,
            is_of_stack=False,
            settings={"tags": {"a": "b"}},
        )
        machines.save(machine)
        row = ExecutionRow(
            id=store.next_execution_id(),
            arn=f"{arn}:1",
            machine_arn=arn,
            name="1",
            status="SUCCEEDED",
            started=1,
            input="1",
        )
        executions.insert(row, '"same text"')
        executions.append_events(row.id, [event(1)])
    machines.delete("gone").result()
    assert executions.find("gone:1") is None
    kept = executions.find("stays:1")
    assert kept is not None
    assert machines.definition(kept.definition) == '"same text"'
    assert list(executions.events(kept.id)) == [event(1)]
    assert [row.settings for row in machines.made_by_api()] == [{"tags": {"a": "b"}}]


def test_store_of_an_earlier_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST_VERSION)
    for _ in range(2):
        with contextlib.closing(Store(path)) as store:
            row = ExecutionStore(store).by_id(7)
            assert (row.arn, row.snapshot, store.next_execution_id()) == ("arn", "{}", 8)


def test_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreVersionError, match=f"version {VERSION + 1}"):
        Store(path)


BROKEN = {
    "half of it": lambda content: content[: len(content) // 2],
    "a header of something else": lambda content: b"x" * 100 + content[100:],
    "nothing of a database": lambda _content: b"no database" * 1000,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_store_is_refused_by_its_name_with_what_helps(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "store.sqlite"
    Store(path).close()
    path.write_bytes(BROKEN[broken](path.read_bytes()))
    with pytest.raises(StorageError, match=r"malformed|not a database") as refused:
        Store(path)
    assert f"cannot open {path}: " in str(refused.value)
    assert "put the home of the server back from a copy" in str(refused.value)


def test_store_that_has_no_room_for_its_tables_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"

    def prepare(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE t (x)")

    with pytest.raises(StorageError, match=rf"^cannot open {path}: database or disk is full$"):
        Journal(path, prepare)


def test_pages_that_are_broken_are_told_with_the_name_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with contextlib.closing(Store(path)) as store:
        store.journal.submit(lambda connection: connection.execute("CREATE TABLE t (x)") and None).result()
        (page,) = store.read_one("SELECT rootpage FROM sqlite_master WHERE name = 't'")
        (size_bytes,) = store.read_one("PRAGMA page_size")
    content = bytearray(path.read_bytes())
    content[(page - 1) * size_bytes : page * size_bytes] = b"\xff" * size_bytes
    path.write_bytes(content)
    with contextlib.closing(Store(path)) as store:
        with pytest.raises(StorageError, match=f"^cannot read {path}: .*malformed.*copy"):
            store.read("SELECT * FROM t")
        with pytest.raises(StorageError, match=f"^cannot read {path}: .*malformed.*copy"), store.reader() as reader:
            reader.execute("SELECT * FROM t").fetchall()
        with pytest.raises(StorageError, match=f"^cannot write {path}: .*malformed.*copy"):
            store.journal.submit(lambda connection: connection.execute("INSERT INTO t VALUES (1)") and None).result()


def test_broken_segments_are_told_as_such(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    map_runs, executions = MapRunStore(store), ExecutionStore(store)
    asyncio.run(_append(map_runs, 77, [child(0)._replace(status="FAILED")]))
    executions.append_events(10**6, [event(1)])
    for table in ("segments", "events"):
        store.journal.submit(
            lambda connection, table=table: connection.execute(f"UPDATE {table} SET blob = x'0011'") and None  # type: ignore[misc]  # the result is not used
        ).result()
    for read in (
        lambda: map_runs.child(77, 0),
        lambda: map_runs.unsuccessful(77, 0, 10),
        lambda: list(map_runs.records(77)),
        lambda: list(executions.events(10**6)),
    ):
        with pytest.raises(StorageError, match=r"^cannot read .*store\.sqlite: a segment in it is broken: "):
            read()
    store.close()


async def _append(map_runs: MapRunStore, map_run: int, records: list[ChildRecord]) -> None:
    await map_runs.append(map_run, records, len(records))


def test_journal_refuses_everything_after_a_write_has_failed_and_tells_once(tmp_path: Path) -> None:
    told: list[StorageError] = []
    has_told = threading.Event()
    journal = Journal(tmp_path / "journal.sqlite", lambda connection: connection.execute("CREATE TABLE t (x)") and None)
    journal.on_failure = lambda error: (told.append(error), has_told.set())[0]
    with contextlib.closing(journal):
        journal.submit(lambda connection: connection.execute("INSERT INTO t VALUES (1)") and None).result()
        failed = journal.submit(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)") and None)
        with pytest.raises(StorageError, match="no such table: nowhere"):
            failed.result()
        assert has_told.wait(5)
        with pytest.raises(StorageError, match="no such table: nowhere"):
            journal.flush()
    assert len(told) == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        assert connection.execute("SELECT * FROM t").fetchall() == [(1,)]


def test_journal_commits_what_is_queued_when_it_closes_and_nothing_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", lambda connection: connection.execute("CREATE TABLE t (x)") and None)
    for number in range(100):
        journal.submit(lambda connection, number=number: connection.execute("INSERT INTO t VALUES (?)", (number,)))  # type: ignore[misc]  # the result is not used
    journal.close()
    with pytest.raises(StorageError, match="closed"):
        journal.flush()
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM t").fetchone() == (100,)


def child(position: int, text: str = "{}") -> ChildRecord:
    values = {"position": position, "status": "SUCCEEDED", "started": 1.0, "stopped": 2.0, "item_count": 1}
    rest = {name: None for name in ChildRecord._fields if name not in values}
    return ChildRecord(**{**rest, **values, "input": text, "output": text, "redrive_count": 0, "events": [event(1)]})


def test_child_is_known_until_it_is_stored_and_then_found_in_the_store(store: Store) -> None:
    map_runs = MapRunStore(store)

    async def scenario() -> None:
        log = ChildLog(map_runs, 1)
        for position in range(300):
            log.add(child(position))
        assert set(log.unstored) >= set(range(256, 300))
        await log.flush()
        await asyncio.sleep(0)  # what waits for the disk is told first
        assert not log.unstored

    asyncio.run(scenario())
    assert map_runs.child(1, 299) == child(299)
    assert [record.position for record in map_runs.records(1)] == list(range(300))


def test_children_with_large_texts_are_written_long_before_there_are_256(store: Store) -> None:
    map_runs = MapRunStore(store)

    async def scenario() -> int:
        log, added = ChildLog(map_runs, 2), 0
        await log.flush()
        while map_runs.child(2, 0) is None:
            log.add(child(added, "x" * (SEGMENT_BYTES // 8)))
            added += 1
            await asyncio.wrap_future(store.journal.flush())
        await log.flush()
        return added

    assert asyncio.run(scenario()) < 10


def test_streamed_records_do_not_hold_back_what_others_see(store: Store) -> None:
    map_runs, executions = MapRunStore(store), ExecutionStore(store)

    async def fill() -> None:
        log = ChildLog(map_runs, 3)
        for position in range(600):
            log.add(child(position))
        await log.flush()

    asyncio.run(fill())
    records = map_runs.records(3)
    next(records)
    row = ExecutionRow(
        id=store.next_execution_id(), arn="meanwhile", machine_arn="m", name="n", status="RUNNING", started=1, input="1"
    )
    executions.insert(row, "definition").result()
    assert executions.find("meanwhile") is not None
    assert len(list(records)) == 599


def test_last_sign_of_an_execution_is_the_latest_of_all_that_it_wrote(store: Store) -> None:
    executions, map_runs = ExecutionStore(store), MapRunStore(store)
    row = ExecutionRow(
        id=store.next_execution_id(), arn="signs", machine_arn="m", name="n", status="RUNNING", started=3, input="1"
    )
    executions.insert(row, "definition").result()
    assert executions.last_sign(row) == 3
    executions.append_events(row.id, [{**event(1), "timestamp": 4.5}, {**event(2), "timestamp": 5.5}]).result()
    assert executions.last_sign(row) == 5.5
    map_run = MapRunRow(
        id=store.next_map_run_id(),
        arn="map run",
        uuid="",
        execution=row.id,
        child_machine_arn="",
        child_type="STANDARD",
        status="RUNNING",
        started=6.5,
        max_concurrency=0,
        tolerated_failure_count=0,
        tolerated_failure_percentage=0,
    )
    map_runs.save(map_run).result()
    assert executions.last_sign(row) == 6.5

    ends = [child(position)._replace(stopped=stopped) for position, stopped in enumerate((8.5, 7.5))]
    asyncio.run(_append(map_runs, map_run.id, ends))
    assert executions.last_sign(row) == 8.5
    map_runs.save(replace(map_run, redriven=9.5)).result()
    assert executions.last_sign(row) == 9.5
    assert executions.last_sign(replace(row, redriven=10.5)) == 10.5
    for now, stopped in ((9.25, 9.25), (100, 9.5)):
        map_runs.save(replace(map_run, redriven=9.5)).result()
        map_runs.abort_running(now)
        store.journal.flush().result()
        (aborted,) = map_runs.of_execution(row.id)
        assert (aborted.status, aborted.stopped) == ("ABORTED", stopped)
