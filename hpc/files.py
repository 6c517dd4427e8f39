"""Files that a person names: a name that no file can have is that of no file."""

from pathlib import Path
from tempfile import TemporaryFile

# Free space that a server needs for its locks, SQLite's journals and shared memory, and its log.
ROOM_BYTES = 1024 * 1024


def is_file(path: Path) -> bool:
    """Whether there is such a file; before Python 3.14 ``Path.is_file`` raises for a name that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; as :func:`is_file`."""
    try:
        return path.is_dir()
    except OSError:
        return False


def has_room(folder: Path) -> bool:
    """Whether files of ``ROOM_BYTES`` can be written to a folder: one is written, and gone at once."""
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
    except OSError:
        return False
    return True
