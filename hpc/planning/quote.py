"""The quote of a run that has been: what `hpc plan` says of its settings and the times that were measured."""

from collections.abc import Sequence
from dataclasses import dataclass

from hpc.planning.designs import Assumptions, Computation, Design, Quotas
from hpc.planning.estimate import Estimate, estimate
from hpc.planning.prices import Prices
from hpc.planning.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one run of the pipeline came to.

    Attributes
    ----------
    seconds : sequence of float
        Of each child execution or job that computed a part of it.
    """

    item_count: int
    batch_count: int
    seconds: Sequence[float]


def batch_size(measured: Measured) -> int:
    return max(1, -(-measured.item_count // max(1, measured.batch_count)))


def quote(measured: Measured, design: Design, assumptions: Assumptions, prices: Prices) -> Estimate | None:
    """Return the estimate of a design with the mean time of an item; None if nothing was measured."""
    if not measured.seconds or measured.item_count == 0:
        return None
    mean = sum(measured.seconds) * design.speed / measured.item_count
    # The slowest item is taken to be the one that made the slowest batch slower than others.
    others = (measured.item_count / len(measured.seconds) - 1) * mean
    longest = max(mean, max(measured.seconds) * design.speed - others)
    computation = Computation(
        item_count=measured.item_count,
        seconds_per_item=Range.exactly(mean),
        longest_seconds=Range.exactly(longest),
        memory_mib=int(design.memory_mib),
    )
    return estimate(computation, design, Quotas(), assumptions, prices)
