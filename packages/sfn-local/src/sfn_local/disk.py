"""A disk that takes no more, told from other faults: nothing that is tried again would help."""

import errno
import sqlite3

# EFBIG: over the limit that a user or a file system sets for one file.
_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
_SQLITE_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY})


def takes_no_more(error: BaseException) -> bool:
    """Whether a write failed because its disk is full or can't be written to."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
    return isinstance(error, OSError) and error.errno in _ERRNOS
