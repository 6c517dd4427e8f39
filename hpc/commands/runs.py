"""`hpc runs`: the runs of a stack, the latest first."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from hpc.errors import CommandError, ExitCode, LostRunError
from hpc.planning.table import usd
from hpc.runs.faults import fault_counts_line, read_faults
from hpc.runs.find import list_executions, open_stack, retry_if_server_gone
from hpc.runs.overview import OverviewReader
from hpc.runs.run import Run
from hpc.runs.run_summary import Summary, summarize
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.terminal.colours import coloured, wants_colour
from hpc.terminal.console import emit_lines, say
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration

NAME_WIDTH = 36


@retry_if_server_gone
def runs(args: argparse.Namespace) -> int:
    """Print a line a run."""
    with open_stack(args) as target:
        has_colour, lines = args.output == "text" and wants_colour(), _lines(target, args)
        shown = (coloured(line, after=NAME_WIDTH) for line in lines) if has_colour else lines
        emit_lines(shown, kept_in="hpc runs", as_is=has_colour)
    return ExitCode.SUCCEEDED


def cost_of(target: Target, run: dict[str, Any]) -> float | None:
    """Return what a run cost so far, in USD, or on AWS would have; None where that is not known."""
    try:
        return OverviewReader(Run(target, run["executionArn"])).read(is_last=True).usd
    except CommandError:
        return None


def _lines(target: Target, args: argparse.Namespace) -> Iterator[str]:
    faults = read_faults(Home.from_environment().folder) if target.is_local else {}
    has_cost = bool(vars(args).get("cost"))
    with explained(LostRunError, "listing the runs"):
        listed = list_executions(target, target.machine_arns, limit=args.limit, status=args.status)
        if args.output == "json":
            for run in listed:
                cost = {"usd": cost_of(target, run)} if has_cost else {}
                yield json.dumps({**document_of(target, run, faults.get(run["executionArn"])), **cost})
        else:
            yield from _rows(target, listed, args.limit, faults, has_cost=has_cost)


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
    target: Target,
    listed: Iterator[dict[str, Any]],
    limit: int,
    faults: Mapping[str, dict[str, Any]],
    *,
    has_cost: bool,
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
        cost = [_cost(cost_of(target, run))] if has_cost else []
        said = "  ".join([*cost, *_said(summary)])
        shown = f"{took:<12}  {said}" if said else took
        yield f"{run['name']:<{NAME_WIDTH}} {status:<10} {started:%Y-%m-%d %H:%M:%S}Z  {shown}{mark}"
    if count == 0:
        say("no runs")
    elif count == limit:
        say(f"the latest {limit:,}; more with --limit")


def _cost(value: float | None) -> str:
    return "cost unknown" if value is None else f"${usd(value)}"


def _said(summary: Summary) -> Iterator[str]:
    if summary.workload is not None:
        yield summary.workload
    if summary.items is not None:
        yield counted(summary.items, "item")
    if summary.outcome is not None:
        yield summary.outcome
    if summary.note is not None:
        yield f"({summary.note})"
