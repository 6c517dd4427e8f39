"""Advice: the designs worth comparing, and which of them to take."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from hpc.contract.default_batches import MOST, default_batch_size
from hpc.contract.limits import MAX_BATCH_COUNT
from hpc.planning.designs import (
    MIB_PER_GB,
    MIB_PER_VCPU,
    Assumptions,
    BackEnd,
    Computation,
    Design,
    Quotas,
    original_design,
)
from hpc.planning.estimate import Estimate, estimate
from hpc.planning.prices import Prices
from hpc.planning.usage import SECONDS_PER_HOUR, job_slots, why_infeasible
from hpc.terminal.durations import duration

# Batch counts that a plan always shows, and those among which it searches: on a logarithmic grid, since what a count
# changes goes by its ratio.
SHOWN_COUNTS = (MAX_BATCH_COUNT, MOST, 250)
GRID_POINTS = 60
SEARCHED_COUNTS = frozenset(round(MAX_BATCH_COUNT ** (point / (GRID_POINTS - 1))) for point in range(GRID_POINTS))
# The longest compute time-out that Express children take (docs/reference/configuration.md, "Child type").
EXPRESS_TIMEOUT_SECONDS = 231
# vCPUs of a job on Fargate, smallest and largest memory in MiB.  Source: AWS Batch API reference, ResourceRequirement.
JOB_SIZES = ((1, 2_048, 8_192), (2, 4_096, 16_384), (4, 8_192, 30_720))


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Options of a plan that the person has fixed.

    Attributes
    ----------
    batch_size
        None lets the plan choose.
    usd_per_hour
        What it is worth to have the result an hour earlier.
    """

    batch_size: int | None = None
    max_concurrency: int = 500
    architecture: str = "arm64"
    usd_per_hour: float = 1


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Estimates in the order of their expected price, the one to take, and the article's design beside them.

    ``shown`` are those with the usual batch counts, the recommended one, the cheapest and the fastest.
    """

    estimates: tuple[Estimate, ...]
    shown: tuple[Estimate, ...]
    refused: tuple[tuple[Design, str], ...]
    recommended: Estimate | None
    reason: str
    original: Estimate | None
    why_original_infeasible: str | None


def make_plan(
    computation: Computation, options: PlanOptions, quotas: Quotas, assumptions: Assumptions, prices: Prices
) -> Plan:
    """Estimate designs of many batch counts, and recommend one."""
    estimates: list[Estimate] = []
    refused: list[tuple[Design, str]] = []
    for design in candidates(computation, options):
        why_not = why_infeasible(computation, design, quotas)
        if why_not is None:
            estimates.append(estimate(computation, design, quotas, assumptions, prices))
        else:
            refused.append((design, why_not))
    estimates.sort(key=lambda each: (each.usd.expected, each.seconds.expected))
    recommended = recommend(estimates, options.usd_per_hour)
    # The article's design has the quotas of today, and as much concurrency as they give.
    original = original_design()
    why_not = why_infeasible(computation, original, quotas)
    return Plan(
        estimates=tuple(estimates),
        shown=tuple(_shown(estimates, recommended, usual_sizes(computation.item_count, options.batch_size))),
        refused=tuple(refused),
        recommended=recommended,
        reason=reason_for(recommended, estimates, options, quotas) if recommended else "no design can run it",
        original=None if why_not else estimate(computation, original, quotas, assumptions, prices),
        why_original_infeasible=why_not,
    )


def _shown(estimates: Sequence[Estimate], recommended: Estimate | None, usual: set[int]) -> Iterator[Estimate]:
    """Yield the estimates to show of those in the order of their price."""
    fastest = min(estimates, key=lambda each: each.seconds.expected, default=None)
    for position, each in enumerate(estimates):
        if position == 0 or each is recommended or each is fastest or each.design.batch_size in usual:
            yield each


def candidates(computation: Computation, options: PlanOptions) -> list[Design]:
    """Return the designs to compare."""
    designs = []
    for size in batch_sizes(computation.item_count, options.batch_size):
        for memory in memory_sizes(computation.memory_mib):
            standard = Design(
                architecture=options.architecture,
                batch_size=size,
                memory_mib=memory,
                max_concurrency=options.max_concurrency,
            )
            express = replace(standard, child_type="EXPRESS", compute_timeout_seconds=EXPRESS_TIMEOUT_SECONDS)
            designs += [standard, express]
    return designs + _job_designs(computation, options)


def usual_sizes(item_count: int, wished: int | None) -> set[int]:
    """Return the batch sizes that a plan shows, whatever they cost."""
    return {wished} if wished is not None else _sizes(item_count, SHOWN_COUNTS)


def batch_sizes(item_count: int, wished: int | None) -> list[int]:
    """Return the batch sizes to compare, smallest first."""
    usual = usual_sizes(item_count, wished)
    return sorted(usual if wished is not None else usual | _sizes(item_count, SEARCHED_COUNTS))


def _sizes(item_count: int, batch_counts: Iterable[int]) -> set[int]:
    return {max(1, -(-item_count // count)) for count in batch_counts}


def memory_sizes(needed_mib: int) -> list[int]:
    """Return what is needed and, where that is less than a vCPU comes with, a whole vCPU."""
    return sorted({needed_mib, max(needed_mib, MIB_PER_VCPU)})


def _job_designs(computation: Computation, options: PlanOptions) -> list[Design]:
    # Jobs compute one item at a time: more vCPUs only bring more memory, so that the first size that has it is taken.
    size = next((size for size in JOB_SIZES if computation.memory_mib <= size[2]), None)
    if size is None:
        return []
    vcpus, smallest, _ = size
    back_ends: tuple[BackEnd, ...] = ("fargate", "fargate_spot")
    return [
        Design(
            back_end=back_end,
            architecture=options.architecture,
            batch_size=options.batch_size or default_batch_size(computation.item_count),
            memory_mib=max(smallest, -(-computation.memory_mib // MIB_PER_GB) * MIB_PER_GB),
            vcpus=vcpus,
            max_concurrency=options.max_concurrency,
        )
        for back_end in back_ends
    ]


def recommend(estimates: Sequence[Estimate], usd_per_hour: float) -> Estimate | None:
    """Return the design with the least sum of price and time, an hour of it taken as ``usd_per_hour``."""
    if not estimates:
        return None
    return min(estimates, key=lambda each: each.usd.expected + usd_per_hour * each.seconds.expected / SECONDS_PER_HOUR)


def reason_for(chosen: Estimate, estimates: Sequence[Estimate], options: PlanOptions, quotas: Quotas) -> str:
    """Return why, and what holds it back."""
    cheapest = min(estimates, key=lambda each: each.usd.expected)
    fastest = min(estimates, key=lambda each: each.seconds.expected)
    rule = f"least price and time together, an hour counted as ${options.usd_per_hour:g}"
    others = [
        f"{text} is {design_label(each.design)}: {duration(each.seconds.expected)} for ${each.usd.expected:.3g}"
        for text, each in (("cheapest", cheapest), ("fastest", fastest))
        if each is not chosen
    ]
    return "; ".join([rule, *(others or ["both the cheapest and the fastest"]), _what_limits(chosen, quotas)])


def design_label(design: Design) -> str:
    """Return a design in a few words."""
    if design.back_end != "lambda":
        spot = " Spot" if design.back_end == "fargate_spot" else ""
        return f"Fargate{spot} with {design.vcpus:g} vCPU"
    kind = "Express" if design.child_type == "EXPRESS" else "Standard"
    return f"{kind}, {design.batch_size:,} a batch, {design.memory_mib:,} MiB"


def _what_limits(chosen: Estimate, quotas: Quotas) -> str:
    design, usage = chosen.design, chosen.expected
    if design.back_end != "lambda":
        return f"{job_slots(design, quotas)} jobs at a time, by the quota of {quotas.fargate_vcpus:g} Fargate vCPUs"
    rate = quotas.starts_per_second(design.child_type)
    concurrency = min(design.max_concurrency, quotas.lambda_concurrency)
    if usage.children / rate > usage.seconds / 2:
        return f"most of its time goes by starting children, {rate:,.0f} a second"
    if usage.children > concurrency:
        return f"{concurrency:,} children at a time are its limit"
    return f"all {usage.children:,} children run at once"
