"""`hpc plan`: what an input would cost on AWS, how long it would take, and the settings to run it with."""

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

from hpc.contract.limits import MAX_BATCH_COUNT, MAX_CONCURRENCY, MAX_ITEMS
from hpc.errors import ExitCode, NotStartedError
from hpc.planning.advice import Plan, PlanOptions, make_plan
from hpc.planning.designs import ASSUMPTIONS, MAX_LAMBDA_MIB, Computation, Quotas
from hpc.planning.prices import Prices, read_prices
from hpc.planning.ranges import Range
from hpc.planning.table import lines, show_table, to_json
from hpc.terminal.console import emit
from hpc.terminal.counter import counted
from hpc.terminal.printable import shorten

MIN_LAMBDA_MIB = 128
DEFAULT_MIB = 1_024


def plan(args: argparse.Namespace) -> int:
    """Estimate and print."""
    made, computation, prices, notes = estimate(args)
    if args.output == "json":
        emit(to_json(made, computation, prices, notes), kept_in="no file")
    elif sys.stdout.isatty():
        show_table(made, computation, prices, notes)
    else:
        emit(*lines(made, computation, prices, notes), kept_in="no file")
    return ExitCode.SUCCEEDED


def estimate(args: argparse.Namespace) -> tuple[Plan, Computation, Prices, list[str]]:
    """Return the plan, what is computed, the prices, and what to say about them.

    Raises
    ------
    NotStartedError
        If a figure is out of range, or a sample can't be taken.
    """
    prices = read_prices(args.region)
    check_figures(args)
    item_count, item_bytes = count_items(args)
    check_batch_size(args.batch_size, item_count)
    seconds, longest, memory_mib, notes = needs_of(args, item_count)
    computation = Computation(
        item_count=item_count,
        seconds_per_item=seconds,
        longest_seconds=longest,
        memory_mib=memory_mib,
        item_bytes=item_bytes,
        result_bytes=args.result_bytes,
    )
    quotas = Quotas(lambda_concurrency=args.lambda_concurrency, fargate_vcpus=args.fargate_vcpus)
    options = PlanOptions(
        batch_size=args.batch_size,
        max_concurrency=args.max_concurrency,
        architecture=args.architecture,
        usd_per_hour=args.usd_per_hour,
    )
    return make_plan(computation, options, quotas, ASSUMPTIONS, prices), computation, prices, notes


def check_figures(args: argparse.Namespace) -> None:
    """Refuse figures out of range.

    Raises
    ------
    NotStartedError
        Naming the option, what was given and what is allowed.
    """
    limits = (
        ("size", 0, MAX_ITEMS),
        ("sample", 1, 10_000),
        ("batch_size", 1, MAX_ITEMS),
        ("memory_mib", MIN_LAMBDA_MIB, MAX_LAMBDA_MIB),
        ("max_concurrency", 1, MAX_CONCURRENCY),
        ("lambda_concurrency", 1, 1_000_000),
        ("fargate_vcpus", 0, 1_000_000),
        ("result_bytes", 0, 2**53),
        ("usd_per_hour", 0, 1_000_000),
        ("longest_seconds", 0, 1_000_000_000),
    )
    for name, low, high in limits:
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise NotStartedError(
                f"--{name.replace('_', '-')} must be {low:,} to {high:,}, got {shorten(f'{value:,}')}"
            )


def check_batch_size(batch_size: int | None, item_count: int) -> None:
    """Refuse a batch size that Start would refuse."""
    smallest = -(-item_count // MAX_BATCH_COUNT)
    if batch_size is not None and batch_size < smallest:
        raise NotStartedError(
            f"--batch-size must be {smallest:,} or more for {counted(item_count, 'item')} "
            f"(at most {MAX_BATCH_COUNT:,} batches), got {batch_size:,}"
        )


def count_items(args: argparse.Namespace) -> tuple[int, float]:
    """Return the number of items, and the length of one in bytes, 0 for a range."""
    if args.items is None:
        return args.size, 0.0
    from hpc.commands.uploads import check_items  # noqa: PLC0415 - loads boto3, which takes longer than a plan

    path = check_items(args.items)
    count = count_in_file(path)
    if count < 1:
        raise NotStartedError(f"--items must hold items, got {path}, which has none")
    return count, path.stat().st_size / count


def count_in_file(path: Path) -> int:
    """Return the lines of a .jsonl file, or the rows of a .csv file below its header, that are not empty."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                return max(0, sum(1 for row in csv.reader(file) if row) - 1)
            return sum(1 for line in file if line.strip())
    except (OSError, ValueError, csv.Error) as error:
        raise NotStartedError(f"--items {path} can't be read: {error}") from error


def needs_of(args: argparse.Namespace, item_count: int) -> tuple[Range, Range, int, list[str]]:
    """Return the seconds of an item, those of the slowest one, the memory in MiB, and what to say about them."""
    if args.sample is None:
        seconds, longest = given_times(args)
        return seconds, longest, DEFAULT_MIB if args.memory_mib is None else args.memory_mib, []
    from hpc.commands.sample import measure  # noqa: PLC0415 - only a sample needs boto3 and the local server

    found = measure(args, item_count)
    memory_mib, note = measured_memory(args.memory_mib, found.peak_mib)
    return found.seconds, found.longest_seconds, memory_mib, [*found.notes, note]


def measured_memory(given_mib: int | None, peak_mib: int) -> tuple[int, str]:
    """Return the memory that an item needs after a sample, and what to say of it."""
    from hpc.runs.memory_used import advised_mib  # noqa: PLC0415 - only after a sample

    if not peak_mib:
        return given_mib or DEFAULT_MIB, "the log of the sample tells of no memory: --memory-mib is taken"
    measured = f"measured: peak {peak_mib:,} MiB of memory, with Python and the packages"
    if given_mib is not None and given_mib >= peak_mib:
        return given_mib, f"{measured}; --memory-mib is {given_mib:,}"
    advised = advised_mib(peak_mib)
    too_small = f"; --memory-mib {given_mib:,} would be too little" if given_mib is not None else ""
    return advised, f"{measured}; with a quarter of room {advised:,}{too_small}"


def given_times(args: argparse.Namespace) -> tuple[Range, Range]:
    """Return the seconds of an item and those of the slowest one, as options say."""
    seconds: Range = args.seconds
    if args.longest_seconds is None:
        return seconds, seconds
    if args.longest_seconds < seconds.expected:
        raise NotStartedError(
            f"--longest-seconds must be {seconds.expected:g}, the expected --seconds, or more, "
            f"got {args.longest_seconds:g}"
        )
    longest = replace(
        seconds,
        low=max(seconds.low, args.longest_seconds),
        expected=args.longest_seconds,
        high=max(seconds.high, args.longest_seconds),
    )
    return seconds, longest
