"""The part of the page about money: what a plan says of the run's settings beside what the run came to."""

from collections.abc import Callable

from hpc.planning.estimate import Estimate
from hpc.planning.ranges import CASES, Range
from hpc.planning.table import usd
from hpc.report.escape import escape
from hpc.report.facts import Facts
from hpc.report.html import html, table
from hpc.report.phases import IDLE
from hpc.runs.spent import Spent
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration

# Unit -> names of its prices.
UNITS = {
    "state transitions": ("state_transition",),
    "Express executions": ("express_request",),
    "Express GB-seconds": ("express_gb_second",),
    "Lambda requests": ("lambda_request",),
    "Lambda GB-seconds": ("lambda_gb_second",),
    "Fargate vCPU-hours": ("fargate_vcpu_hour", "fargate_spot_vcpu_hour"),
    "Fargate GB-hours": ("fargate_gb_hour", "fargate_spot_gb_hour"),
    "S3 requests": ("s3_put", "s3_get"),
}


def cost_section(facts: Facts) -> str:
    """Return the table, or why there is none."""
    spent = facts.spent
    if isinstance(spent, str):
        return f'<h2>Cost</h2><p class="dim">not known: {escape(spent)}</p>'
    head = ["", "plan", "this run", "plan, USD", "this run, USD"]
    text = " ".join(_remarks(facts, spent))
    return f'<h2>Cost</h2>{table(head, _rows(facts, spent), {1, 2, 3, 4})}<p class="dim">{html(text)}</p>'


def headline(facts: Facts) -> tuple[str, str]:
    """Return the amount in words, and what it is."""
    label = "on AWS it would cost" if facts.run.target.is_local else "estimated cost"
    if isinstance(facts.spent, str):
        return "unknown", label
    return f"${usd(facts.spent.ledger.usd(facts.spent.prices).expected)}", label


def _rows(facts: Facts, spent: Spent) -> list[list[str]]:
    rows = []
    if len(spent.quotes) == 1 and len(facts.parts) == 1:
        has_paused = any(phase.name == IDLE for phase in facts.phases)
        label = "duration without pauses" if has_paused else "duration"
        rows.append([label, _range(spent.quotes[0].seconds, duration), duration(facts.axis.seconds), "", ""])
    for label, names in UNITS.items():
        used = sum(units for name, units in spent.ledger.amounts.items() if name.startswith(names))
        quoted = sum(each.expected.of(*names) for each in spent.quotes)
        if used or quoted:
            own = sum(
                units * spent.prices[name].usd.expected
                for name, units in spent.ledger.amounts.items()
                if name.startswith(names)
            )
            planned = sum(
                line.expected for each in spent.quotes for name, line in each.lines.items() if name.startswith(names)
            )
            has_plan = bool(spent.quotes)
            rows.append(
                [label, _count(quoted) if has_plan else "", _count(used), usd(planned) if has_plan else "", usd(own)]
            )
    price = spent.ledger.usd(spent.prices)
    planned_usd = _range(_sum(spent.quotes), usd) if spent.quotes else ""
    return [*rows, ["USD, with what is not listed", "", "", planned_usd, _range(price, usd)]]


def _remarks(facts: Facts, spent: Spent) -> list[str]:
    so_far = " so far" if facts.root.status == "RUNNING" else ""
    prices = f"in {spent.prices.region}, at prices of {spent.prices.as_of}"
    if facts.run.target.is_local:
        said = [
            f"This run was on this machine and cost nothing. On AWS it would have cost{so_far} what stands here, "
            f"{prices}, with a vCPU as fast as a core of this machine."
        ]
    else:
        said = [f"Counted from executions, children and jobs{so_far}, {prices}; the bill itself is AWS's."]
    said.append(
        "The plan is what hpc plan says of the same settings and the mean time of an item in this run, from low to "
        "high; S3 requests and logs are the plan's in both."
    )
    where = "in the cloud assembly that was served last" if facts.run.target.is_local else "that are deployed now"
    said.append(f"Memory and processor of functions are those {where}, also of a run from before they were changed.")
    if spent.forgotten:
        said.append(f"Without the jobs of {spent.forgotten:,} of the runs in it, which AWS Batch has forgotten.")
    if facts.tree.unread:
        said.append(f"Without {counted(facts.tree.unread, 'execution')} not read.")
    if spent.unconfirmed:
        said.append(f"Prices that no source confirms: {', '.join(spent.unconfirmed)}.")
    return said


def _sum(quotes: list[Estimate]) -> Range:
    return Range(*(sum(each.usd.at(case) for each in quotes) for case in CASES))


def _range(value: Range, shown: Callable[[float], str]) -> str:
    low, expected, high = shown(value.low), shown(value.expected), shown(value.high)
    return expected if low == high else f"{expected} ({low} to {high})"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.3g}"
