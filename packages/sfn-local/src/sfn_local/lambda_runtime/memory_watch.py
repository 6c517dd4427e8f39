"""Memory of worker processes and their children, and the end of those that use more than they were given.

Lambda and Fargate limit a whole sandbox.  cgroups could do the same here, but not for every user, and not on macOS: so
the processes are looked at, ``INTERVAL_SECONDS`` apart; on macOS one ``ps`` serves all of them.

**Differs from AWS:** a process can use more than its limit for as long as there is between two looks.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

INTERVAL_SECONDS = 0.05 if sys.platform == "linux" else 0.5
_MIB = 1024 * 1024
_KIB = 1024
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_PROC = Path("/proc")


class MemoryWatch:
    """
    Parameters
    ----------
    process_id : callable
        From the identity of a worker to its process id; None while it has none.
    on_exceeded : callable
        Called once with the identity of a worker that used more than its limit, and the bytes that it used.
    """

    def __init__(self, process_id: Callable[[str], int | None], on_exceeded: Callable[[str, int], None]) -> None:
        self._process_id = process_id
        self._on_exceeded = on_exceeded
        self._limits: dict[str, int] = {}
        self._looking: asyncio.Task[None] | None = None

    def add(self, identity: str, limit_mib: int) -> None:
        """Watch a worker until it is removed."""
        self._limits[identity] = limit_mib * _MIB
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def remove(self, identity: str) -> None:
        """Watch a worker no more; one that is not watched stays so."""
        self._limits.pop(identity, None)

    async def _look(self) -> None:
        while self._limits:
            await asyncio.sleep(INTERVAL_SECONDS)
            processes = {identity: self._process_id(identity) for identity in self._limits}
            known = {identity: process for identity, process in processes.items() if process is not None}
            sizes = _resident_bytes(known.values())
            for identity, process in known.items():
                limit = self._limits.get(identity)
                if limit is None or sizes.get(process, 0) <= limit:
                    continue
                used = _exact_bytes(process) or sizes[process]
                if used > limit:
                    self.remove(identity)
                    self._on_exceeded(identity, used)


def _resident_bytes(processes: Iterable[int]) -> Mapping[int, int]:
    """Return the resident bytes of processes, each with its descendants; those that are gone are left out."""
    return _of_proc(processes) if sys.platform == "linux" else _of_ps(set(processes))


def _of_proc(processes: Iterable[int]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for process in processes:
        with contextlib.suppress(OSError, ValueError, IndexError):
            sizes[process] = sum(_resident_pages(each) for each in _family(process)) * _PAGE_BYTES
    return sizes


def _resident_pages(process: int) -> int:
    try:
        return int((_PROC / str(process) / "statm").read_text().split()[1])
    except OSError:  # it has just ended
        return 0


def _family(process: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield process
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(process) / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _family(int(child))


def _exact_bytes(process: int) -> int | None:
    """Return the bytes of a process and its descendants with shared pages counted once; None where nothing tells.

    A look that costs more: only a process that seems to use too much is looked at so.
    """
    sizes = [_proportional_bytes(each) for each in _family(process)] if sys.platform == "linux" else []
    return sum(size for size in sizes if size is not None) or None


def _proportional_bytes(process: int) -> int | None:
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * _KIB
    return None


def _of_ps(leaders: set[int]) -> dict[int, int]:
    """Add up the processes of each process group: a worker leads one."""
    listed = subprocess.run(["/bin/ps", "-axo", "pgid=,rss="], capture_output=True, text=True, check=False)
    sizes: dict[int, int] = {}
    for line in listed.stdout.splitlines():
        with contextlib.suppress(ValueError):
            group, kibibytes = map(int, line.split())
            if group in leaders:
                sizes[group] = sizes.get(group, 0) + kibibytes * _KIB
    return sizes
