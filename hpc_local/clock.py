"""Time as the runner sees it: passed in, so that a test can make it run faster."""

import asyncio
import time


class Clock:
    """Wall clock in seconds since the epoch; ``speed`` above 1 makes waiting shorter by that factor.

    Only waiting is scaled: time stamps of a fast clock advance ``speed`` times as fast from its creation on, so that
    a 10 s Wait of the definition takes 10 s by the time stamps.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        self._speed = speed
        self._wall_start = time.time()
        self._monotonic_start = time.monotonic()

    def time(self) -> float:
        """Seconds since the epoch; never goes backwards within one process."""
        return self._wall_start + (time.monotonic() - self._monotonic_start) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def real_seconds(self, seconds: float) -> float:
        """How long ``seconds`` of this clock take on the wall, for time-outs of asyncio."""
        return seconds / self._speed
