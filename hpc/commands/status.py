"""`hpc status`: how a run is doing; live on a terminal, one look otherwise."""

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hpc.errors import ExitCode, LostRunError
from hpc.json_objects import json_object
from hpc.planning.table import usd
from hpc.runs import memory_used
from hpc.runs.child_times import count_failed
from hpc.runs.children import SlowChild, began, slowest_children
from hpc.runs.failures import error_line
from hpc.runs.faults import fault_counts_line
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.overview import Overview, OverviewReader
from hpc.runs.run import Run
from hpc.runs.watch import Counts, Seen, Watch
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.terminal.colours import coloured, wants_colour
from hpc.terminal.console import emit, emit_lines
from hpc.terminal.durations import duration
from hpc.terminal.printable import printable

SHOWN_SLOWEST = 5
SHOWN_NAME_CHARACTERS = 36


@dataclass(frozen=True)
class Status:
    """One look at a run; every rate is over the whole time since its Map Run began, or was last redriven."""

    run: Run
    seen: Seen
    slowest: list[SlowChild]
    overview: Overview
    now: datetime
    memory: memory_used.Used | None = None

    @property
    def seconds(self) -> float:
        execution = self.seen.execution
        return float(((execution.get("stopDate") or self.now) - execution["startDate"]).total_seconds())

    @property
    def counts(self) -> Counts | None:
        return Counts.of(self.seen.map_run["itemCounts"]) if self.seen.map_run else None

    @property
    def rate(self) -> float | None:
        """Batches a second, None before the first is done, and where what was done before a redrive is not known."""
        map_run = self.seen.map_run
        before = self.overview.done_before_redrive(map_run) if map_run else None
        if map_run is None or self.counts is None or before is None:
            return None
        taken = ((map_run.get("stopDate") or self.now) - began(map_run)).total_seconds()
        done = self.counts.done - before
        return done / taken if taken > 0 and done > 0 else None

    @property
    def seconds_left(self) -> float | None:
        if self.seen.status != "RUNNING" or self.counts is None or not self.rate:
            return None
        return (self.counts.total - self.counts.done) / self.rate

    def document(self) -> dict[str, Any]:
        map_run = self.seen.map_run
        return {
            "name": self.run.name,
            "status": self.seen.status,
            "execution_arn": self.run.arn,
            "seconds": round(self.seconds, 3),
            "map_run": map_run["itemCounts"] if map_run else None,
            "max_concurrency": map_run["maxConcurrency"] if map_run else None,
            "redrive_count": map_run.get("redriveCount", 0) if map_run else 0,
            "batches_per_second": self.rate,
            "seconds_left": self.seconds_left,
            "executions": self.overview.executions,
            "jobs": dict(self.overview.jobs),
            # For a local run, what AWS would have charged.
            "usd_so_far": self.overview.usd,
            "is_charged": not self.run.target.is_local,
            "slowest": [
                {"name": child.name, "started": child.started.astimezone(UTC).isoformat(), "attempts": child.attempts}
                for child in self.slowest
            ],
            # Only for a local run that has ended.
            "memory": {"peak_mib": self.memory.peak_mib, "of_mib": self.memory.memory_mib} if self.memory else None,
            "faults": self.run.faults,
            "error": self.seen.execution.get("error"),
            "cause": self.seen.execution.get("cause"),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return what a person reads, as names and values."""
        rows = [("run", self.run.name), ("status", f"{self._shown_status()}, {duration(self.seconds)}")]
        if self.seen.map_run is not None and self.counts is not None:
            rows += self._map_rows(self.seen.map_run, self.counts)
        rows += self._other_rows()
        if len(rows) == 2 and self.seen.status == "RUNNING":
            rows.append(("batches", "not formed yet"))
        if self.memory is not None:
            rows.append(("memory", memory_used.memory_line(self.memory)))
        rows.append(("cost", self._cost()))
        if faults := self.run.faults:
            rows.append(("rehearsed", f"with faults: {fault_counts_line(faults['injected'])}"))
        if self.seen.status not in ("RUNNING", "SUCCEEDED"):
            execution = self.seen.execution
            rows.append(("error", error_line(execution.get("error"), execution.get("cause"))))
        return rows

    def _shown_status(self) -> str:
        """Return the status; a run that succeeded without some of its items is never shown as one with all."""
        is_partial = json_object(self.seen.execution.get("output")).get("complete") is False
        return "PARTIAL (SUCCEEDED without the failed items)" if is_partial else self.seen.status

    def _other_rows(self) -> list[tuple[str, str]]:
        """Return what a run on AWS Batch, and one that starts other executions, has beside or instead of a Map Run."""
        rows = [("executions", f"{name} {_done(statuses)}") for name, statuses in self.overview.executions.items()]
        if jobs := self.overview.jobs:
            rows.append(("jobs", _done(jobs)))
            rows.append(("concurrency", f"{jobs['RUNNING'] + jobs['STARTING']:,} jobs"))
        return rows

    def _cost(self) -> str:
        usd_so_far, so_far = self.overview.usd, " so far" if self.seen.status == "RUNNING" else ""
        if usd_so_far is None:
            return f"not known: {self.overview.spent}"
        if self.run.target.is_local:
            return f"${usd(usd_so_far)}{so_far} if it were on AWS; nothing here"
        return f"about ${usd(usd_so_far)}{so_far}"

    def _map_rows(self, map_run: dict[str, Any], counts: Counts) -> list[tuple[str, str]]:
        rows = [
            ("batches", f"{counts.done:,} of {counts.total:,} done, {counts.unsuccessful}"),
            ("concurrency", f"{counts.running:,} of at most {map_run['maxConcurrency']:,}"),
        ]
        if self.rate is not None:
            left = f", {duration(self.seconds_left)} left" if self.seconds_left is not None else ""
            rows.append(("rate", f"{self.rate:,.3g} batches/s{left}"))
        if map_run.get("redriveCount"):
            rows.append(("redrives", f"{map_run['redriveCount']:,}"))
        for child in self.slowest:
            retries = f", {child.attempts - 1} retries" if child.attempts is not None and child.attempts > 1 else ""
            age = duration(max(0.0, (self.now - child.started).total_seconds()))
            rows.append(("slowest", f"{child.name[:SHOWN_NAME_CHARACTERS]}  {age}{retries}"))
        return rows


def _done(statuses: Counter[str]) -> str:
    failed, stopped = count_failed(statuses), statuses["ABORTED"]
    ended = statuses["SUCCEEDED"] + failed + stopped
    shown_stopped = f", {stopped:,} stopped" if stopped else ""
    return f"{ended:,} of {statuses.total():,} done, {failed:,} failed{shown_stopped}"


@retry_if_server_gone
def status(args: argparse.Namespace) -> int:
    """Show the status; a run that failed is no failure of this command."""
    with open_run(args) as run:
        watch, overviews = Watch(run.target, run.arn), OverviewReader(run)
        found = look(run, watch, overviews)
        if args.output == "text" and sys.stdout.isatty() and found.seen.status == "RUNNING":
            found = _follow(run, watch, overviews, found)
        if args.output == "json":
            emit(json.dumps(found.document()), kept_in="hpc status")
        else:
            lines = [f"{name:<13} {value}" for name, value in found.rows()]
            if has_colour := wants_colour():
                lines = [coloured(line) if line.startswith("status ") else printable(line) for line in lines]
            emit_lines(lines, kept_in="hpc status", as_is=has_colour)
    return ExitCode.SUCCEEDED


def look(run: Run, watch: Watch, overviews: OverviewReader) -> Status:
    """Look at a run once; raises LostRunError."""
    seen = watch.look()
    slowest: list[SlowChild] = []
    if seen.status == "RUNNING" and seen.map_run is not None:
        with explained(LostRunError, "looking for the slowest children"):
            slowest = slowest_children(run.target, seen.map_run["mapRunArn"], SHOWN_SLOWEST)
    overview = overviews.read(is_last=seen.status != "RUNNING")
    memory = None
    if run.target.is_local and seen.status != "RUNNING":
        memory = memory_used.peak_of_run(Home.from_environment().folder / "logs", run.name)
    return Status(run, seen, slowest, overview, datetime.now(UTC), memory)


def _follow(run: Run, watch: Watch, overviews: OverviewReader, found: Status) -> Status:
    from rich.live import Live  # noqa: PLC0415 - only a terminal needs it
    from rich.progress_bar import ProgressBar  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415 - only a terminal needs it
    from rich.text import Text  # noqa: PLC0415 - only a terminal needs it

    def table(shown: Status) -> Table:
        grid = Table.grid(padding=(0, 2))
        for name, value in shown.rows():
            text = coloured(value) if name == "status" else printable(value)
            grid.add_row(Text(name, style="dim"), Text.from_ansi(text))  # not markup, which would eat brackets
        if shown.counts is not None and shown.counts.total:
            grid.add_row("", ProgressBar(total=shown.counts.total, completed=shown.counts.done, width=48))
        return grid

    began = time.monotonic()
    with Live(table(found), transient=True, refresh_per_second=4) as live:
        while found.seen.status == "RUNNING":
            time.sleep(max(0.5, run.target.pace.delay(time.monotonic() - began)))
            found = look(run, watch, overviews)
            live.update(table(found))
    return found
