"""A plan as a person or a script reads it."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hpc.planning.advice import Plan, design_label
from hpc.planning.designs import ORIGINAL_MAX_ITEMS, Computation, Design
from hpc.planning.estimate import Estimate
from hpc.planning.prices import Prices
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration
from hpc.terminal.printable import printable

HEADINGS = ("design", "batches", "transitions", "GB-s", "S3", "vCPU-h", "USD", "low", "high", "time")


def document(plan: Plan, computation: Computation, prices: Prices, notes: Sequence[str]) -> dict[str, Any]:
    """Return the plan as JSON.

    Shape::

        {"computation": {...}, "region": str, "prices_as_of": "YYYY-MM-DD", "unconfirmed_prices": [str, ...],
         "designs": [<estimate>, ...], "refused": [{"design": {...}, "reason": str}, ...],
         "recommended": <estimate> or null, "reason": str, "original": <estimate> or null, "notes": [str, ...]}

    An estimate has ``design``, ``usd`` and ``seconds`` (each low, expected, high), ``batch_count``, ``children``,
    ``vcpu_hours``, ``amounts`` and ``usd_by_price``.
    """
    return {
        "computation": asdict(computation),
        "region": prices.region,
        "prices_as_of": prices.as_of,
        "unconfirmed_prices": unconfirmed(plan, prices),
        "designs": [_estimate_document(each) for each in plan.shown],
        "refused": [{"design": asdict(design), "reason": reason} for design, reason in plan.refused],
        "recommended": _estimate_document(plan.recommended) if plan.recommended else None,
        "reason": plan.reason,
        "original": _estimate_document(plan.original) if plan.original else None,
        "notes": list(notes),
    }


def _estimate_document(estimate: Estimate) -> dict[str, Any]:
    usage = estimate.expected
    return {
        "design": asdict(estimate.design),
        "usd": asdict(estimate.usd),
        "seconds": asdict(estimate.seconds),
        "batch_count": usage.batch_count,
        "children": usage.children,
        "vcpu_hours": usage.vcpu_hours,
        "amounts": dict(usage.amounts),
        "usd_by_price": {name: line.expected for name, line in estimate.lines.items()},
    }


def unconfirmed(plan: Plan, prices: Prices) -> list[str]:
    """Return the prices in use that no source confirms."""
    used = {name for each in plan.shown for name in each.lines}
    return sorted(name for name in used if not prices[name].confirmed)


def rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return a row of text for each design, the article's last; ``*`` marks the recommended one."""
    shown = [_row(each, design_label(each.design), is_marked=each is plan.recommended) for each in plan.shown]
    if plan.original is not None:
        shown.append(_row(plan.original, "article: 1 a batch, 4,092 MB x86", is_marked=False))
    return shown


def _row(estimate: Estimate, name: str, *, is_marked: bool) -> tuple[str, ...]:
    usage = estimate.expected
    return (
        f"{'*' if is_marked else ' '} {name}",
        f"{usage.batch_count:,}",
        f"{usage.of('state_transition'):,.0f}",
        f"{usage.of('lambda_gb_second'):,.0f}",
        f"{usage.of('s3_put', 's3_get'):,.0f}",
        f"{usage.vcpu_hours:,.2f}",
        usd(estimate.usd.expected),
        usd(estimate.usd.low),
        usd(estimate.usd.high),
        duration(estimate.seconds.expected),
    )


def usd(value: float) -> str:
    """Return an amount with two digits that say something, however small it is."""
    if value >= 1:
        return f"{value:,.2f}"
    decimals = 4 if value == 0 else max(4, 1 - math.floor(math.log10(value)))
    return f"{value:.{decimals}f}"


# Source: Step Functions quotas, "Maximum execution time".
SECONDS_PER_YEAR = 365 * 24 * 3_600
ABSURD_SECONDS = SECONDS_PER_YEAR


def lines(plan: Plan, computation: Computation, prices: Prices, notes: Sequence[str]) -> list[str]:
    """Return the plan as plain text."""
    return [_headline(computation, prices), "", *align([HEADINGS, *rows(plan)]), "", *remarks(plan, prices, notes)]


def align(table: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines: the first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in table
    ]


def show_table(plan: Plan, computation: Computation, prices: Prices, notes: Sequence[str]) -> None:
    """Print the plan on a terminal."""
    from rich.console import Console  # noqa: PLC0415 - a plan without a terminal need not wait for it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if number == 0 else "right", no_wrap=number > 0)
    for row in rows(plan):
        table.add_row(*map(Text, row), style="bold green" if row[0].startswith("*") else "")
    console = Console()
    console.print(Text(_headline(computation, prices)))
    console.print(table)
    for line in remarks(plan, prices, notes):
        console.print(Text(printable(line)))


def _headline(computation: Computation, prices: Prices) -> str:
    seconds = computation.seconds_per_item
    times = f"{_figure(seconds.expected)} s"
    if seconds.low != seconds.high:
        times += f" ({_figure(seconds.low)} to {_figure(seconds.high)})"
    return (
        f"{counted(computation.item_count, 'item')} of {times} on one vCPU, the slowest "
        f"{_figure(computation.longest_seconds.expected)} s; {prices.region}, prices of {prices.as_of}"
    )


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.4g}"


def remarks(plan: Plan, prices: Prices, notes: Sequence[str]) -> list[str]:
    """Return what stands below the table."""
    shown = []
    if plan.recommended is not None:
        if plan.recommended.seconds.expected > ABSURD_SECONDS:
            shown.append(
                f"that is {plan.recommended.seconds.expected / SECONDS_PER_YEAR:,.1f} years: no run takes so long (an "
                "execution of Step Functions ends after one): make fewer or quicker items"
            )
        shown += [f"recommended: {design_label(plan.recommended.design)}: {plan.reason}"]
        shown += [f"  {line}" for line in how_to(plan.recommended.design)]
        if plan.original is not None:
            shown.append(f"  {beside(plan.recommended, plan.original)}")
            if plan.original.expected.batch_count > ORIGINAL_MAX_ITEMS:
                shown.append(f"  (it could not start: its state holds about {ORIGINAL_MAX_ITEMS:,} items)")
    else:
        shown.append(f"recommended: none, {plan.reason}")
    if plan.why_original_infeasible is not None:
        shown.append(f"the article's design can't run it: {plan.why_original_infeasible}")
    shown += [f"left out: {text}" for text in left_out(plan)]
    if names := unconfirmed(plan, prices):
        shown.append(f"prices not confirmed: {', '.join(names)}")
    return [*shown, *notes]


def how_to(design: Design) -> list[str]:
    """Return the settings and options that give a design."""
    settings = (
        f"hpc:child_type={design.child_type} hpc:compute_memory_mib={design.memory_mib} "
        f"hpc:architecture={design.architecture}"
    )
    if design.child_type == "EXPRESS":
        settings += f" hpc:compute_timeout_seconds={design.compute_timeout_seconds:g}"
    options = f"--batch-size {design.batch_size} --max-concurrency {design.max_concurrency}"
    if design.back_end != "lambda":
        spot = str(design.back_end == "fargate_spot").lower()
        settings = (
            f"hpc:batch=true hpc:batch_spot={spot} hpc:batch_vcpus={design.vcpus:g} "
            f"hpc:batch_memory_mib={design.memory_mib} hpc:batch_architecture={design.architecture}"
        )
        options = f"--back-end batch --batch-size {design.batch_size}"
    return [f"settings: {settings}", f"hpc run --aws: {options}"]


def beside(ours: Estimate, original: Estimate) -> str:
    """Return how the article's design compares."""
    dearer = original.usd.expected / ours.usd.expected
    slower = original.seconds.expected / ours.seconds.expected
    return (
        f"the article's design costs {dearer:.2g} times as much (${usd(original.usd.expected)}, "
        f"{original.expected.of('lambda_gb_second'):,.0f} GB-s) and takes {slower:.2g} times as long"
    )


def left_out(plan: Plan) -> list[str]:
    """Return one line for each reason and kind of design, with the first design that it is about."""
    first: dict[tuple[str, str], str] = {}
    for design, reason in plan.refused:
        first.setdefault((design.back_end, design.child_type), f"{design_label(design)}: {reason}")
    counts = {key: sum((each.back_end, each.child_type) == key for each, _ in plan.refused) for key in first}
    return [text + (f" (and {counts[key] - 1} more)" if counts[key] > 1 else "") for key, text in first.items()]


def to_json(plan: Plan, computation: Computation, prices: Prices, notes: Sequence[str]) -> str:
    return json.dumps(document(plan, computation, prices, notes))
