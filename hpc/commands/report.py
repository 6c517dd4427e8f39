"""`hpc report`: writes the page of a run and prints its path."""

import argparse
import os
import stat
from contextlib import suppress
from pathlib import Path

from hpc.errors import ExitCode, NotStartedError
from hpc.report.facts import collect
from hpc.report.page import render
from hpc.runs.run import looks_twice, open_run
from hpc.terminal.console import emit


@looks_twice
def report(args: argparse.Namespace) -> int:
    """Write the file whole or not at all; what was at its place stays if that fails.

    A pipe or a device is written to, and stays one.
    """
    path = Path(args.out)
    if not path.name:
        raise NotStartedError(f"--out must be a file that can be written, got {args.out!r}")
    with open_run(args) as run:
        page = render(collect(run))
    try:
        if _is_file_or_nothing(path):
            _replace(path.resolve(), page)  # where a link leads to, which stays
        else:
            path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise NotStartedError(f"--out must be a file that can be written, got {args.out}: {error}") from error
    emit(str(path), kept_in=str(path))
    return ExitCode.SUCCEEDED


def _is_file_or_nothing(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _replace(path: Path, page: str) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
