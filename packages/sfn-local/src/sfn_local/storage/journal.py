"""Durable writes: a thread that commits to SQLite whatever has queued up, in one transaction at a time.

Callers never wait for the disk unless they ask to (``submit`` returns a future).  While one transaction is being
synced the next one gathers, so the number of syncs adapts to the load.
"""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from sfn_local.sqlite_errors import sqlite_message

Write = Callable[[sqlite3.Connection], None]


class StorageError(Exception):
    """The store can't be opened, read or written (a full disk, say); once a write failed no other is accepted."""


def text(value: str | None) -> bytes | None:
    """Return what ``CAST(? AS TEXT)`` makes a text of, whatever it holds: half of a surrogate pair is no UTF-8."""
    return None if value is None else value.encode("utf-8", "surrogatepass")


def _decode(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


class Journal:
    """Writer of one SQLite file in WAL mode with ``synchronous=FULL``: what is committed survives a power cut.

    Parameters
    ----------
    prepare : callable
        Given a connection before anything else is done: makes the tables.

    Attributes
    ----------
    path : Path
        The file.
    on_failure : callable or None
        Called once, in the journal's thread, when a write has failed.

    Raises
    ------
    StorageError
        If the file can't be opened: it is broken, or the disk is full.
    """

    def __init__(self, path: Path, prepare: Write) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.on_failure: Callable[[StorageError], None] | None = None
        self._queue: queue.SimpleQueue[tuple[Write, Future[None]] | None] = queue.SimpleQueue()
        self._failure: StorageError | None = None
        self._is_closed = False
        self._accepting = threading.Lock()  # what is queued behind the end would be lost, and waited for for ever
        with contextlib.ExitStack() as opened:
            try:
                connection = opened.enter_context(contextlib.closing(self.connect()))
                prepare(connection)
            except sqlite3.Error as error:
                raise StorageError(sqlite_message("open", path, error)) from error
            opened.pop_all()  # the thread closes it
        self._thread = threading.Thread(target=self._run, args=(connection,), name="journal", daemon=True)
        self._thread.start()

    def connect(self) -> sqlite3.Connection:
        """Open a connection for reading (the writer thread has its own)."""
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.text_factory = _decode
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection

    def submit(self, write: Write) -> "Future[None]":
        """Queue ``write``; the future is done when it is on disk.

        Raises
        ------
        StorageError
            If an earlier write failed, or the journal is closed.
        """
        if self._failure is not None:
            raise self._failure
        future: Future[None] = Future()
        with self._accepting:
            if self._is_closed:
                raise StorageError(f"cannot write {self.path}: it is closed")
            self._queue.put((write, future))
        return future

    def flush(self) -> "Future[None]":
        """Return a future that is done when all that was submitted before is on disk."""
        return self.submit(lambda _connection: None)

    def close(self) -> None:
        """Commit what is queued and stop; nothing is accepted after that."""
        with self._accepting:
            self._is_closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self, connection: sqlite3.Connection) -> None:
        with contextlib.closing(connection):
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

    def _commit(self, connection: sqlite3.Connection, entries: list[tuple[Write, "Future[None]"]]) -> None:
        # From here on nobody can cancel them: whoever has stopped waiting did not take the write back.
        waiting = [future for _write, future in entries if future.set_running_or_notify_cancel()]
        if self._failure is None:
            try:
                connection.execute("BEGIN IMMEDIATE")
                for write, _future in entries:
                    write(connection)
                connection.execute("COMMIT")
            except Exception as error:
                self._fail(connection, error)
        for future in waiting:
            if self._failure is not None:
                future.set_exception(self._failure)
            else:
                future.set_result(None)

    def _fail(self, connection: sqlite3.Connection, error: Exception) -> None:
        self._failure = StorageError(sqlite_message("write", self.path, error))
        self._failure.__cause__ = error
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # the failure that matters is known already
                connection.execute("ROLLBACK")
        if self.on_failure:
            self.on_failure(self._failure)
