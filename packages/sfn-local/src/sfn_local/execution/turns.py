"""Turns of executions that never wait: states yield to each other, and to everything else in the event loop."""

import asyncio
import time
from collections import deque

# Running states may take this much of one round of the event loop, and so many of those that had to wait are resumed
# in it.  Each runs one state more at the least.
TURN_SECONDS = 0.005
RESUMED_AT_ONCE = 8


class Turns:
    """Shares one event loop's rounds among all executions, branches and iterations.

    A chain of states that have nothing to wait for (Pass, Choice) would otherwise run to its end, if it has one, before
    any other task.  Used as ``if turns.is_over(): await turns.next()`` before each state, which costs a look at the
    clock.
    """

    def __init__(self) -> None:
        self._end = 0.0  # on time.monotonic(); 0 while no state has run in this round
        self._waiting: deque[asyncio.Future[None]] = deque()

    def is_over(self) -> bool:
        """Whether the states of this round of the event loop have used up their time."""
        if not self._end:
            self._begin()
            return False
        return time.monotonic() >= self._end

    async def next(self) -> None:
        """Wait for a turn; first come, first served."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _begin(self) -> None:
        self._end = time.monotonic() + TURN_SECONDS
        asyncio.get_running_loop().call_soon(self._finish)  # in the next round

    def _finish(self) -> None:
        self._end = 0.0
        if self._waiting:
            self._begin()
        for _ in range(min(RESUMED_AT_ONCE, len(self._waiting))):
            waiter = self._waiting.popleft()
            if not waiter.done():  # else its task was cancelled
                waiter.set_result(None)
