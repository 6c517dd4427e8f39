"""`hpc run --aws --max-usd X`: an estimate before the start, and what is spent while the run goes on."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpc.commands.inputs import execution_input
from hpc.commands.plan import count_in_file
from hpc.contract.default_batches import default_batch_size
from hpc.errors import LostRunError, NotStartedError
from hpc.planning.designs import ASSUMPTIONS, Computation, Design, Quotas
from hpc.planning.estimate import estimate
from hpc.planning.prices import Prices, read_prices
from hpc.planning.ranges import Range
from hpc.planning.spending import Meter, Rates
from hpc.planning.workload import functions_of
from hpc.runs.run_design import map_design
from hpc.runs.watch import Counts
from hpc.targets.client import Target, explained
from hpc.targets.deployed import OnAws
from hpc.targets.home import Home
from hpc.terminal.console import say
from hpc.terminal.counter import counted


@dataclass
class Budget:
    """The limit of one run."""

    max_usd: float
    meter: Meter
    # None where the number of items is not known before the start.
    expected_usd: float | None = None
    is_passed: bool = field(default=False, init=False)

    def guard(
        self, show: Callable[[Counts | None, float], None], stop: Callable[[str], None]
    ) -> Callable[[Counts | None, float], None]:
        """Return what shows counts as ``show`` does, and stops the run once when it has spent the limit."""

        def guarded(counts: Counts | None, seconds: float) -> None:
            show(counts, seconds)
            if counts is None:
                return
            self.meter.look(started=counts.done + counts.running, running=counts.running, seconds=seconds)
            if self.meter.usd > self.max_usd and not self.is_passed:
                self.is_passed = True
                stop(f"about ${self.meter.usd:.4g} are spent, --max-usd is ${self.max_usd:g}")

        return guarded


def open_budget(args: argparse.Namespace, target: Target, home: Home) -> Budget:
    """Return the limit of a run that may start.

    Raises
    ------
    NotStartedError
        If the run is expected to cost more, or there is no telling.
    """
    if not args.max_usd > 0:
        raise NotStartedError(f"--max-usd must be over 0, got {args.max_usd:g}")
    prices = read_prices(str(target.session.region_name))
    given = json.loads(execution_input(args, None))
    if not isinstance(given, dict):
        raise NotStartedError("--input must be a JSON object")
    if given.get("back_end", "lambda") != "lambda":
        raise NotStartedError(f"--max-usd knows runs on AWS Lambda only, got the back end {given['back_end']}")
    item_count = count_items(given, args, home)
    design = deployed_design(target, _batch_size(given, item_count))
    if item_count is None:
        say("the number of items is not known before the start: --max-usd is held while the run goes on")
        expected_usd = None
    else:
        expected_usd = check_estimate(args, item_count, design, prices)
    return Budget(args.max_usd, Meter(Rates.of(design, ASSUMPTIONS, prices)), expected_usd)


def check_estimate(args: argparse.Namespace, item_count: int, design: Design, prices: Prices) -> float:
    """Return what a run is expected to cost; without times, what its children alone do.

    Raises
    ------
    NotStartedError
        If that is more than the limit.
    """
    seconds = args.seconds or Range.exactly(0)
    computation = Computation(
        item_count=item_count, seconds_per_item=seconds, longest_seconds=seconds, memory_mib=design.memory_mib
    )
    found = estimate(computation, design, Quotas(), ASSUMPTIONS, prices)
    kind = "is expected to cost" if args.seconds else "costs at the least, items that take no time,"
    text = (
        f"the run {kind} ${found.usd.expected:.4g} (${found.usd.low:.4g} to ${found.usd.high:.4g}): "
        f"{counted(found.expected.batch_count, 'batch')}, {found.expected.of('lambda_gb_second'):,.0f} GB-s"
    )
    if found.usd.expected > args.max_usd:
        raise NotStartedError(f"{text}; --max-usd is ${args.max_usd:g}")
    say(text)
    return found.usd.expected


def deployed_design(target: Target, batch_size: int) -> Design:
    """Return how the deployed stack runs batches: its definition and its Compute function say so.

    Raises
    ------
    NotStartedError
        If they don't.
    """
    with explained(NotStartedError, "asking what is deployed"):
        machine = target.stepfunctions.describe_state_machine(stateMachineArn=target.state_machine_arn)
    try:
        return map_design(
            json.loads(machine["definition"]),
            OnAws(target),
            batch_size=batch_size,
            max_concurrency=Design().max_concurrency,
        )
    except LostRunError as error:
        raise NotStartedError(str(error)) from error


def count_items(given: dict[str, Any], args: argparse.Namespace, home: Home) -> int | None:
    """Return the number of items that an execution input gives, None if only Start will know it."""
    if args.items is not None:
        return count_in_file(Path(args.items))
    if isinstance(given.get("items"), list):
        return len(given["items"])
    size, workload = given.get("size"), given.get("workload")
    if not isinstance(size, int) or size < 0 or not isinstance(workload, str | None):
        return None
    # A workload that makes its own items may make any number of them of a size.
    functions = functions_of(workload, None, home)
    return None if functions is None or "items" in functions else size


def _batch_size(given: dict[str, Any], item_count: int | None) -> int:
    wished = given.get("batch_size")
    if isinstance(wished, int) and wished > 0:
        return wished
    return default_batch_size(item_count or 0)
