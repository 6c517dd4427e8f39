"""Children of a Map Run as another process reads them from a home: those that have ended, straight from its file."""

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

from sfn_local.sqlite_errors import sqlite_message
from sfn_local.storage.journal import StorageError
from sfn_local.storage.map_run_store import COLUMNS, ChildRecord, MapRunRow

_BUSY_MILLISECONDS = 10_000


def read_children(path: Path, map_run_arn: str) -> Iterator[tuple[MapRunRow, ChildRecord]]:
    """Yield the children of a Map Run that have ended, each once and as it ended last; one segment is in memory.

    Raises
    ------
    StorageError
        If the file can't be read.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS:d}")
            found = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM map_runs WHERE arn = ?",  # noqa: S608 - names of our own fields
                (map_run_arn,),
            ).fetchone()
            if found is not None:
                row = MapRunRow(**dict(zip(COLUMNS, found, strict=True)))
                yield from ((row, record) for record in _records(connection, row.id))
    except (sqlite3.Error, zlib.error, ValueError) as error:
        raise StorageError(sqlite_message("read", path, error)) from error


def _records(connection: sqlite3.Connection, map_run: int) -> Iterator[ChildRecord]:
    """Yield the records, segment by segment: a child that was redriven is in several, and its row names the last."""
    segment, records = -1, []
    rows = connection.execute("SELECT segment, slot FROM children WHERE map_run = ? ORDER BY segment, slot", (map_run,))
    for wanted, slot in rows:
        if wanted != segment:
            (blob,) = connection.execute("SELECT blob FROM segments WHERE id = ?", (wanted,)).fetchone()
            segment, records = wanted, json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))
        yield ChildRecord(*records[slot])
