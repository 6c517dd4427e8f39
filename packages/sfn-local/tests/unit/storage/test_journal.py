"""The journal: writes in their order, and waiters that stop waiting."""

import contextlib
import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from sfn_local.storage.journal import Journal


def prepare(connection: Any) -> None:
    connection.execute("CREATE TABLE numbers (number INTEGER)")


def insert(number: int) -> Any:
    return lambda connection: connection.execute("INSERT INTO numbers VALUES (?)", (number,))


def test_write_whose_waiter_is_gone_is_made_and_so_are_those_after_it(tmp_path: Path) -> None:
    gate = threading.Event()
    with contextlib.closing(Journal(tmp_path / "journal.sqlite", prepare)) as journal:
        journal.submit(lambda _connection: gate.wait() and None)
        cancelled: Future[None] = journal.submit(insert(1))
        assert cancelled.cancel()
        last = journal.submit(insert(2))
        gate.set()
        last.result(timeout=60)
        with contextlib.closing(journal.connect()) as reader:
            assert [number for (number,) in reader.execute("SELECT number FROM numbers")] == [1, 2]


def test_journal_that_is_open_needs_no_further_connection_to_write(tmp_path: Path) -> None:
    class ConnectsOnce(Journal):
        """Has room for the files of one connection."""

        is_full = False

        def connect(self) -> sqlite3.Connection:
            if self.is_full:
                raise sqlite3.OperationalError("database or disk is full")
            self.is_full = True
            return super().connect()

    with contextlib.closing(ConnectsOnce(tmp_path / "journal.sqlite", prepare)) as journal:
        journal.submit(insert(1)).result(timeout=20)
