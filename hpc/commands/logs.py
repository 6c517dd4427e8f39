"""`hpc logs`: what the handlers and jobs wrote during a run, or while the batch of one item was computed."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from hpc.errors import CommandError, ExitCode, LostRunError, NotStartedError
from hpc.runs.failures import name_items
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.items import find_batch, is_redrive, is_running, read_batches
from hpc.runs.log_files import local_lines
from hpc.runs.log_groups import ReadEvents, cloudwatch_lines
from hpc.runs.log_window import window_of
from hpc.runs.own_lines import TITLE, ItemsOf, own_lines
from hpc.runs.run import Run
from hpc.runs.watch import Watch
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.terminal.console import emit_lines, say

# Digits of the largest index, 2**53.
MAX_INDEX_DIGITS = 16
SHORTEST_PAUSE_SECONDS = 0.5


@retry_if_server_gone
def logs(args: argparse.Namespace) -> int:
    """Print the lines, log by log."""
    _order(args)
    with open_run(args, has_items=True) as run:
        given = vars(args)
        is_raw, follow = bool(given.get("raw")), bool(given.get("follow"))
        lines = log_lines(run, args.index, is_raw=is_raw, follow=follow)
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


def log_lines(run: Run, index: int | None, *, is_raw: bool = True, follow: bool = False) -> Iterator[str]:
    """Yield what was logged during a run, or while the batch of one item was computed.

    Parameters
    ----------
    is_raw
        Whether Lambda's own lines are among them; without them, a line says when what follows was printed, and for
        which items.
    follow
        Whether new lines are waited for until the run has ended.

    Raises
    ------
    NotStartedError
        If there is nothing about the item's batch.
    """
    logged = _followed(run, index) if follow else _lines(run, index)
    lines = (shown for line in logged for shown in shown_lines(line))
    return lines if is_raw else own_lines(lines, run.name, _items_of(run))


def _followed(run: Run, index: int | None) -> Iterator[str]:
    """Yield the lines as they come, until the run has ended; a title where the log changes."""
    watch, began = Watch(run.target, run.arn), time.monotonic()
    shown: Counter[str] = Counter()
    read = None if run.target.is_local or index is not None else ReadEvents()
    last = ""
    while True:
        has_ended = watch.look().status != "RUNNING"
        run = replace(run)  # its settings are there once Start has ended
        try:
            for title, line in _titled(_lines(run, index, read)) if read else _news(_lines(run, index), shown):
                if title and title != last:
                    yield title
                    last = title
                yield line
        except NotStartedError:
            if has_ended:
                raise
        if has_ended:
            return
        sys.stdout.flush()  # what has been yielded is read now, also by a pipe
        time.sleep(max(SHORTEST_PAUSE_SECONDS, run.target.pace.delay(time.monotonic() - began)))


def _titled(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the title of its log."""
    title = ""
    for line in lines:
        if TITLE.match(line):
            title = line
        else:
            yield title, line


def _news(lines: Iterator[str], shown: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines that come after those which were shown of each log, with the log's title, and count them."""
    seen: Counter[str] = Counter()
    for title, line in _titled(lines):
        seen[title] += 1
        if seen[title] > shown[title]:
            shown[title] = seen[title]
            yield title, line


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
