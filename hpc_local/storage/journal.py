"""Durable writes: a thread that commits to SQLite whatever has queued up, in one transaction at a time.

Callers never wait for the disk unless they ask to (``submit`` returns a future).  While one transaction is being
synced the next one gathers, so the number of syncs adapts to the load.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

Write = Callable[[sqlite3.Connection], None]


class StorageError(Exception):
    """The journal could not be written (a full disk, say); nothing is accepted after that."""


class Journal:
    """Writer of one SQLite file in WAL mode with ``synchronous=FULL``: what is committed survives a power cut."""

    def __init__(self, path: Path, schema: str) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._queue: queue.SimpleQueue[tuple[Write, Future[None]] | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        connection = self.connect()
        connection.executescript(schema)
        connection.close()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def connect(self) -> sqlite3.Connection:
        """Open a connection for reading (the writer thread has its own)."""
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def submit(self, write: Write) -> "Future[None]":
        """Queue ``write``; the future is done when it is on disk.

        Raises
        ------
        StorageError
            If an earlier write failed.
        """
        if self._failure is not None:
            raise StorageError(f"cannot write {self._path}: {self._failure}") from self._failure
        future: Future[None] = Future()
        self._queue.put((write, future))
        return future

    def flush(self) -> "Future[None]":
        """Return a future that is done when all that was submitted before is on disk."""
        return self.submit(lambda _connection: None)

    def close(self) -> None:
        """Commit what is queued and stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        connection = self.connect()
        closing = False
        while not closing:
            entry = self._queue.get()
            entries = []
            while entry is not None:
                entries.append(entry)
                try:
                    entry = self._queue.get_nowait()
                except queue.Empty:
                    break
            closing = entry is None
            self._commit(connection, entries)
        connection.close()

    def _commit(self, connection: sqlite3.Connection, entries: list[tuple[Write, "Future[None]"]]) -> None:
        try:
            if self._failure is not None:
                raise StorageError(f"cannot write {self._path}: {self._failure}") from self._failure
            connection.execute("BEGIN IMMEDIATE")
            for write, _future in entries:
                write(connection)
            connection.execute("COMMIT")
        except Exception as error:
            self._failure = self._failure or error
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            failure = StorageError(f"cannot write {self._path}: {error}")
            for _write, future in entries:
                future.set_exception(failure)
        else:
            for _write, future in entries:
                future.set_result(None)
