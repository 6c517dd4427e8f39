"""`hpc report`: writes the page of a run and prints its path."""

import argparse
import os
import stat
from contextlib import suppress
from pathlib import Path

from hpc.errors import ExitCode, NotStartedError
from hpc.report.facts import collect
from hpc.report.page import render
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.run import Run
from hpc.terminal.console import emit


@retry_if_server_gone
def report(args: argparse.Namespace) -> int:
    """Write the page and print its path."""
    _check_out(args.out)
    with open_run(args) as run:
        write_report(run, args.out)
    emit(args.out, kept_in=args.out)
    return ExitCode.SUCCEEDED


def write_report(run: Run, out: str) -> None:
    """Write the file whole or not at all; what was at its place stays if that fails.

    A pipe or a device is written to, and stays one.

    Raises
    ------
    NotStartedError
        If it can't be written.
    """
    _check_out(out)
    path = Path(out)
    page = render(collect(run))
    try:
        if _is_file_or_nothing(path):
            _replace(path.resolve(), page)  # where a link leads to, which stays
        else:
            path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise NotStartedError(f"--out must be a file that can be written, got {out}: {error}") from error


def _check_out(out: str) -> None:
    if not Path(out).name:
        raise NotStartedError(f"--out must be a file that can be written, got {out!r}")


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
