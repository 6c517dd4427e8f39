"""Error messages for SQLite files: SQLite's own text, the file's name and, for a broken file, the remedy."""

import sqlite3
from pathlib import Path

_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def sqlite_message(attempt: str, path: Path, error: Exception) -> str:
    """Return ``"cannot <attempt> <path>: <error>"``."""
    is_broken = getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN
    remedy = "; put the home of the server back from a copy, or use another one" if is_broken else ""
    return f"cannot {attempt} {path}: {error}{remedy}"
