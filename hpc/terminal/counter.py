"""Steps of a command that takes a while, counted on stderr: live on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hpc.terminal.console import say

if TYPE_CHECKING:
    from rich.status import Status

PLAIN_EVERY_SECONDS = 5.0
LIVE_EVERY_SECONDS = 0.25


def counted(count: int, noun: str) -> str:
    """Return e.g. ``1 file``, ``2 files``, ``1 batch``, ``2 batches``, ``1 entry``, ``2 entries``."""
    if noun.endswith("y") and noun[-2] not in "aeiou":
        plural = f"{noun[:-1]}ies"
    else:
        plural = f"{noun}es" if noun.endswith(("ch", "s", "x")) else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


class Counter:
    """Says how many of ``total`` steps are done; one thread calls it."""

    def __init__(self, doing: str, total: int, noun: str, live: "Status | None") -> None:
        self.done = 0
        self._doing, self._total, self._noun, self._live = doing, total, noun, live
        self._said_at = time.monotonic()

    def add(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self._said_at < (PLAIN_EVERY_SECONDS if self._live is None else LIVE_EVERY_SECONDS):
            return
        self._said_at = now
        line = f"{self._doing} {self.done:,} of {counted(self._total, self._noun)}"
        if self._live is None:
            say(line)
        else:
            self._live.update(line)


@contextmanager
def open_counter(doing: str, total: int, noun: str) -> Iterator[Counter]:
    """Count in the way that fits stderr."""
    with spinner(f"{doing} {counted(total, noun)}") as live:
        yield Counter(doing, total, noun, live)


@contextmanager
def spinner(line: str) -> "Iterator[Status | None]":
    """Show on a terminal that something goes on, and what; yield None elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.status import Status  # noqa: PLC0415 - as above

    with Status(line, console=Console(stderr=True), refresh_per_second=8) as status:
        yield status
