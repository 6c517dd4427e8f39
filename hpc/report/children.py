"""Children of a Map Run as a report needs them: two numbers each, the slowest by name, one sample of each status."""

import heapq
import json
from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpc.children import list_children
from hpc.reading import Run
from hpc.result_files import NoManifestError, manifest_key, read_records

SLOWEST = 10
SAMPLE_CHARACTERS = 4_000
LISTED_STATUSES = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "RUNNING")


@dataclass(frozen=True, order=True)
class Straggler:
    """One of the children that took longest."""

    seconds: float
    name: str
    status: str
    items: str


@dataclass
class Children:
    """What is kept of all children: 16 bytes each, and a few of them whole.

    Attributes
    ----------
    starts, stops : array
        Seconds since the epoch, in the order in which the children were read.
    samples : dict
        By status, input and output or error of the first child that was read.
    """

    starts: "array[float]" = field(default_factory=lambda: array("d"))
    stops: "array[float]" = field(default_factory=lambda: array("d"))
    statuses: Counter[str] = field(default_factory=Counter)
    redrives: int = 0
    slowest: list[Straggler] = field(default_factory=list)
    samples: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, status: str, started: datetime, stopped: datetime, name: str, items: str) -> None:
        self.statuses[status] += 1
        self.starts.append(started.timestamp())
        self.stops.append(stopped.timestamp())
        straggler = Straggler((stopped - started).total_seconds(), name, status, items)
        if len(self.slowest) < SLOWEST:
            heapq.heappush(self.slowest, straggler)
        else:
            heapq.heappushpop(self.slowest, straggler)

    def durations(self) -> list[float]:
        """Return the durations in seconds, sorted."""
        return sorted(stop - start for start, stop in zip(self.starts, self.stops, strict=True))

    def concurrency(self, moments: list[float]) -> list[int]:
        """Return how many children ran at each moment."""
        starts, stops = sorted(self.starts), sorted(self.stops)
        return [bisect_right(starts, moment) - bisect_right(stops, moment) for moment in moments]


def read_children(run: Run, map_run: dict[str, Any], now: datetime) -> Children:
    """Collect the children, from the result files or, where there are none yet, from ListExecutions."""
    children = Children()
    try:
        for record in read_records(run.target, manifest_key(run.name, map_run), ["SUCCEEDED", "FAILED", "PENDING"]):
            _add_record(children, record)
    except NoManifestError:
        for status in LISTED_STATUSES:
            for child in list_children(run.target, map_run["mapRunArn"], status):
                children.add(status, child["startDate"], child.get("stopDate", now), child["name"], "")
    return children


def _add_record(children: Children, record: dict[str, Any]) -> None:
    status = record["Status"]
    children.samples.setdefault(status, _sample(record))
    if "StartDate" not in record:
        children.statuses[status] += 1  # never started
        return
    children.redrives += record.get("RedriveCount", 0)
    started, stopped = (datetime.fromisoformat(record[name]) for name in ("StartDate", "StopDate"))
    children.add(status, started, stopped, record["Name"], _items(record))


def _items(record: dict[str, Any]) -> str:
    try:
        batch = json.loads(record["Input"])["batch"]
        first, count = int(batch["first"]), int(batch["count"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f"{first}" if count == 1 else f"{first} to {first + count - 1}"


def _sample(record: dict[str, Any]) -> dict[str, str]:
    names = ("Input", "Output", "Error", "Cause")
    return {name: str(record[name])[:SAMPLE_CHARACTERS] for name in names if name in record}
