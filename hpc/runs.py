"""`hpc runs`: the runs of a stack, the latest first."""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hpc.client import explained
from hpc.console import emit_lines, say
from hpc.errors import ExitCode, LostRunError
from hpc.progress import duration
from hpc.reading import list_executions, open_stack


def runs(args: argparse.Namespace) -> int:
    """Print a line a run."""
    with open_stack(args) as target, explained(LostRunError, "listing the runs"):
        listed = list_executions(target, target.machine_arns, limit=args.limit, status=args.status)
        if args.output == "json":
            emit_lines((json.dumps(_document(run)) for run in listed), kept_in="hpc runs")
        else:
            emit_lines(_rows(listed, args.limit), kept_in="hpc runs")
    return ExitCode.SUCCEEDED


def _document(run: dict[str, Any]) -> dict[str, Any]:
    stopped = run.get("stopDate")
    return {
        "name": run["name"],
        "status": run["status"],
        "execution_arn": run["executionArn"],
        "started": run["startDate"].astimezone(UTC).isoformat(),
        "seconds": round((stopped - run["startDate"]).total_seconds(), 3) if stopped else None,
    }


def _rows(listed: Iterator[dict[str, Any]], limit: int) -> Iterator[str]:
    count = 0
    for count, run in enumerate(listed, 1):  # noqa: B007 - the last number is how many there were
        end = run.get("stopDate") or datetime.now(UTC)
        started = run["startDate"].astimezone(UTC)
        took = duration((end - run["startDate"]).total_seconds())
        yield f"{run['name']:<36} {run['status']:<10} {started:%Y-%m-%d %H:%M:%S}Z  {took}"
    if count == 0:
        say("no runs")
    elif count == limit:
        say(f"the latest {limit:,}; more with --limit")
