"""A sample: some of the items run on this machine, each as a batch of its own, and the time that they took."""

import argparse
import csv
import json
import os
import secrets
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hpc.commands.uploads import upload_items, upload_workload
from hpc.errors import CommandError, NotStartedError
from hpc.planning.ranges import Range
from hpc.planning.workload import DEFAULT_WORKLOAD, functions_of
from hpc.runs.children import list_children
from hpc.runs.failed_items import FailedItems
from hpc.runs.failures import SHOWN_CAUSE_CHARACTERS, error_line
from hpc.runs.find import SAMPLE_PREFIX
from hpc.runs.memory_used import is_out_of_memory, log_sizes, peaks_since
from hpc.runs.run import Run
from hpc.runs.watch import Ended, Watch
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.targets.local import local_target
from hpc.targets.workload_file import WorkloadFile, check_workload, read_workload, workload_name
from hpc.targets.workload_package import WorkloadPackage
from hpc.terminal.counter import counted
from hpc.terminal.printable import shorten

T = TypeVar("T")
# A vCPU of Lambda or Fargate beside a core of this machine: an estimate, to be replaced by a run's own report.
MACHINE_FACTOR = Range(0.75, 1, 1.5)
# Standard errors on each side of a mean: about 95 % of means are inside.
ERRORS_SHOWN = 2


@dataclass(frozen=True)
class Sample:
    """Measurements of a sample: times of an item, the peak of Compute's memory, and notes about them."""

    seconds: Range
    longest_seconds: Range
    peak_mib: int
    notes: list[str]


def measure(args: argparse.Namespace, item_count: int) -> Sample:
    """Run a sample.

    Raises
    ------
    NotStartedError
        If the sample can't be taken.
    """
    home = Home.from_environment()
    if args.workload is not None:
        check_workload(args.workload, home, Path(args.assembly) if args.assembly else None)
    workload = read_workload(args.workload, home, on_aws=False)
    functions = functions_of(args.workload, workload, home) or set()
    if args.items is None and "items" in functions:
        raise NotStartedError(
            "--sample can't take items of a workload that makes its own (items): give --seconds, or --items FILE"
        )
    if item_count == 0:
        raise NotStartedError("--sample needs items, --size is 0")
    overlay = workload.copy_to(home.create()) if isinstance(workload, WorkloadFile) else None
    package = workload if isinstance(workload, WorkloadPackage) else None
    with (
        # Without the limits that a run has: what it needs is what a sample is to find.
        local_target(
            home, Path(args.assembly) if args.assembly else None, overlay=overlay, limits_memory=False
        ) as target,
        tempfile.TemporaryDirectory() as folder,
    ):
        positions = spread(item_count, args.sample)
        warm_up_count = os.cpu_count() or 1
        path = write_sample(args, Path(folder), [positions[0]] * warm_up_count + positions)
        sizes = log_sizes(home.folder / "logs")
        ended = run_sample(target, args, path, package, max_concurrency=warm_up_count)
        seconds = child_seconds(target, ended, len(positions))
        name = ended.execution["name"]
        peaks = peaks_since(home.folder / "logs", sizes, name, all_invocations=False)
    measured = f"{len(seconds)} of {counted(item_count, 'item')} on this machine"
    notes = [f"measured: {measured}; a vCPU of AWS is taken as 0.75 to 1.5"]
    if "compute_batch" in functions:
        notes.append("the workload has compute_batch: neighbours in one batch may take less than these single items")
    around, longest = ranges(seconds)
    return Sample(around, longest, max((each.peak_mib for each in peaks), default=0), notes)


def ranges(seconds: list[float]) -> tuple[Range, Range]:
    """Return the mean and the longest of measured times, with what is not known about them."""
    mean = statistics.fmean(seconds)
    error = ERRORS_SHOWN * statistics.stdev(seconds) / len(seconds) ** 0.5 if len(seconds) > 1 else 0.0
    around = Range(max(0.0, mean - error), mean, mean + error)
    return around.scaled(MACHINE_FACTOR), Range.exactly(max(seconds)).scaled(MACHINE_FACTOR)


def spread(item_count: int, sample: int) -> list[int]:
    """Return positions from the first item to the last, evenly."""
    count = min(item_count, sample)
    if count == 1:
        return [item_count // 2]
    return [number * (item_count - 1) // (count - 1) for number in range(count)]


def write_sample(args: argparse.Namespace, folder: Path, positions: list[int]) -> Path:
    """Write the items at the positions to a file that can be uploaded as items."""
    if args.items is None:
        path = folder / "sample.jsonl"
        path.write_text("".join(f"{position}\n" for position in positions), encoding="utf-8")
        return path
    source = Path(args.items)
    path = folder / f"sample{source.suffix}"
    try:
        with source.open(encoding="utf-8", newline="") as read, path.open("w", encoding="utf-8", newline="") as write:
            if source.suffix == ".csv":
                rows = (row for row in csv.reader(read) if row)
                csv.writer(write).writerows([next(rows), *_at(rows, positions)])
            else:
                write.writelines(_at((line for line in read if line.strip()), positions))
    except (OSError, ValueError, csv.Error, StopIteration) as error:
        raise NotStartedError(f"--items {source} can't be sampled: {error}") from error
    return path


def _at(values: Iterator[T], positions: list[int]) -> list[T]:
    """Return what stands at the positions, in their order."""
    wanted = set(positions)
    found = {number: value for number, value in enumerate(values) if number in wanted}
    if len(found) < len(wanted):
        raise ValueError(f"it has fewer items than before, {len(wanted) - len(found)} of the sample are missing")
    return [found[position] for position in positions]


def run_sample(
    target: Target, args: argparse.Namespace, path: Path, package: WorkloadPackage | None, *, max_concurrency: int
) -> Ended:
    """Run the sample to its end, of the workload that it brings if there is a package."""
    name = f"{SAMPLE_PREFIX}{secrets.token_hex(6)}"
    sample_input = {
        "items": upload_items(target, name, path),
        "workload": workload_name(args.workload) or DEFAULT_WORKLOAD,
        "params": args.params if args.params is not None else {},
        "batch_size": 1,
        # As many as can run at once: a child that waits for a core would be measured with its wait.
        "max_concurrency": max_concurrency,
    }
    if package is not None:
        upload_workload(target, package)
        sample_input["uploaded_workload"] = package.sha256
    with explained(NotStartedError, "the sample was not started"):
        target.stepfunctions.start_execution(
            stateMachineArn=target.state_machine_arn, name=name, input=json.dumps(sample_input)
        )
    ended = Watch(target, target.execution_arn(name)).wait(lambda *_: None)
    if ended.status != "SUCCEEDED":
        reason = error_line(ended.execution.get("error"), ended.execution.get("cause"))
        more = [*_failed_item(target, name, ended), *_memory_lines(target, f"{reason} {ended.execution.get('cause')}")]
        raise NotStartedError(f"the sample {ended.status}: {reason}", *more)
    return ended


def _failed_item(target: Target, name: str, ended: Ended) -> list[str]:
    """Return a line for an item that failed, none where the sample did not fail at one."""
    try:
        failed = next(iter(FailedItems(Run(target, target.execution_arn(name)), ended)), None)
    except CommandError as error:  # the sample's own reason is known
        return [f"  the failed item can't be named: {error}"]
    if failed is None:
        return []
    # By its value: its index is one of the sample.
    cause = shorten(f"{failed.error}: {failed.cause}", SHOWN_CAUSE_CHARACTERS)
    return [f"  item {shorten(json.dumps(failed.input, ensure_ascii=False))}: {cause}"]


def _memory_lines(target: Target, text: str) -> list[str]:
    """Return what to do where another command's server ended the sample for its memory."""
    if not (target.is_guest and is_out_of_memory(text)):
        return []
    return ["  the server that runs now has the limits of a run: without one, the sample may use what it needs"]


def child_seconds(target: Target, ended: Ended, count: int) -> list[float]:
    """Return the durations of the children but those that started first, which found cold workers."""
    assert ended.map_run is not None
    with explained(NotStartedError, "reading the times of the sample"):
        listed = list_children(target, ended.map_run["mapRunArn"], "SUCCEEDED")
        children = sorted(listed, key=lambda child: child["startDate"])
    return [(child["stopDate"] - child["startDate"]).total_seconds() for child in children[-count:]]
