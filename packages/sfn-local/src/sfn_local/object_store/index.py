"""The index of an object store: which buckets, objects and uploads there are, and where their files are.

SQLite in WAL mode with synchronous FULL: a transaction that returned survives the machine's failure.  One connection
reads and one writes, so that readers don't wait for a writer's disk.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from sfn_local.object_store.records import Attributes, BucketInfo, Checksum, ObjectInfo, Part, StoredObject, Upload
from sfn_local.sqlite_errors import sqlite_message

_VERSION = 1

# Keys are BLOBs: they are ordered and compared as bytes, and may hold NUL.
_SCHEMA = """
CREATE TABLE buckets (name TEXT PRIMARY KEY, created_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE objects (
    bucket TEXT NOT NULL, key BLOB NOT NULL, path TEXT NOT NULL, token TEXT NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified_ns INTEGER NOT NULL, attributes TEXT NOT NULL, checksum TEXT,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE uploads (
    bucket TEXT NOT NULL, key BLOB NOT NULL, upload_id TEXT NOT NULL, created_ns INTEGER NOT NULL,
    attributes TEXT NOT NULL, checksum_algorithm TEXT,
    PRIMARY KEY (bucket, key, upload_id)
) WITHOUT ROWID;
CREATE TABLE parts (
    upload_id TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    modified_ns INTEGER NOT NULL, token TEXT NOT NULL, checksum TEXT,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
"""


class Index:
    """Open or make the index in a file.

    Raises
    ------
    ValueError
        If the file was made by another version.
    OSError
        If it can't be opened: it is broken, or the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        with _named(path), ExitStack() as resources:
            self._writer = resources.enter_context(closing(_connect(path)))
            self._writer.execute("PRAGMA journal_mode = WAL")
            (version,) = self._writer.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT")
            elif version != _VERSION:
                raise ValueError(f"{path} is of version {version}, expected {_VERSION}")
            self._reader = resources.enter_context(closing(_connect(path)))
            self._resources = resources.pop_all()

    def close(self) -> None:
        """Close once no thread is in a statement: SQLite must not lose a connection that is in use."""
        with self._write_lock, self._read_lock:
            self._resources.close()

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._read_lock:
            try:
                return self._reader.execute(query, values).fetchall()
            except UnicodeEncodeError:
                return []  # a name with half of a surrogate pair, which nothing here can have

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk, say, has made SQLite roll back by itself
                    self._writer.execute("ROLLBACK")
                raise

    def add_bucket(self, bucket: BucketInfo) -> None:
        with self._transaction() as transaction:
            transaction.execute("INSERT INTO buckets VALUES (?, ?)", (bucket.name, bucket.created_ns))

    def delete_bucket(self, name: str) -> None:
        with self._transaction() as transaction:
            transaction.execute("DELETE FROM buckets WHERE name = ?", (name,))

    def find_bucket(self, name: str) -> BucketInfo | None:
        rows = self._read("SELECT name, created_ns FROM buckets WHERE name = ?", name)
        return BucketInfo(*rows[0]) if rows else None

    def buckets(self) -> list[BucketInfo]:
        return [BucketInfo(*row) for row in self._read("SELECT name, created_ns FROM buckets ORDER BY name")]

    def find_object(self, bucket: str, key: bytes) -> StoredObject | None:
        rows = self._read("SELECT * FROM objects WHERE bucket = ? AND key = ?", bucket, key)
        return _stored_object(rows[0]) if rows else None

    def objects_between(self, bucket: str, lower: bytes, upper: bytes | None, limit: int) -> list[StoredObject]:
        """Return the first objects with ``lower <= key < upper``, in the order of keys as bytes."""
        if upper is None:
            query = "SELECT * FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT ?"
            rows = self._read(query, bucket, lower, limit)
        else:
            query = "SELECT * FROM objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
            rows = self._read(query, bucket, lower, upper, limit)
        return [_stored_object(row) for row in rows]

    def put_object(self, stored: StoredObject, finished_upload_id: str = "") -> None:
        """Set the object at a key, and forget the multipart upload that it came from."""
        info = stored.info
        checksum = _dump_checksum(info.checksum)
        place = (info.bucket, info.key.encode(), stored.path, stored.token)
        values = (*place, info.size, info.etag, info.modified_ns, _dump_attributes(info.attributes), checksum)
        with self._transaction() as transaction:
            transaction.execute("REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            if finished_upload_id:
                _delete_upload(transaction, finished_upload_id)

    def delete_objects(self, bucket: str, keys: Iterable[bytes]) -> None:
        with self._transaction() as transaction:
            pairs = [(bucket, key) for key in keys]
            transaction.executemany("DELETE FROM objects WHERE bucket = ? AND key = ?", pairs)

    def objects_with_tokens(self, tokens: Iterable[str]) -> list[StoredObject]:
        """Return the objects whose content has one of ``tokens``; reads the whole index."""
        query = "SELECT * FROM objects WHERE token IN (SELECT value FROM json_each(?))"
        return [_stored_object(row) for row in self._read(query, json.dumps(list(tokens)))]

    def add_upload(self, upload: Upload) -> None:
        place = (upload.bucket, upload.key.encode(), upload.upload_id, upload.created_ns)
        values = (*place, _dump_attributes(upload.attributes), _dump_algorithm(upload))
        with self._transaction() as transaction:
            transaction.execute("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?)", values)

    def find_upload(self, bucket: str, key: bytes, upload_id: str) -> Upload | None:
        query = "SELECT * FROM uploads WHERE bucket = ? AND key = ? AND upload_id = ?"
        rows = self._read(query, bucket, key, upload_id)
        return _upload(rows[0]) if rows else None

    def uploads(self, bucket: str) -> list[Upload]:
        query = "SELECT * FROM uploads WHERE bucket = ? ORDER BY key, created_ns, upload_id"
        return [_upload(row) for row in self._read(query, bucket)]

    def delete_upload(self, upload_id: str) -> None:
        with self._transaction() as transaction:
            _delete_upload(transaction, upload_id)

    def put_part(self, upload_id: str, part: Part) -> None:
        checksum = _dump_checksum(part.checksum)
        values = (upload_id, part.number, part.size, part.etag, part.modified_ns, part.token, checksum)
        with self._transaction() as transaction:
            transaction.execute("REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def parts(self, upload_id: str) -> list[Part]:
        rows = self._read("SELECT * FROM parts WHERE upload_id = ? ORDER BY number", upload_id)
        return [_part(row) for row in rows]

    def part_tokens(self) -> set[str]:
        """Return the names of the files of all parts."""
        return {token for (token,) in self._read("SELECT token FROM parts")}


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let what SQLite can't open be an error that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(sqlite_message("open", path, error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _delete_upload(transaction: sqlite3.Connection, upload_id: str) -> None:
    transaction.execute("DELETE FROM uploads WHERE upload_id = ?", (upload_id,))
    transaction.execute("DELETE FROM parts WHERE upload_id = ?", (upload_id,))


def _stored_object(row: tuple[Any, ...]) -> StoredObject:
    bucket, key, path, token, size, etag, modified_ns, attributes, checksum = row
    loaded = (Attributes(**json.loads(attributes)), _load_checksum(checksum))
    return StoredObject(ObjectInfo(bucket, key.decode(), size, etag, modified_ns, *loaded), path, token)


def _upload(row: tuple[Any, ...]) -> Upload:
    bucket, key, upload_id, created_ns, attributes, algorithm = row
    loaded = Attributes(**json.loads(attributes))
    name, separator, _ = (algorithm or "").partition(":")
    return Upload(upload_id, bucket, key.decode(), created_ns, loaded, name or None, bool(separator))


def _part(row: tuple[Any, ...]) -> Part:
    _, number, size, etag, modified_ns, token, checksum = row
    return Part(number, size, etag, modified_ns, token, _load_checksum(checksum))


def _dump_attributes(attributes: Attributes) -> str:
    fields = {"metadata": dict(attributes.metadata), "headers": dict(attributes.headers)}
    return json.dumps(fields | {"content_type": attributes.content_type})


def _dump_algorithm(upload: Upload) -> str | None:
    return f"{upload.checksum_algorithm}:FULL_OBJECT" if upload.is_full_object else upload.checksum_algorithm


def _dump_checksum(checksum: Checksum | None) -> str | None:
    return f"{checksum.algorithm}:{checksum.value}" if checksum else None


def _load_checksum(text: str | None) -> Checksum | None:
    return Checksum(*text.split(":", 1)) if text else None
