"""Files that a person names: a name that no file can have is that of no file."""

from pathlib import Path


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
