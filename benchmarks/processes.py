"""Processes below a process, and whether they are gone."""

import subprocess
import time

POLL_SECONDS = 0.005
GONE_SECONDS = 10


class ProcessesLeftError(Exception):
    """Processes did not end with the one that started them."""


def descendants(pid: int) -> list[int]:
    """Return the processes below one, the oldest first."""
    found = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(text) for text in listed.stdout.split()]


def wait_until_gone(pids: list[int]) -> None:
    """Wait until processes have ended; raise if one is left."""
    deadline = time.monotonic() + GONE_SECONDS
    while left := [pid for pid in pids if is_alive(pid)]:
        if time.monotonic() > deadline:
            raise ProcessesLeftError(f"processes that nobody owns are left: {left}")
        time.sleep(POLL_SECONDS)


def is_alive(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout.strip() not in ("", "Z", "Z+", "Zl", "Zs")
