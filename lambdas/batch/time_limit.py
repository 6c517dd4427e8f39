"""The time limit of one invocation: checked between items, and enforced within an item."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lambdas.contract.limits import MAX_RESERVE_SECONDS, MIN_RESERVE_SECONDS, RESERVE_SHARE
from lambdas.run_files.errors import PipelineInterrupt


class TimeUp(PipelineInterrupt):
    """Raised inside a workload when the invocation's time is over; no Exception, so that no workload swallows it."""


class TimeLimit:
    """Time left of an invocation, less a reserve.

    A timer interrupts what runs in ``call``, and only that: bookkeeping between items is never torn apart.  It
    interrupts Python code and waiting, not a long call into C.  Signals need the main thread, where Lambda's runtime
    calls handlers; elsewhere, and without a limit, items are not interrupted.
    """

    def __init__(self, seconds: float | None) -> None:
        self.seconds: float | None = None
        self.end = float("inf")
        if seconds is not None:
            reserve = min(max(RESERVE_SHARE * seconds, MIN_RESERVE_SECONDS), MAX_RESERVE_SECONDS)
            self.seconds = max(seconds - reserve, 0.001)
            self.end = time.monotonic() + self.seconds
        self._interruptible = False
        self._expired = False

    def has(self, seconds: float) -> bool:
        """Whether that much time is left."""
        return not self._expired and time.monotonic() + seconds < self.end

    @contextmanager
    def enforced(self) -> Iterator[None]:
        """Run the timer."""
        if self.seconds is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = signal.signal(signal.SIGALRM, self._interrupt)
        signal.setitimer(signal.ITIMER_REAL, max(self.end - time.monotonic(), 0.001))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``function(*arguments)``, or raise ``TimeUp`` when the time is over."""
        self._interruptible = True
        try:
            return function(*arguments)
        finally:
            self._interruptible = False

    def _interrupt(self, _signal_number: int, _frame: FrameType | None) -> None:
        self._expired = True
        if self._interruptible:
            raise TimeUp
