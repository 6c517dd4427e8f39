"""Times of child executions and jobs, as a report needs them: a few numbers each, the slowest by name, samples.

On AWS a child computes from its start on. On this machine it waits for a worker first, and again before each retry:
the local server tells when workers computed it.
"""

import heapq
import json
import math
import os
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hpc.contract.items import name_items
from hpc.errors import LostRunError
from hpc.runs.children import began, list_children
from hpc.runs.jobs import WAITING, count_leaves, leaves
from hpc.runs.result_files import NoManifestError, manifest_key, read_records
from hpc.runs.run import Run
from hpc.targets.client import Target

SLOWEST = 10
# Stretches of which is kept what was computed: more are drawn without telling them apart.
MAX_SHARES = 3_000
SAMPLE_CHARACTERS = 4_000
LISTED_STATUSES = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING")
# Status -> name of its count in DescribeMapRun.
COUNTS = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
    "RUNNING": "running",
    "PENDING": "pending",
}
# A child that was stopped, because others had failed or a person stopped the run, has not failed itself.
FAILED = ("FAILED", "TIMED_OUT")
STOPPED = "ABORTED"
# Outcome of a child; the charts show it by colour.
OTHER, HAS_FAILED, WAS_STOPPED = range(3)
# Begin and end in seconds since the epoch.
Stretch = Sequence[float]


@dataclass(frozen=True, order=True)
class Straggler:
    """One of the children that took longest; ``share`` says what it computed, ``id`` is its ARN or job id."""

    seconds: float
    name: str
    status: str
    share: str
    id: str


@dataclass
class Children:
    """All children of a run, executions or jobs: 33 bytes each, and a few of them whole.

    Attributes
    ----------
    starts, stops : array
        Begin and end of each stretch in which a child computed, in seconds since the epoch: one a child, or one a try.
    outcomes : bytearray
        ``HAS_FAILED``, ``WAS_STOPPED`` or ``OTHER``, of the child that each stretch is of.
    shares : list of str
        What was computed in each of the first ``MAX_SHARES`` stretches, such as ``items 24 to 31``.
    seconds : array
        How long each child computed.
    waited_from : array
        When each child began to wait for its first stretch, where it did; ``waited_to`` when that wait was over.
    samples : dict
        By status, input and output or error of the first child that was read.
    """

    starts: "array[float]" = field(default_factory=lambda: array("d"))
    stops: "array[float]" = field(default_factory=lambda: array("d"))
    outcomes: bytearray = field(default_factory=bytearray)
    shares: list[str] = field(default_factory=list)
    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    waited_from: "array[float]" = field(default_factory=lambda: array("d"))
    waited_to: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[str] = field(default_factory=Counter)
    redrives: int = 0
    slowest: list[Straggler] = field(default_factory=list)
    samples: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return count_failed(self.statuses)

    @property
    def stopped(self) -> int:
        return self.statuses[STOPPED]

    def add(
        self,
        status: str,
        started: datetime,
        stopped: datetime,
        name: str,
        share: str,
        *,
        id_: str = "",
        computed: Sequence[Stretch] | None = None,
    ) -> None:
        """Take a child; ``computed`` is when it did so, None where that is all of its time."""
        self.statuses[status] += 1
        begin, end = started.timestamp(), stopped.timestamp()
        if computed is not None:
            self.waited_from.append(begin)
            self.waited_to.append(computed[0][0] if computed else end)
        stretches = [(begin, end)] if computed is None else computed
        outcome = HAS_FAILED if status in FAILED else WAS_STOPPED if status == STOPPED else OTHER
        for first, last in stretches:
            self.starts.append(first)
            self.stops.append(last)
            self.outcomes.append(outcome)
        if len(self.starts) <= MAX_SHARES:
            self.shares += [share] * len(stretches)
        seconds = math.fsum(max(0.0, last - first) for first, last in stretches)
        if stretches:
            self.seconds.append(seconds)
            self._hold(Straggler(seconds, name, status, share, id_))

    def add_all(self, others: Iterable["Children"]) -> "Children":
        """Take the children of other runs too."""
        for other in others:
            self.starts.extend(other.starts)
            if len(self.starts) <= MAX_SHARES:
                self.shares += other.shares
            self.stops.extend(other.stops)
            self.outcomes.extend(other.outcomes)
            self.seconds.extend(other.seconds)
            self.waited_from.extend(other.waited_from)
            self.waited_to.extend(other.waited_to)
            self.statuses.update(other.statuses)
            self.redrives += other.redrives
            self.samples = {**other.samples, **self.samples}
            for straggler in other.slowest:
                self._hold(straggler)
        return self

    def _hold(self, straggler: Straggler) -> None:
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, straggler)
        else:
            heapq.heappushpop(self.slowest, straggler)

    def durations(self) -> list[float]:
        """Return the durations in seconds, sorted."""
        return sorted(self.seconds)

    def succeeded_before(self, moment: datetime) -> int:
        """Return how many had succeeded before a moment at which nothing ran."""
        ended = zip(self.stops, self.outcomes, strict=True)
        return sum(outcome == OTHER and stop < moment.timestamp() for stop, outcome in ended)

    def concurrency(self, moments: list[float]) -> list[int]:
        """Return how many children computed at each moment."""
        return _under_way(self.starts, self.stops, moments)

    def waiting(self, moments: list[float]) -> list[int]:
        """Return how many children waited for a worker at each moment."""
        return _under_way(self.waited_from, self.waited_to, moments)


def _under_way(starts: Iterable[float], stops: Iterable[float], moments: list[float]) -> list[int]:
    begun, over = sorted(starts), sorted(stops)
    return [bisect_right(begun, moment) - bisect_right(over, moment) for moment in moments]


def count_failed(statuses: Counter[str]) -> int:
    """Return how many failed, executions or jobs; those that were stopped did not."""
    return sum(statuses[status] for status in FAILED)


def read_children(run: Run, map_run: dict[str, Any], redriven: Sequence[datetime], now: datetime) -> Children:
    """Collect the children, from the result files or, where there are none yet, from ListExecutions.

    Parameters
    ----------
    redriven
        When the run was: a child that was, too, has run since then.
    """
    if run.target.state is not None:
        return _local_children(run.target, run.target.state, map_run, redriven, now)
    children = Children()
    try:
        for record in read_records(run.target, manifest_key(run.name, map_run), ["SUCCEEDED", "FAILED", "PENDING"]):
            _add_record(children, record, redriven)
    except NoManifestError:
        return listed_children(run.target, map_run, now)
    return children


def _local_children(
    target: Target, state: Path, map_run: dict[str, Any], redriven: Sequence[datetime], now: datetime
) -> Children:
    """Collect the children that have ended from the server's own files, those that run and wait from its counts."""
    from sfn_local.server import ended_children  # noqa: PLC0415 - without the runner nothing runs on this machine

    children, arn = Children(), str(map_run["mapRunArn"])
    try:
        for record, computed in ended_children(state, arn):
            _add_record(children, record, redriven, computed)
    except OSError as error:
        raise LostRunError(f"reading the children: {error}") from error
    _add_running(children, target, map_run, now)
    return children


def _add_running(children: Children, target: Target, map_run: dict[str, Any], now: datetime) -> None:
    """Add those that go on: workers take them in the order in which they began, the others wait."""
    counts = map_run["itemCounts"]
    running = sorted(began(child) for child in list_children(target, map_run["mapRunArn"], "RUNNING"))
    freed = sorted(heapq.nlargest(os.cpu_count() or 1, children.stops))  # when each worker ended what it did last
    freed = [0.0] * ((os.cpu_count() or 1) - len(freed)) + freed
    for place, begin in enumerate(running):
        end = max(now, begin)
        computed = [(max(begin.timestamp(), freed[place]), end.timestamp())] if place < len(freed) else []
        children.add("RUNNING", begin, end, "", "", computed=computed)
    children.statuses["RUNNING"] = max(counts["running"], len(running))
    children.statuses["PENDING"] = counts["pending"]


def listed_children(target: Target, map_run: dict[str, Any], now: datetime) -> Children:
    """Collect the children that ListExecutions tells of; of Express children there are only counts."""
    children = Children()
    for status in LISTED_STATUSES:
        for child in list_children(target, map_run["mapRunArn"], status):
            stopped = child.get("stopDate", now)
            children.add(status, began(child), stopped, child["name"], "", id_=child["executionArn"])
    if not children.starts:
        children.statuses.update({status: map_run["itemCounts"][count] for status, count in COUNTS.items()})
    return children


def read_jobs(target: Target, jobs: Iterable[dict[str, Any]], batch_count: int, now: datetime) -> Children:
    """Collect the containers of jobs that DescribeJobs told of."""
    children = Children()
    for job in jobs:
        size = job.get("arrayProperties", {}).get("size", 1)
        if size > 1:
            counts = count_leaves(job)
            children.statuses["PENDING"] += sum(counts[status] for status in WAITING)
        for leaf in leaves(target, job):
            if leaf.reason:
                children.samples.setdefault(leaf.status, {"Error": leaf.reason})
            if leaf.started is None:
                children.statuses[leaf.status] += 1
                continue
            share = job_share(batch_count, size, leaf.index or 0)
            children.add(leaf.status, leaf.started, leaf.stopped or now, leaf.name, share, id_=leaf.id)
    return children


def job_share(batch_count: int, size: int, index: int) -> str:
    """Return which batches a child of an array job computes (lambdas/run_files/job_shares.py)."""
    first, end = batch_count * index // size, batch_count * (index + 1) // size
    return "none" if first == end else f"batch {first}" if end - first == 1 else f"batches {first} to {end - 1}"


def _add_record(
    children: Children,
    record: dict[str, Any],
    redriven: Sequence[datetime],
    computed: Sequence[Stretch] | None = None,
) -> None:
    status = record["Status"]
    children.samples.setdefault(status, _sample(record))
    if "StartDate" not in record:
        children.statuses[status] += 1  # never started
        return
    started, stopped = (datetime.fromisoformat(record[name]) for name in ("StartDate", "StopDate"))
    if record.get("RedriveCount"):
        children.redrives += record["RedriveCount"]
        started = max([started, *(moment for moment in redriven if moment <= stopped)])
    id_ = record.get("ExecutionArn", "")
    if status == "SUCCEEDED" and not computed:
        computed = None  # what succeeds without a function has not waited for a worker
    children.add(status, started, stopped, record["Name"], _items(record), id_=id_, computed=computed)


def _items(record: dict[str, Any]) -> str:
    try:
        batch = json.loads(record["Input"])["batch"]
        return name_items(int(batch["first"]), int(batch["count"]))
    except (ValueError, KeyError, TypeError):
        return ""


def _sample(record: dict[str, Any]) -> dict[str, str]:
    names = ("Input", "Output", "Error", "Cause")
    return {name: str(record[name])[:SAMPLE_CHARACTERS] for name in names if name in record}
