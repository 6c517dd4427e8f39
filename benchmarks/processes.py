"""Processes by their numbers: those below one, whether they are gone, and what they have open."""

import time
from collections.abc import Collection

import psutil

POLL_SECONDS = 0.005
GONE_SECONDS = 60


class ProcessesLeftError(AssertionError):
    """Processes did not end with the one that started them."""


def descendants(pid: int) -> list[int]:
    """Return the processes below one; none if it has ended."""
    try:
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def wait_until_gone(pids: Collection[int]) -> None:
    """Wait until processes have ended; raise if one is left."""
    deadline = time.monotonic() + GONE_SECONDS
    while left := [pid for pid in pids if is_alive(pid)]:
        if time.monotonic() > deadline:
            raise ProcessesLeftError(f"processes that nobody owns are left: {left}")
        time.sleep(POLL_SECONDS)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def open_handles(pid: int) -> int:
    """Return how many files, sockets and pipes a process has open."""
    return int(psutil.Process(pid).num_fds())
