"""Time as the runner sees it: passed in, so that a test can make it run faster."""

import asyncio
import time

# Linux stops its monotonic clock while the machine is suspended, and macOS doesn't.
_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock:
    """Wall clock in seconds since the epoch; with ``speed`` above 1 it runs, and waiting ends, so many times as fast.

    A 10 s Wait of a definition takes 10 s by the time stamps, then, at any speed.  The clock goes on while the machine
    is suspended (waiting that is under way doesn't), and does not follow changes of the system's time: differences of
    time stamps are durations.

    Parameters
    ----------
    limits_speed : float or None
        How much shorter time-outs and heartbeats are; by default as much as waits.  Where real processes work beside a
        fast clock it is 1: they are no faster than ever, and on a busy machine slower.
    """

    def __init__(self, speed: float = 1.0, *, limits_speed: float | None = None) -> None:
        limits_speed = speed if limits_speed is None else limits_speed
        if min(speed, limits_speed) <= 0:
            raise ValueError(f"speeds must be above 0, got {speed} and {limits_speed}")
        self._speed = speed
        self._limits_speed = limits_speed
        self._wall_start = time.time()
        self._start = time.clock_gettime(_SINCE_BOOT)

    def time(self) -> float:
        """Seconds since the epoch; never goes backwards within one process."""
        return self._wall_start + (time.clock_gettime(_SINCE_BOOT) - self._start) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    def real_seconds(self, seconds: float) -> float:
        """Return how many real seconds a limit of ``seconds`` lasts, for time-outs of asyncio."""
        return seconds / self._limits_speed
