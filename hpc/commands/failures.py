"""`hpc failures`: every failed item of a run, as a list or grouped by error."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from hpc.commands.failures_csv import csv_lines
from hpc.errors import ExitCode
from hpc.runs.failed_items import FailedItem, FailedItems
from hpc.runs.failure_groups import SHOWN_CAUSE_CHARACTERS, group_failures
from hpc.runs.failures import details_of, error_line, indented
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.items import check_has_files
from hpc.runs.watch import Seen, Watch
from hpc.terminal.console import emit_lines, say
from hpc.terminal.counter import counted
from hpc.terminal.printable import shorten

SHOWN_OF_GROUP = 5


@retry_if_server_gone
def failures(args: argparse.Namespace) -> int:
    """Print the failed items; that there are some is no failure of this command."""
    with open_run(args, has_items=True) as run:
        check_has_files(run)
        seen = Watch(run.target, run.arn).look()
        items = FailedItems(run, seen)
        if args.output == "json":
            emit_lines((json.dumps(asdict(item)) for item in items), kept_in="hpc failures")
        elif args.output == "csv":
            emit_lines(csv_lines(items, is_raw=args.raw), kept_in="hpc failures", as_is=True)
        else:
            emit_lines(_grouped(items, seen), kept_in="hpc failures")
        if args.output != "text":
            say(*_summary(items, seen))
    return ExitCode.SUCCEEDED


def _grouped(items: FailedItems, seen: Seen) -> Iterator[str]:
    groups = group_failures(items)
    for kind, group in groups.items():
        yield f"{kind}  ({counted(group.count, 'item')}{' alike' if group.count > 1 else ''})"
        for item in group.first:
            yield f"  {_line(item)}"
        if group.count > len(group.first):
            yield f"  and {group.count - len(group.first):,} more"
        yield from indented(next((item.traceback for item in group.first if item.traceback), ""))
    yield from _summary(items, seen, sum(group.count for group in groups.values()))


def _line(item: FailedItem) -> str:
    tried = f", {item.attempts} attempts" if item.attempts is not None and item.attempts > 1 else ""
    given = "" if item.input == item.index else f" {shorten(json.dumps(item.input))}"
    return f"item {item.index}{given}{tried}: {shorten(item.cause, SHOWN_CAUSE_CHARACTERS) or item.error}"


def _summary(items: FailedItems, seen: Seen, failed: int | None = None) -> list[str]:
    parts = [f"{counted(failed, 'item')} failed"] if failed is not None else []
    if items.not_computed:
        parts.append(f"{items.not_computed:,} not computed: their batch ended before them")
    if items.batches:
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(items.batches.items()))
        parts.append(f"batches: {counts}")
    if not items.is_known:
        parts = ["which items failed is not known: Sum names those of a run on AWS Batch, and has not done so"]
    lines = ["; ".join(parts)] if parts else []
    if seen.status == "RUNNING":
        lines.append("the run is RUNNING: items whose failure is tolerated are known when its Map Run has ended")
    elif seen.status != "SUCCEEDED":
        error, cause = seen.execution.get("error"), seen.execution.get("cause")
        details = details_of(error, cause)
        lines.append(f"the run {seen.status}: {error_line(error, cause)}")
        # An item's traceback stands with the item.
        lines += indented(details["traceback"]) if details and "index" not in details else []
    return lines or [f"the run is {seen.status}"]
