"""Memory that functions used on this machine, as the reports of their invocations in the logs tell it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Source: AWS Lambda developer guide, "Log and monitor Python Lambda functions"; the local workers write the same.
REPORT = re.compile(rb"^REPORT RequestId: .*\tMemory Size: (\d+) MB\tMax Memory Used: (\d+) MB", re.MULTILINE)
ANNOUNCED = re.compile(rb"\bbatch \d+ of (?P<run>[\w-]+)")
# Lambda takes any whole number of MiB; what is advised is the peak and a quarter of it, in steps of 64.
ROOM, STEP_MIB, SMALLEST_MIB = 1.25, 64, 128


@dataclass(frozen=True)
class Used:
    """The peak of one function: what it used and what it has, in MiB."""

    function: str
    peak_mib: int
    memory_mib: int

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
    for path in sorted(folder.glob("*.log")):
        function = path.name.partition(".")[0]
        for used in _reports(path, sizes.get(path, 0), function, run, all_invocations=all_invocations):
            if function not in found or used.peak_mib > found[function].peak_mib:
                found[function] = used
    return list(found.values())


def _reports(path: Path, begin: int, function: str, run: str, *, all_invocations: bool) -> Iterator[Used]:
    is_ours = all_invocations
    with path.open("rb") as file:
        file.seek(begin)
        for line in file:
            if (announced := ANNOUNCED.search(line)) is not None:
                is_ours = all_invocations or announced["run"] == run.encode()
            report = REPORT.match(line) if is_ours else None
            if report is not None:
                yield Used(function, peak_mib=int(report[2]), memory_mib=int(report[1]))
                is_ours = all_invocations


def warnings(peaks: Iterable[Used]) -> list[str]:
    """Return a line for each function that used more memory than it has."""
    return [
        f"{each.function} used {each.peak_mib:,} of {each.memory_mib:,} MiB: Lambda ends a function that uses more "
        f"than it has; {_remedy(each)}"
        for each in peaks
        if each.is_over
    ]


def _remedy(used: Used) -> str:
    if "Compute" in used.function:
        return f"set hpc:compute_memory_mib to {advised_mib(used.peak_mib):,} or so"
    return "what it holds has to be smaller"
