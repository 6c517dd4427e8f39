"""Logs of a run that goes on: new lines as they come, until the run has ended."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from hpc.errors import NotStartedError, UnansweredError
from hpc.runs.log_groups import ReadEvents
from hpc.runs.own_lines import TITLE
from hpc.runs.run import Run
from hpc.runs.watch import Watch

SHORTEST_PAUSE_SECONDS = 0.5


class Follower:
    """Reads the logs of a run again and again.

    Parameters
    ----------
    run
        The run.
    read
        Yields the lines of all logs; with ``ReadEvents``, only those that were not read before.
    reopen
        Opens the run once more, where the local server that told about it has ended.
    keeps_events
        Whether ``read`` is given ``ReadEvents``.
    """

    def __init__(
        self,
        run: Run,
        read: Callable[[Run, ReadEvents | None], Iterator[str]],
        reopen: Callable[[], AbstractContextManager[Run]],
        *,
        keeps_events: bool,
    ) -> None:
        self._run = run
        self._read = read
        self._reopen = reopen
        self._events = ReadEvents() if keeps_events else None
        self._shown: Counter[str] = Counter()
        self._title = ""

    def lines(self) -> Iterator[str]:
        """Yield the lines, with a title where the log changes.

        Raises
        ------
        NotStartedError
            If the run has ended, and there is nothing in its logs that was asked for.
        """
        watch, began = Watch(self._run.target, self._run.arn), time.monotonic()
        while True:
            try:
                has_ended = watch.look().status != "RUNNING"
                # The settings of another object are read again: they are there once Start has ended.
                yield from self._new_lines(replace(self._run), has_ended=has_ended)
            except UnansweredError:
                if not self._run.target.is_local:
                    raise
                break
            if has_ended:
                return
            sys.stdout.flush()  # what has been yielded is read now, also by a pipe
            time.sleep(max(SHORTEST_PAUSE_SECONDS, self._run.target.pace.delay(time.monotonic() - began)))
        # The command that ran the run has ended, and the server with it: the logs are there.
        with self._reopen() as run:
            yield from self._new_lines(run, has_ended=True)

    def _new_lines(self, run: Run, *, has_ended: bool) -> Iterator[str]:
        try:
            for title, line in self._news(self._read(run, self._events)):
                if title and title != self._title:
                    yield title
                    self._title = title
                yield line
        except NotStartedError:
            if has_ended:
                raise

    def _news(self, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        return titled(lines) if self._events else news(lines, self._shown)


def titled(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the title of its log."""
    title = ""
    for line in lines:
        if TITLE.match(line):
            title = line
        else:
            yield title, line


def news(lines: Iterator[str], shown: Counter[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines that come after those which were shown of each log, with the log's title, and count them."""
    seen: Counter[str] = Counter()
    for title, line in titled(lines):
        seen[title] += 1
        if seen[title] > shown[title]:
            shown[title] = seen[title]
            yield title, line
