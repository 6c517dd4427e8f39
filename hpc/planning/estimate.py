"""Estimates: usage times prices, for the low, the expected and the high case of one design."""

from collections.abc import Mapping
from dataclasses import dataclass

from hpc.planning.designs import Assumptions, Computation, Design, Quotas
from hpc.planning.prices import Prices
from hpc.planning.ranges import CASES, Case, Range
from hpc.planning.usage import Usage, usage_of


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Cost and duration of a design."""

    design: Design
    usages: Mapping[Case, Usage]
    usd: Range
    lines: Mapping[str, Range]

    @property
    def expected(self) -> Usage:
        return self.usages["expected"]

    @property
    def seconds(self) -> Range:
        return Range(*(self.usages[case].seconds for case in CASES))


def bill(usage: Usage, prices: Prices, case: Case) -> dict[str, float]:
    """Return USD by name of price."""
    return {name: amount * prices[name].usd.at(case) for name, amount in usage.amounts.items()}


def estimate(
    computation: Computation, design: Design, quotas: Quotas, assumptions: Assumptions, prices: Prices
) -> Estimate:
    """Return the estimate of one design that can run the computation."""
    usages: dict[Case, Usage] = {case: usage_of(computation, design, quotas, assumptions, case) for case in CASES}
    bills = [bill(usages[case], prices, case) for case in CASES]
    lines = {name: Range(*(each[name] for each in bills)) for name in bills[0]}
    totals = Range(*(sum(each.values()) for each in bills))
    return Estimate(design=design, usages=usages, usd=totals, lines=lines)
