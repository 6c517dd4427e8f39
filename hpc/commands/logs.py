"""`hpc logs`: what the handlers and jobs wrote during a run, or while the batch of one item was computed."""

import argparse
from collections.abc import Iterator

from hpc.errors import ExitCode, LostRunError, NotStartedError
from hpc.runs.items import find_batch
from hpc.runs.log_files import local_lines
from hpc.runs.log_groups import cloudwatch_lines
from hpc.runs.log_window import window_of
from hpc.runs.run import Run, open_run, retry_if_server_gone
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.terminal.console import emit_lines

# Digits of the largest index, 2**53.
MAX_INDEX_DIGITS = 16


@retry_if_server_gone
def logs(args: argparse.Namespace) -> int:
    """Print the lines, log by log."""
    _order(args)
    with open_run(args, has_items=True) as run:
        emit_lines(log_lines(run, args.index), kept_in="hpc logs")
    return ExitCode.SUCCEEDED


def _order(args: argparse.Namespace) -> None:
    """Take a number that stands alone, or beside ``--run``, for INDEX."""
    if args.index is None and args.run is not None and args.run.isdecimal() and len(args.run) <= MAX_INDEX_DIGITS:
        args.run, args.index = None, int(args.run)
    if args.named_run is not None:
        if args.run is not None:
            raise NotStartedError(f"RUN is given twice: {args.run} and --run {args.named_run}")
        args.run, args.named_run = args.named_run, None


def shown_lines(line: str) -> list[str]:
    """Return a line of a log as lines of a terminal.

    Lambda's Python runtime writes a message of several lines with CR between them, and indents with no-break spaces.
    """
    return line.replace("\xa0", " ").expandtabs().rstrip("\r").split("\r")


def log_lines(run: Run, index: int | None) -> Iterator[str]:
    """Yield what was logged during a run, or while the batch of one item was computed.

    Raises
    ------
    NotStartedError
        If there is nothing about the item's batch.
    """
    return (shown for line in _lines(run, index) for shown in shown_lines(line))


def _lines(run: Run, index: int | None) -> Iterator[str]:
    with explained(LostRunError, "reading the logs"):
        batch = None if index is None else int(find_batch(run, index)["batch"])
        window = window_of(run, of_batch=batch is not None)
        if run.target.is_local:
            lines = local_lines(Home.from_environment().folder / "logs", run, window, batch)
        else:
            lines = cloudwatch_lines(run, window, batch)
        lines = (each for line in lines for each in _without_returns(line))
        yield from lines if index is None or batch is None else _some(lines, run, index, batch)


def _without_returns(line: str) -> list[str]:
    """Return a line of a log as lines: Lambda writes an error as one, with carriage returns that a terminal obeys."""
    return line.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _some(lines: Iterator[str], run: Run, index: int, batch: int) -> Iterator[str]:
    """Yield the lines.

    Raises
    ------
    NotStartedError
        If there are none.
    """
    line = next(lines, None)
    if line is None:
        raise NotStartedError(
            f"no log of {run.name} tells of batch {batch}, which has item {index}: "
            "it was not computed, or its log is gone"
        )
    yield line
    yield from lines
