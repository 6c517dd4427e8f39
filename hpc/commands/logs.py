"""`hpc logs`: what the handlers and jobs wrote during a run, or while the batch of one item was computed."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from hpc.commands.log_follower import Follower
from hpc.contract.items import name_items
from hpc.errors import CommandError, ExitCode, LostRunError, NotStartedError
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.items import find_batch, is_redrive, is_running, read_batches
from hpc.runs.log_files import local_lines
from hpc.runs.log_groups import ReadEvents, cloudwatch_lines
from hpc.runs.log_window import window_of
from hpc.runs.own_lines import ItemsOf, own_lines
from hpc.runs.run import Run
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.terminal.console import emit_lines, say

# Digits of the largest index, 2**53.
MAX_INDEX_DIGITS = 16


@retry_if_server_gone
def logs(args: argparse.Namespace) -> int:
    """Print the lines, log by log."""
    _order(args)
    with open_run(args, has_items=True) as run:
        given = vars(args)
        is_raw, follow = bool(given.get("raw")), bool(given.get("follow"))
        lines = _followed(args, run, is_raw=is_raw) if follow else log_lines(run, args.index, is_raw=is_raw)
        emit_lines(_with_name(lines, run.name), kept_in="hpc logs")
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


def _with_name(lines: Iterator[str], run: str) -> Iterator[str]:
    """Yield the lines, and say which run they are of; where there are none say what that means."""
    line = next(lines, None)
    say(run)
    if line is None:
        say("nothing was printed; hpc logs --raw has what Lambda itself writes")
        return
    yield line
    yield from lines


def _items_of(run: Run) -> ItemsOf:
    """Return what names the items of a batch; the batches are read when the first is asked for."""

    @cache
    def ranges() -> dict[int, tuple[int, int]]:
        begun = replace(run)  # the settings of a run that is followed from its start may be known as missing
        if begun.settings is None or is_redrive(begun):  # whose items have other numbers than their places
            return {}
        try:
            return {int(each["batch"]): (int(each["first"]), int(each["count"])) for each in read_batches(begun)}
        except CommandError:
            return {}

    def named(batch: int) -> str:
        found = ranges().get(batch)
        return name_items(*found) if found else "items"

    return named


def _followed(args: argparse.Namespace, run: Run, *, is_raw: bool) -> Iterator[str]:
    """Yield the lines as they come, until the run has ended; raises as ``log_lines``."""
    index: int | None = args.index
    follower = Follower(
        run,
        lambda each, read: _lines(each, index, read),
        lambda: open_run(args, has_items=True),
        keeps_events=index is None and not run.target.is_local,
    )
    return _shown(follower.lines(), run, is_raw=is_raw)


def log_lines(run: Run, index: int | None, *, is_raw: bool = True) -> Iterator[str]:
    """Yield what was logged during a run, or while the batch of one item was computed.

    Parameters
    ----------
    is_raw
        Whether Lambda's own lines are among them; without them, a line says when what follows was printed, and for
        which items.

    Raises
    ------
    NotStartedError
        If there is nothing about the item's batch.
    """
    return _shown(_lines(run, index), run, is_raw=is_raw)


def _shown(logged: Iterator[str], run: Run, *, is_raw: bool) -> Iterator[str]:
    lines = (shown for line in logged for shown in shown_lines(line))
    return lines if is_raw else own_lines(lines, run.name, _items_of(run))


def _lines(run: Run, index: int | None, read: ReadEvents | None = None) -> Iterator[str]:
    with explained(LostRunError, "reading the logs"):
        batch = None if index is None else int(find_batch(run, index)["batch"])
        window = window_of(run, of_batch=batch is not None)
        if run.target.is_local:
            lines = local_lines(Home.from_environment().folder / "logs", run, window, batch)
        else:
            lines = cloudwatch_lines(run, window, batch, read)
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
        why = (
            f"{run.name} is RUNNING, and has not computed it yet"
            if is_running(run)
            else "it was not computed, or its log is gone"
        )
        raise NotStartedError(f"no log of {run.name} tells of batch {batch}, which has item {index}: {why}")
    yield line
    yield from lines
