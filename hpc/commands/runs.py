"""`hpc runs`: the runs of a stack, the latest first."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hpc.errors import ExitCode, LostRunError
from hpc.runs.faults import fault_counts_line, read_faults
from hpc.runs.run import list_executions, open_stack, retry_if_server_gone
from hpc.runs.run_summary import Summary, summarize
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.terminal.console import emit_lines, say
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration


@retry_if_server_gone
def runs(args: argparse.Namespace) -> int:
    """Print a line a run."""
    with open_stack(args) as target:
        emit_lines(_lines(target, args), kept_in="hpc runs")
    return ExitCode.SUCCEEDED


def _lines(target: Target, args: argparse.Namespace) -> Iterator[str]:
    faults = read_faults(Home.from_environment().folder) if target.is_local else {}
    with explained(LostRunError, "listing the runs"):
        listed = list_executions(target, target.machine_arns, limit=args.limit, status=args.status)
        if args.output == "json":
            yield from (json.dumps(document_of(target, run, faults.get(run["executionArn"]))) for run in listed)
        else:
            yield from _rows(target, listed, args.limit, faults)


def document_of(target: Target, run: dict[str, Any], faults: dict[str, Any] | None) -> dict[str, Any]:
    """Return what there is to say of a run that ListExecutions has listed."""
    stopped = run.get("stopDate")
    return {
        "name": run["name"],
        "status": run["status"],
        "execution_arn": run["executionArn"],
        "started": run["startDate"].astimezone(UTC).isoformat(),
        "seconds": round((stopped - run["startDate"]).total_seconds(), 3) if stopped else None,
        "faults": faults,
        **asdict(summarize(target, run)),
    }


def _rows(
    target: Target, listed: Iterator[dict[str, Any]], limit: int, faults: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    count = 0
    for count, run in enumerate(listed, 1):  # noqa: B007 - the last number is how many there were
        end = run.get("stopDate") or datetime.now(UTC)
        started = run["startDate"].astimezone(UTC)
        took = duration((end - run["startDate"]).total_seconds())
        had = faults.get(run["executionArn"])
        mark = f"  rehearsed with faults: {fault_counts_line(had['injected'])}" if had is not None else ""
        summary = summarize(target, run)
        status = "PARTIAL" if summary.is_partial else run["status"]
        said = "  ".join(_said(summary))
        shown = f"{took:<12}  {said}" if said else took
        yield f"{run['name']:<36} {status:<10} {started:%Y-%m-%d %H:%M:%S}Z  {shown}{mark}"
    if count == 0:
        say("no runs")
    elif count == limit:
        say(f"the latest {limit:,}; more with --limit")


def _said(summary: Summary) -> Iterator[str]:
    if summary.workload is not None:
        yield summary.workload
    if summary.items is not None:
        yield counted(summary.items, "item")
    if summary.outcome is not None:
        yield summary.outcome
    if summary.note is not None:
        yield f"({summary.note})"
