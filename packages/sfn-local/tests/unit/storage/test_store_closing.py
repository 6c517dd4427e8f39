"""Closing a store that other threads still read and write: every call ends, with an answer or a named error."""

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest
from sfn_local.storage.journal import StorageError
from sfn_local.storage.store import Store


def test_closed_store_refuses_reads_and_writes_by_name_and_closes_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.close()
    store.close()
    with pytest.raises(StorageError, match="cannot read the store: it is closed"):
        store.read_one("SELECT 1")
    with pytest.raises(StorageError, match=r"cannot write .*store\.sqlite: it is closed"):
        store.journal.flush()


def test_statement_that_is_under_way_ends_before_the_connection_closes(tmp_path: Path) -> None:
    # In a process of its own: what this guards against is a crash of the interpreter.
    program = textwrap.dedent("""
        import contextlib, pathlib, sys, threading
        from sfn_local.storage.journal import StorageError
        from sfn_local.storage.store import Store

        def read(store, busy):
            with contextlib.suppress(StorageError):
                while True:
                    store.read("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT -i FROM n LIMIT 500) SELECT * FROM n")
                    busy.set()

        for number in range(20):
            store = Store(pathlib.Path(sys.argv[1]) / f"{number}.sqlite")
            busy = threading.Event()
            threads = [threading.Thread(target=read, args=(store, busy)) for _ in range(4)]
            for thread in threads:
                thread.start()
            busy.wait()
            store.close()
            for thread in threads:
                thread.join()
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_write_that_is_accepted_while_the_journal_closes_is_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    journal = store.journal
    closer = threading.Thread(target=journal.close)
    queue = journal._queue

    class Queue:
        """Lets another thread close the journal once a write was accepted and before it is queued."""

        get, get_nowait = queue.get, queue.get_nowait

        def put(self, entry: Any) -> None:
            if entry is not None:
                closer.start()
                closer.join(timeout=0.2)
            queue.put(entry)

    journal._queue = Queue()  # type: ignore[assignment]  # quacks like it
    written = journal.flush()
    closer.join(timeout=30)
    journal._queue = queue
    store.close()
    assert written.done()
