"""What computed a run's batches, as a report needs it: two numbers each, the slowest by name, samples by status."""

import heapq
import json
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpc.runs.children import began, list_children
from hpc.runs.failures import name_items
from hpc.runs.jobs import WAITING, count_leaves, leaves
from hpc.runs.result_files import NoManifestError, manifest_key, read_records
from hpc.runs.run import Run
from hpc.targets.client import Target

SLOWEST = 10
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
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


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
    """What is kept of all children, executions or jobs: 17 bytes each, and a few of them whole.

    Attributes
    ----------
    starts, stops : array
        Seconds since the epoch, in the order in which the children were read.
    failures : bytearray
        1 for each that did not succeed, in the same order.
    samples : dict
        By status, input and output or error of the first child that was read.
    """

    starts: "array[float]" = field(default_factory=lambda: array("d"))
    stops: "array[float]" = field(default_factory=lambda: array("d"))
    failures: bytearray = field(default_factory=bytearray)
    statuses: Counter[str] = field(default_factory=Counter)
    redrives: int = 0
    slowest: list[Straggler] = field(default_factory=list)
    samples: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return count_failed(self.statuses)

    def add(self, status: str, started: datetime, stopped: datetime, name: str, share: str, *, id_: str = "") -> None:
        self.statuses[status] += 1
        self.starts.append(started.timestamp())
        self.stops.append(stopped.timestamp())
        self.failures.append(status in UNSUCCESSFUL)
        self._hold(Straggler((stopped - started).total_seconds(), name, status, share, id_))

    def add_all(self, others: Iterable["Children"]) -> "Children":
        """Take the children of other runs too."""
        for other in others:
            self.starts.extend(other.starts)
            self.stops.extend(other.stops)
            self.failures.extend(other.failures)
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
        return sorted(max(0.0, stop - start) for start, stop in zip(self.starts, self.stops, strict=True))

    def succeeded_before(self, moment: datetime) -> int:
        """Return how many had succeeded before a moment at which nothing ran."""
        ended = zip(self.stops, self.failures, strict=True)
        return sum(not failed and stop < moment.timestamp() for stop, failed in ended)

    def concurrency(self, moments: list[float]) -> list[int]:
        """Return how many children ran at each moment."""
        starts, stops = sorted(self.starts), sorted(self.stops)
        return [bisect_right(starts, moment) - bisect_right(stops, moment) for moment in moments]

    def busy_share(self, limit: int) -> float:
        """Return the part of all durations that was work, if at most ``limit`` of the children worked at a time.

        The others waited for one of this machine's workers.
        """
        changes = sorted([*((start, 1) for start in self.starts), *((stop, -1) for stop in self.stops)])
        running, before, passed, worked = 0, 0.0, 0.0, 0.0
        for moment, change in changes:
            passed += running * (moment - before)
            worked += min(running, limit) * (moment - before)
            running, before = running + change, moment
        return worked / passed if passed else 1.0


def count_failed(statuses: Counter[str]) -> int:
    """Return how many did not succeed, executions or jobs."""
    return sum(statuses[status] for status in UNSUCCESSFUL)


def read_children(run: Run, map_run: dict[str, Any], redriven: Sequence[datetime], now: datetime) -> Children:
    """Collect the children, from the result files or, where there are none yet, from ListExecutions.

    Parameters
    ----------
    redriven
        When the run was: a child that was, too, has run since then.
    """
    children = Children()
    try:
        for record in read_records(run.target, manifest_key(run.name, map_run), ["SUCCEEDED", "FAILED", "PENDING"]):
            _add_record(children, record, redriven)
    except NoManifestError:
        return listed_children(run.target, map_run, now)
    return children


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


def _add_record(children: Children, record: dict[str, Any], redriven: Sequence[datetime]) -> None:
    status = record["Status"]
    children.samples.setdefault(status, _sample(record))
    if "StartDate" not in record:
        children.statuses[status] += 1  # never started
        return
    started, stopped = (datetime.fromisoformat(record[name]) for name in ("StartDate", "StopDate"))
    if record.get("RedriveCount"):
        children.redrives += record["RedriveCount"]
        started = max([started, *(moment for moment in redriven if moment <= stopped)])
    children.add(status, started, stopped, record["Name"], _items(record), id_=record.get("ExecutionArn", ""))


def _items(record: dict[str, Any]) -> str:
    try:
        batch = json.loads(record["Input"])["batch"]
        return name_items(int(batch["first"]), int(batch["count"]))
    except (ValueError, KeyError, TypeError):
        return ""


def _sample(record: dict[str, Any]) -> dict[str, str]:
    names = ("Input", "Output", "Error", "Cause")
    return {name: str(record[name])[:SAMPLE_CHARACTERS] for name in names if name in record}
