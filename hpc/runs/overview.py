"""A run and all that it started, at one moment of it: executions, children or jobs, and what that has cost so far."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hpc.errors import CommandError, LostRunError
from hpc.runs.child_times import Children, listed_children, read_children, read_jobs
from hpc.runs.children import began
from hpc.runs.jobs import count_leaves, jobs_by_id
from hpc.runs.run import Run
from hpc.runs.spent import Part, Spent, add_up
from hpc.runs.tree import Tree, Work, read_tree, read_works
from hpc.runs.watch import Counts
from hpc.targets.client import Target, explained
from hpc.targets.deployed import Deployed, deployed

# Times as long as a look took pass before the next one: a local run has few processors, an account few requests.
PAUSE_FACTOR = 10
ReadChildren = Callable[[Run, dict[str, Any], Sequence[datetime], datetime], Children]


@dataclass(frozen=True)
class Overview:
    """All parts of a run at one moment; ``spent`` may be the reason why the cost is not known."""

    tree: Tree
    parts: list[Part]
    spent: Spent | str

    @property
    def usd(self) -> float | None:
        return None if isinstance(self.spent, str) else self.spent.ledger.usd(self.spent.prices).expected

    @property
    def executions(self) -> dict[str, Counter[str]]:
        """Executions by machine and status, where the run started others."""
        if len(self.tree.executions) == 1:
            return {}
        return {machine.short_name: machine.statuses for machine in self.tree.machines.values()}

    @property
    def jobs(self) -> Counter[str]:
        """Containers of jobs by status."""
        return sum((count_leaves(job) for part in self.parts for job in part.jobs), Counter())

    def done_before_redrive(self, map_run: dict[str, Any]) -> int | None:
        """Return how many batches were done for good as a Map Run was last redriven, None if nothing tells.

        Express children that run tell no times, and an overview may be from before the redrive.
        """
        if not map_run.get("redriveCount"):
            return 0
        for part in self.parts:
            read = part.work.seen.map_run or {}
            if all(read.get(name) == map_run[name] for name in ("mapRunArn", "redriveCount")):
                if not part.children.statuses["SUCCEEDED"] and read["itemCounts"]["succeeded"]:
                    return None
                final = int(map_run["itemCounts"].get("failuresNotRedrivable", 0))
                return part.children.succeeded_before(began(map_run)) + final
        return None


class OverviewReader:
    """Reads overviews of one run, and gives the last one again where it is too early for the next."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._deployed: Deployed | None = None
        self._last: Overview | None = None
        self._due = 0.0

    def read(self, *, is_last: bool) -> Overview:
        """Return an overview, a new one if nothing comes after it.

        Raises
        ------
        LostRunError
            If the run can't be read.
        """
        began = time.monotonic()
        if self._last is None or is_last or began >= self._due:
            with explained(LostRunError, "reading the run"):
                self._last = self._read(self._run.target)
            ended = time.monotonic()
            self._due = ended + PAUSE_FACTOR * (ended - began)
        return self._last

    def _read(self, target: Target) -> Overview:
        now = datetime.now(UTC)
        tree = read_tree(target, self._run.arn)
        parts = [read_part(target, work, now, children_so_far) for work in read_works(target, tree)]
        try:
            self._deployed = self._deployed or deployed(target)
            return Overview(tree, parts, add_up(target, tree, parts, self._deployed))
        except CommandError as error:
            return Overview(tree, parts, str(error))


def read_part(target: Target, work: Work, now: datetime, read: ReadChildren) -> Part:
    """Read what computes a run's batches; ``read`` collects the children of a Map Run."""
    map_run = work.seen.map_run
    if map_run is not None:
        return Part(work, read(work.run, map_run, work.redriven, now), [])
    jobs = jobs_by_id(target, [job.job_id for job in work.jobs]) if work.jobs else []
    return Part(work, read_jobs(target, jobs, (work.run.settings or {}).get("batch_count", 0), now), jobs)


def children_so_far(run: Run, map_run: dict[str, Any], redriven: Sequence[datetime], now: datetime) -> Children:
    """Collect the children without their results, which may be long, where they can be listed."""
    if run.target.state is not None:
        children = read_children(run, map_run, redriven, now)
    else:
        children = listed_children(run.target, map_run, now)
    if not children.starts:
        children = read_children(run, map_run, redriven, now)
    if not children.starts:
        limit = os.cpu_count() if run.target.is_local else None
        children = supposed_children(Counts.of(map_run["itemCounts"]), began(map_run), now, limit)
    return children


def supposed_children(counts: Counts, begin: datetime, now: datetime, limit: int | None = None) -> Children:
    """Return children that took as long as those do that run now: Express ones tell no times before the end.

    Parameters
    ----------
    limit
        How many compute at a time at the most; None for all that run.
    """
    children = Children()
    started = counts.done + counts.running
    computing = counts.running if limit is None else min(limit, counts.running)
    end = begin + (now - begin) * computing / max(1, started)
    for _ in range(started):
        children.add("RUNNING", begin, end, "", "")
    return children
