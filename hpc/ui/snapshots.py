"""Data of the page, as JSON: the list of runs, one run as it goes, a plan."""

import argparse
import json
import math
import os
from collections.abc import Mapping
from datetime import UTC
from itertools import islice
from typing import Any

from hpc.commands.next_steps import LOOKED_AT, first_failures
from hpc.commands.plan import estimate
from hpc.commands.runs import cost_of, document_of
from hpc.commands.status import Status, look
from hpc.errors import LostRunError, NotStartedError
from hpc.json_objects import json_object
from hpc.planning.ranges import Range
from hpc.planning.table import document
from hpc.report.facts import Facts, collect
from hpc.report.graph import ARROW, draw_graph
from hpc.report.outcomes import job_counts, nodes
from hpc.report.page import own_line
from hpc.runs.child_times import Children
from hpc.runs.failure_groups import group_failures
from hpc.runs.failures import details_of, error_line
from hpc.runs.faults import read_faults
from hpc.runs.find import find_execution, list_executions
from hpc.runs.overview import Overview, OverviewReader
from hpc.runs.run import Run
from hpc.runs.watch import Watch
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.terminal.printable import printable, shorten

SHOWN_RUNS = 200
SHOWN_GROUPS = 20
SHOWN_CHARACTERS = 500
# Characters of the result in a page that is sent again with each change.
RESULT_CHARACTERS = 2_000
TRACEBACK_CHARACTERS = 4_000
REDRIVABLE = ("FAILED", "TIMED_OUT", "ABORTED")
# Options of a plan -> default and type.
PLAN_FIGURES: dict[str, tuple[float | None, type]] = {
    "size": (100_000, int),
    "seconds": (1.0, float),
    "memory_mib": (None, int),
    "batch_size": (None, int),
    "max_concurrency": (500, int),
    "lambda_concurrency": (1_000, int),
    "usd_per_hour": (1.0, float),
}


def list_runs(target: Target, costs: dict[str, float | None]) -> list[dict[str, Any]]:
    """Return the latest runs; ``costs`` has what is known of ended ones, and gets one more with each call."""
    faults = read_faults(Home.from_environment().folder) if target.is_local else {}
    with explained(LostRunError, "listing the runs"):
        listed = list(list_executions(target, target.machine_arns, limit=SHOWN_RUNS))
    runs = [document_of(target, run, faults.get(run["executionArn"])) for run in listed]
    unknown = next((run for run in runs if run["status"] != "RUNNING" and _cost_key(run) not in costs), None)
    if unknown is not None:
        costs[_cost_key(unknown)] = cost_of(target, {"executionArn": unknown["execution_arn"]})
    return [{**run, "status": _shown_status(run), "usd": costs.get(_cost_key(run))} for run in runs]


def _cost_key(run: Mapping[str, Any]) -> str:
    """Return what is another one after a redrive."""
    return f"{run['execution_arn']} {run['seconds']}"


def _shown_status(run: Mapping[str, Any]) -> str:
    return "PARTIAL" if run["is_partial"] else str(run["status"])


class RunReader:
    """Reads snapshots of one run."""

    def __init__(self, arn: str) -> None:
        self._arn = arn
        # What the counts were; the groups, and how many failed items are in them.
        self._failures: tuple[str, list[dict[str, Any]], int] = ("", [], 0)

    def read(self, target: Target) -> dict[str, Any]:
        """Return the run as it is now.

        Raises
        ------
        NotStartedError
            If there is no such run of the stack.
        LostRunError
            If it can't be read.
        """
        run = Run(target, find_execution(target, self._arn))
        found = look(run, Watch(target, run.arn), OverviewReader(run))
        output = json_object(found.seen.execution.get("output"))
        status = "PARTIAL" if output.get("complete") is False else found.seen.status
        shown = found.document()
        del shown["cause"]
        return {
            **shown,
            "status": status,
            "is_running": found.seen.status == "RUNNING",
            "is_redrivable": found.seen.status in REDRIVABLE or status == "PARTIAL",
            "started": found.seen.execution["startDate"].astimezone(UTC).isoformat(),
            "workload": (run.settings or {}).get("workload"),
            "item_count": (run.settings or {}).get("item_count"),
            "batches": _batches(found),
            "usd_planned": _planned(found.overview),
            "error": _error(found.seen.execution),
            "result": _result(output),
            "failures": self._grouped(found),
            "are_all_failures": self._failures[2] < LOOKED_AT,
            "graphs": list(_graphs(found.overview)),
        }

    def _grouped(self, found: Status) -> list[dict[str, Any]]:
        """Return the failed items by cause; they are read again when other counts say so."""
        key = json.dumps([found.seen.status, found.seen.map_run and found.seen.map_run["itemCounts"]])
        if key != self._failures[0]:
            items = first_failures(found.run, found.seen)
            groups = group_failures(items)
            self._failures = (
                key,
                [
                    {
                        "cause": shorten(kind, SHOWN_CHARACTERS),
                        "count": group.count,
                        "items": [item.index for item in group.first],
                        "own_line": own_line(group.first[0].traceback),
                        "traceback": _traceback(group.first[0].traceback),
                    }
                    for kind, group in islice(groups.items(), SHOWN_GROUPS)
                ],
                len(items),
            )
        return self._failures[1]


def _batches(found: Status) -> dict[str, int] | None:
    """Return how many batches are how far; on this machine those that run and wait for a worker are waiting."""
    if found.counts is None or found.seen.map_run is None:
        return None
    counts = found.counts
    computing = counts.running
    if found.run.target.is_local:
        computing = min(computing, os.cpu_count() or 1)
    return {
        "total": counts.total,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "stopped": counts.stopped,
        "computing": computing,
        "waiting": max(0, counts.total - counts.done - computing),
    }


def _planned(overview: Overview) -> float | None:
    if isinstance(overview.spent, str) or not overview.spent.quotes:
        return None
    return sum(quote.usd.expected for quote in overview.spent.quotes)


def _error(execution: dict[str, Any]) -> dict[str, str] | None:
    if not execution.keys() & {"error", "cause"}:
        return None
    error, cause = execution.get("error"), execution.get("cause")
    text = shorten(error_line(error, cause), SHOWN_CHARACTERS)
    return {"text": text, "traceback": _traceback(str(details_of(error, cause).get("traceback", "")))}


def _traceback(text: str) -> str:
    """Return the lines of a traceback without what would steer the browser's text, bounded."""
    return "\n".join(map(printable, text[-TRACEBACK_CHARACTERS:].split("\n")))


def _result(output: dict[str, Any]) -> str | None:
    result = output.get("total_sum", output.get("result"))
    if result is None:
        return None
    return shorten(result if isinstance(result, str) else json.dumps(result, ensure_ascii=False), RESULT_CHARACTERS)


def _graphs(overview: Overview) -> list[dict[str, str]]:
    """Return the graph of each state machine, coloured by what its states have come to."""
    drawn: list[dict[str, str]] = []
    for number, machine in enumerate(overview.tree.machines.values()):
        parts = [part for part in overview.parts if part.work.machine == machine.name]
        children = Children().add_all(part.children for part in parts if not part.is_on_jobs)
        shown = nodes(machine, children, job_counts(overview.parts, machine))
        svg = draw_graph(machine.definition, shown, f"state-{number}")
        drawn.append({"name": machine.short_name, "svg": svg if drawn else ARROW + svg})
    return drawn


def facts_of(target: Target, arn: str) -> Facts:
    """Return all that a report tells."""
    return collect(Run(target, find_execution(target, arn)))


def plan_of(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the plan for figures as the page has them, as ``hpc plan --output json`` would.

    Raises
    ------
    NotStartedError
        If a figure is none, or out of range.
    """
    figures = {name: _figure(given, name, kind, default) for name, (default, kind) in PLAN_FIGURES.items()}
    seconds = figures.pop("seconds")
    if seconds is None or not 0 < seconds <= 1_000_000:
        raise NotStartedError(f"seconds must be more than 0 and up to 1,000,000, got {seconds}")
    args = argparse.Namespace(
        **figures,
        seconds=Range.exactly(seconds),
        region=given.get("region", "us-east-1"),
        architecture=given.get("architecture", "arm64"),
        items=None,
        sample=None,
        longest_seconds=None,
        fargate_vcpus=6,
        result_bytes=0,
    )
    made, computation, prices, notes = estimate(args)
    return document(made, computation, prices, notes)


def _figure(given: Mapping[str, str], name: str, kind: type, default: float | None) -> Any:
    text = given.get(name, "")
    if not text:
        return default
    try:
        value = kind(text)
    except ValueError:
        raise NotStartedError(f"{name} must be a number, got {shorten(text, 40)}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise NotStartedError(f"{name} must be a number, got {shorten(text, 40)}")
    return value
