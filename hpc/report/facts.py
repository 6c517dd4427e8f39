"""Data of a report, read once: from the settings of a run to the histories of all executions that it started."""

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import botocore

from hpc.errors import CommandError, LostRunError
from hpc.json_objects import json_object
from hpc.report.phases import Axis, Phase, phases_of
from hpc.runs.child_times import Children, read_children
from hpc.runs.children import attempts
from hpc.runs.failed_items import FailedItems
from hpc.runs.failure_groups import Group, group_failures
from hpc.runs.jobs import jobs_by_id
from hpc.runs.memory_used import Used, peak_of_run
from hpc.runs.overview import read_part
from hpc.runs.run import Run
from hpc.runs.spent import Part, Spent, add_up
from hpc.runs.tree import Execution, Machine, Tree, read_tree, read_works
from hpc.targets.client import Target, explained
from hpc.targets.deployed import deployed
from hpc.targets.home import Home


@dataclass(frozen=True)
class Failures:
    """Failed items of all runs; ``is_known`` is false where nothing names them."""

    groups: dict[str, Group]
    failed: int
    not_computed: int
    is_known: bool


@dataclass(frozen=True)
class Facts:
    """Everything that the page shows.

    Attributes
    ----------
    spent : Spent or str
        Or why that is not known.
    attempts : dict
        Id of one of the slowest -> how often it was tried, where that is known.
    memory : Used or None
        What Compute used at most, where logs on this machine tell.
    """

    run: Run
    now: datetime
    tree: Tree
    parts: list[Part]
    failures: Failures
    spent: Spent | str
    attempts: dict[str, int]
    memory: Used | None = None
    versions: dict[str, str] = field(
        default_factory=lambda: {"Python": platform.python_version(), "botocore": botocore.__version__}
    )

    @property
    def root(self) -> Execution:
        return self.tree.root

    @property
    def seconds(self) -> float:
        return max(0.0, (self.root.end(self.now) - self.root.begin).total_seconds())

    @cached_property
    def phases(self) -> list[Phase]:
        return phases_of(self.root, self.now)

    @property
    def axis(self) -> Axis:
        return Axis(self.phases)

    @property
    def output(self) -> dict[str, Any]:
        """Output of the run, empty before it has one."""
        return json_object(self.root.described.get("output"))

    @property
    def status(self) -> str:
        """The execution's, but PARTIAL of a run that succeeded without some of its items."""
        return "PARTIAL" if self.output.get("complete") is False else self.root.status

    def children_of(self, machine: Machine) -> Children:
        """Return the children of all Map Runs of a machine's executions."""
        parts = (part for part in self.parts if part.work.machine == machine.name and not part.is_on_jobs)
        return Children().add_all(part.children for part in parts)

    def children(self, *, is_on_jobs: bool) -> Children:
        """Return all child executions, or all jobs."""
        return Children().add_all(part.children for part in self.parts if part.is_on_jobs is is_on_jobs)

    def sum_of(self, setting: str) -> int | None:
        """Return the sum of a setting over all runs, None before one of them has settings."""
        values = [part.settings[setting] for part in self.parts if setting in part.settings]
        return sum(values) if values else None


def collect(run: Run) -> Facts:
    """Ask for all that a report tells.

    Raises
    ------
    LostRunError
        If something of it can't be read.
    """
    target, now = run.target, datetime.now(UTC)
    with explained(LostRunError, "reading the run"):
        tree = read_tree(target, run.arn)
        parts = [read_part(target, work, now, read_children) for work in read_works(target, tree)]
        memory = peak_of_run(Home.from_environment().folder / "logs", run.name) if target.is_local else None
        spent, tries = _spent(target, tree, parts), _attempts(target, parts)
        return Facts(run, now, tree, parts, _failures(parts), spent, tries, memory)


def _failures(parts: list[Part]) -> Failures:
    every = [FailedItems(part.work.run, part.work.seen) for part in parts]
    groups = group_failures(item for items in every for item in items)
    return Failures(
        groups=groups,
        failed=sum(group.count for group in groups.values()),
        not_computed=sum(items.not_computed for items in every),
        is_known=all(items.is_known for items in every),
    )


def _attempts(target: Target, parts: list[Part]) -> dict[str, int]:
    children, jobs = (
        [slow.id for slow in Children().add_all(part.children for part in parts if part.is_on_jobs is on_jobs).slowest]
        for on_jobs in (False, True)
    )
    found = {child: attempts(target, child) for child in children if child}
    found |= {job["jobId"]: len(job["attempts"]) for job in jobs_by_id(target, jobs)}
    return {id_: count for id_, count in found.items() if count}


def _spent(target: Target, tree: Tree, parts: list[Part]) -> Spent | str:
    try:
        return add_up(target, tree, parts, deployed(target))
    except CommandError as error:
        return str(error)
