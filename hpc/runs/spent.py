"""Usage and cost of a run: from its executions, children and jobs to units and USD."""

from dataclasses import dataclass, replace
from typing import Any

from hpc.contract.limits import MAX_CONCURRENCY
from hpc.planning.designs import ASSUMPTIONS, Design
from hpc.planning.estimate import Estimate
from hpc.planning.ledger import Ledger
from hpc.planning.prices import Prices, read_prices
from hpc.planning.quote import quote
from hpc.runs.child_times import Children
from hpc.runs.run_design import job_design, map_design
from hpc.runs.tree import Tree, Work
from hpc.targets.client import Target
from hpc.targets.deployed import Deployed

# The model's, because nothing counts them.
MODELLED = ("s3_put", "s3_get", "log_gb")


@dataclass(frozen=True)
class Part:
    """One run of the pipeline and what computed its batches.

    Attributes
    ----------
    children : Children
        Child executions or, where ``is_on_jobs``, containers of jobs.
    jobs : list of dict
        Jobs that DescribeJobs knows; it forgets a job after 7 days.
    """

    work: Work
    children: Children
    jobs: list[dict[str, Any]]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings in run.json, empty before Start has written it."""
        return self.work.run.settings or {}

    @property
    def is_on_jobs(self) -> bool:
        return bool(self.work.jobs) or self.settings.get("back_end", "lambda") != "lambda"

    @property
    def batch_size(self) -> int:
        items, batches = int(self.settings.get("item_count", 0)), int(self.settings.get("batch_count", 1))
        return max(1, -(-items // max(1, batches)))

    def design(self, deployed: Deployed) -> Design | None:
        """Return how the batches were computed, None if nothing is known of it."""
        if self.is_on_jobs:
            return job_design(self.jobs[-1], deployed, batch_size=self.batch_size) if self.jobs else None
        map_run = self.work.seen.map_run
        if map_run is None:
            return None
        concurrency = map_run["maxConcurrency"]
        return map_design(
            self.work.definition, deployed, batch_size=self.batch_size, max_concurrency=concurrency or MAX_CONCURRENCY
        )


@dataclass(frozen=True)
class Spent:
    """Units, their price, and beside them what a plan says of the same runs.

    Attributes
    ----------
    quotes : list of Estimate
        One for each run of which something was measured.
    forgotten : int
        Runs on jobs that AWS Batch has forgotten, which are not in the figures.
    """

    prices: Prices
    ledger: Ledger
    quotes: list[Estimate]
    forgotten: int

    @property
    def unconfirmed(self) -> list[str]:
        """Prices in use that no source confirms."""
        return sorted(name for name, units in self.ledger.amounts.items() if units and not self.prices[name].confirmed)


def add_up(target: Target, tree: Tree, parts: list[Part], deployed: Deployed) -> Spent:
    """Add up what a run and all that it started have used.

    Raises
    ------
    LostRunError, NotStartedError
        If a size or a price is not known.
    """
    prices = read_prices(str(target.session.region_name))
    spent = Spent(prices, Ledger(), [], 0)
    for execution in tree.executions:
        spent.ledger.add_transitions(execution.history.transitions)
        for function, seconds in execution.history.calls.items():
            size = deployed.function(function)
            spent.ledger.add_calls(seconds, memory_mib=size.memory_mib, architecture=size.architecture)
    return replace(spent, forgotten=sum(not _add_part(spent, part, deployed) for part in parts))


def _add_part(spent: Spent, part: Part, deployed: Deployed) -> bool:
    """Add a run's children; return whether anything is known of what there is."""
    design = part.design(deployed)
    if design is None:
        return not part.work.jobs
    seconds = part.children.durations()
    if part.is_on_jobs:
        spent.ledger.add_jobs(seconds, design)
    else:
        spent.ledger.add_children(seconds, design)
    quoted = quote(
        item_count=part.settings.get("item_count", 0),
        batch_count=part.settings.get("batch_count", 0),
        seconds=seconds,
        design=design,
        assumptions=ASSUMPTIONS,
        prices=spent.prices,
    )
    if quoted is not None:
        spent.quotes.append(quoted)
        spent.ledger.add({name: quoted.expected.amounts.get(name, 0) for name in MODELLED})
    return True
