"""The way to the stack: a deployed one, or this machine's, whose server is there only while something runs."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc.targets.client import Target, named_stack
from hpc.targets.home import Home

# Files that a local server writes when the state of any execution changes.
STATE_FILES = ("executions.sqlite", "executions.sqlite-wal")
Stamp = tuple[tuple[int, int] | None, ...]


class Door:
    """Opens the target for a look.

    Where no server runs on this machine one is hosted for the time of a look, and nothing changes between two looks:
    ``stamp`` tells whether anything may have.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._home = Home.from_environment()
        self._deployed: Target | None = named_stack(args, self._home) if args.aws else None

    @property
    def is_local(self) -> bool:
        return self._deployed is None

    @contextmanager
    def open(self) -> Iterator[Target]:
        """Lend the target.

        Raises
        ------
        NotStartedError
            If nothing ran on this machine yet.
        """
        if self._deployed is not None:
            yield self._deployed
            return
        from hpc.targets.looking import looking_target  # noqa: PLC0415 - a look at AWS need not load the local server

        with looking_target(self._home) as target:
            yield target

    def stamp(self) -> Stamp | None:
        """Return what is the same as long as nothing has happened; None where that can't be told."""
        if self._deployed is not None:
            return None
        from sfn_local.server import attach  # noqa: PLC0415 - as above

        if attach(self._home.folder) is not None:
            return None
        return tuple(map(_stamp_of, (self._home.folder / name for name in STATE_FILES)))


def _stamp_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
