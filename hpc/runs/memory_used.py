"""Finds in the logs of this machine what fails on Lambda: too much memory, semaphores."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Source: AWS Lambda developer guide, "Log and monitor Python Lambda functions"; the local workers write the same.
REPORT = re.compile(
    rb"^REPORT RequestId: .*\tMemory Size: (\d+) MB\tMax Memory Used: (\d+) MB"
    rb"(?:.*\t(Error Type: Runtime\.OutOfMemory))?"
)
# In the cause of a failed invocation, as the runner says it.
OUT_OF_MEMORY = "out of memory"
ANNOUNCED = re.compile(rb"\bbatch \d+ of (?P<run>[\w-]+)")
# As the local workers write it.
SHARED_MEMORY_NOTE = b"NOTE /dev/shm:"
# Lambda takes any whole number of MiB; what is advised is the peak and a quarter of it, in steps of 64.
ROOM, STEP_MIB, SMALLEST_MIB = 1.25, 64, 128
# Above it a little more than the largest batch so far would end a function.
NEARLY_FULL = 0.9
SETTING = "hpc:compute_memory_mib"


@dataclass(frozen=True)
class Used:
    """The peak of one function: what it used and what it has, in MiB.

    Attributes
    ----------
    was_ended : bool
        Whether it was killed for it, and so would have used more.
    """

    function: str
    peak_mib: int
    memory_mib: int
    was_ended: bool = False

    @property
    def is_over(self) -> bool:
        return self.peak_mib > self.memory_mib


def advised_mib(peak_mib: int) -> int:
    """Return the memory that a function should have which needs so much at its peak."""
    steps = -(-int(peak_mib * ROOM) // STEP_MIB)
    return max(SMALLEST_MIB, steps * STEP_MIB)


def log_sizes(folder: Path) -> dict[Path, int]:
    """Return how long the logs of functions are by now, in bytes."""
    return {path: path.stat().st_size for path in folder.glob("*.log")}


def peaks_since(folder: Path, sizes: Mapping[Path, int], run: str, *, all_invocations: bool) -> list[Used]:
    """Return the peaks of functions in what was logged since: of the run's batches, or of everything."""
    found: dict[str, Used] = {}
    for function, line in _own_lines(folder, sizes, run, all_invocations=all_invocations):
        report = REPORT.match(line)
        if report is None:
            continue
        used = Used(function, int(report[2]), int(report[1]), was_ended=report[3] is not None)
        if function not in found or used.peak_mib > found[function].peak_mib:
            found[function] = used
    return list(found.values())


def peak_of_run(folder: Path, run: str) -> Used | None:
    """Return the peak of Compute in the batches of a run, None where the logs tell of none."""
    peaks = peaks_since(folder, {}, run, all_invocations=False)
    return max((each for each in peaks if is_compute(each.function)), key=lambda used: used.peak_mib, default=None)


def sharing_since(folder: Path, sizes: Mapping[Path, int], run: str, *, all_invocations: bool) -> list[str]:
    """Return the functions that made semaphores or shared memory, as ``peaks_since`` finds what they used."""
    lines = _own_lines(folder, sizes, run, all_invocations=all_invocations)
    return list(dict.fromkeys(function for function, line in lines if line.startswith(SHARED_MEMORY_NOTE)))


def _own_lines(
    folder: Path, sizes: Mapping[Path, int], run: str, *, all_invocations: bool
) -> Iterator[tuple[str, bytes]]:
    """Yield function and line of invocations: from the line that names a batch of the run to the report, or all."""
    for path in sorted(folder.glob("*.log")):
        is_ours = all_invocations
        with path.open("rb") as file:
            file.seek(sizes.get(path, 0))
            for line in file:
                if (announced := ANNOUNCED.search(line)) is not None:
                    is_ours = all_invocations or announced["run"] == run.encode()
                if is_ours:
                    yield path.name.partition(".")[0], line
                if REPORT.match(line):
                    is_ours = all_invocations


def warnings(peaks: Iterable[Used], sharing: Iterable[str] = ()) -> list[str]:
    """Return a line for each function that did what Lambda doesn't bear.

    Parameters
    ----------
    peaks
        What functions used.
    sharing
        Functions that made semaphores or shared memory.
    """
    over = [
        f"{each.function} used {each.peak_mib:,} of {each.memory_mib:,} MiB: Lambda ends a function that uses more "
        f"than it has; {_remedy(each)}"
        for each in peaks
        if each.is_over
    ]
    return over + [
        f"{function} made a semaphore or shared memory of multiprocessing (Pool, Lock, Queue, ProcessPoolExecutor): "
        "this fails on Lambda, which has no /dev/shm; use threads, Process with Pipe, or --back-end batch"
        for function in sharing
    ]


def memory_line(used: Used) -> str:
    """Say how much of its memory Compute used, and what to do where it was not enough, or hardly."""
    peak = f"peak {used.peak_mib:,} of {used.memory_mib:,} MiB"
    if used.was_ended:
        return f"{peak}, ended for it; {_remedy(used)}"
    if used.peak_mib > NEARLY_FULL * used.memory_mib:
        return f"{peak}, nearly all; {_remedy(used)}"
    return peak


def is_compute(function: str) -> bool:
    return "Compute" in function


def is_out_of_memory(cause: str) -> bool:
    """Whether an invocation failed because its function was killed for its memory."""
    return OUT_OF_MEMORY in cause


def _remedy(used: Used) -> str:
    if not is_compute(used.function):
        return "what it holds has to be smaller"
    if used.was_ended:
        return f"set {SETTING} to more, `hpc plan --sample 4` measures how much, or let an item need less"
    return f"set {SETTING} to {advised_mib(used.peak_mib):,} or so"
