"""All that a run started: nested executions by machine, and the runs of the pipeline among them."""

import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpc.runs.history import History, StartedJob, StateFacts, read_history
from hpc.runs.run import Run
from hpc.runs.watch import Seen
from hpc.targets.client import Target

# Histories that are read; of an orchestration with more executions the rest is counted by its parents' states only.
MAX_EXECUTIONS = 400
# Stack, path of constructs, hash of the path, and on AWS a suffix.
CONSTRUCT = re.compile(r"[A-Za-z0-9-]+?-(?P<path>\w+?)(StateMachine)?[0-9A-F]{8}(-\w{12})?")


@dataclass(frozen=True)
class Execution:
    """One execution, as DescribeExecution tells it, and what it did; ``parent`` is the name of what started it."""

    described: dict[str, Any]
    parent: str | None
    history: History

    @property
    def arn(self) -> str:
        return str(self.described["executionArn"])

    @property
    def name(self) -> str:
        return str(self.described["name"])

    @property
    def machine(self) -> str:
        """Name of its state machine."""
        return str(self.described["stateMachineArn"]).rpartition(":")[2]

    @property
    def status(self) -> str:
        return str(self.described["status"])

    @property
    def begin(self) -> datetime:
        start: datetime = self.described["startDate"]
        return start

    def end(self, now: datetime) -> datetime:
        """Return when it ended, or ``now`` if it goes on."""
        stop: datetime = self.described.get("stopDate") or now
        return stop


@dataclass
class Machine:
    """A state machine, and what its executions came to.

    Attributes
    ----------
    links : dict
        Name of a state -> names of the machines that it started.
    """

    name: str
    definition: dict[str, Any]
    statuses: Counter[str] = field(default_factory=Counter)
    states: dict[str, StateFacts] = field(default_factory=dict)
    links: dict[str, set[str]] = field(default_factory=dict)

    @property
    def short_name(self) -> str:
        """Return the name without what CDK and CloudFormation put around it, where they did."""
        match = CONSTRUCT.fullmatch(self.name)
        return match["path"] if match else self.name

    def add(self, execution: Execution) -> None:
        self.statuses[execution.status] += 1
        for name, facts in execution.history.states.items():
            self.states.setdefault(name, StateFacts()).add(facts)


@dataclass
class Tree:
    """The execution that was asked about, which is the first, and what it started, level by level.

    Attributes
    ----------
    machines : dict
        By name, in the order in which they were met.
    unread : int
        Executions that were found and not read.
    """

    executions: list[Execution] = field(default_factory=list)
    machines: dict[str, Machine] = field(default_factory=dict)
    unread: int = 0

    @property
    def root(self) -> Execution:
        return self.executions[0]


@dataclass(frozen=True)
class Work:
    """One run of the pipeline: its files, and the Map Run or the jobs that computed its batches."""

    run: Run
    seen: Seen
    definition: dict[str, Any]
    machine: str
    jobs: tuple[StartedJob, ...] = ()
    redriven: tuple[datetime, ...] = ()


def read_tree(target: Target, arn: str) -> Tree:
    """Read the execution and what it started; raises botocore's errors."""
    tree = Tree()
    waiting: deque[tuple[str, Execution | None, str]] = deque([(arn, None, "")])
    while waiting:
        found, parent, state = waiting.popleft()
        if len(tree.executions) == MAX_EXECUTIONS:
            tree.unread += 1
            continue
        described = target.stepfunctions.describe_execution(executionArn=found)
        execution = Execution(described, parent.name if parent else None, read_history(target, described))
        tree.executions.append(execution)
        if execution.machine not in tree.machines:
            tree.machines[execution.machine] = Machine(execution.machine, Run(target, found).definition())
        tree.machines[execution.machine].add(execution)
        if parent is not None:
            tree.machines[parent.machine].links.setdefault(state, set()).add(execution.machine)
        execution.history.states.clear()  # their data is long, and now the machine's
        waiting.extend((nested, execution, state) for state, nested in execution.history.executions)
    return tree


def read_works(target: Target, tree: Tree) -> list[Work]:
    """Return the runs of the pipeline; an execution that came to no batches and started nothing is one, too."""
    works = [work for execution in tree.executions for work in _works_of(target, execution, tree)]
    root = tree.root
    if works or root.history.executions:
        return works
    definition = tree.machines[root.machine].definition
    return [Work(Run(target, root.arn), Seen(root.described, None), definition, root.machine)]


def _works_of(target: Target, execution: Execution, tree: Tree) -> Iterator[Work]:
    definition = tree.machines[execution.machine].definition
    # Every redrive goes on with the Map Run that there is.
    for map_run_arn in dict.fromkeys(execution.history.map_runs):
        map_run = target.stepfunctions.describe_map_run(mapRunArn=map_run_arn)
        seen, redriven = Seen(execution.described, map_run), tuple(execution.history.redriven)
        yield Work(Run(target, execution.arn), seen, definition, execution.machine, redriven=redriven)
    folders: dict[str, list[StartedJob]] = {}
    for job in execution.history.jobs:
        folders.setdefault(job.folder, []).append(job)
    for folder, jobs in folders.items():
        run = Run(target, execution.arn, None if folder == execution.name else folder)
        yield Work(run, Seen(execution.described, None), definition, execution.machine, tuple(jobs))
