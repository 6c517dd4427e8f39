"""The quote of a run that has been: what `hpc plan` says of its settings and the times that were measured."""

from collections.abc import Sequence

from hpc.planning.designs import Assumptions, Computation, Design, Quotas
from hpc.planning.estimate import Estimate, estimate
from hpc.planning.prices import Prices
from hpc.planning.ranges import Range


def quote(
    *,
    item_count: int,
    batch_count: int,
    seconds: Sequence[float],
    design: Design,
    assumptions: Assumptions,
    prices: Prices,
) -> Estimate | None:
    """Return the estimate of a design with the mean time of an item; None if nothing was measured.

    Parameters
    ----------
    seconds
        Of child executions, each of which computed a batch, or of the jobs that shared the batches; of a run that goes
        on or has failed, of those that there are.
    """
    if not seconds or item_count == 0:
        return None
    items_of_each = item_count / (batch_count if design.back_end == "lambda" else design.job_count or len(seconds))
    mean = sum(seconds) / len(seconds) * design.speed / items_of_each
    # The slowest item is taken to be what made the slowest one slower than the others.
    longest = max(mean, max(seconds) * design.speed - (items_of_each - 1) * mean)
    computation = Computation(
        item_count=item_count,
        seconds_per_item=Range.exactly(mean),
        longest_seconds=Range.exactly(longest),
        memory_mib=design.memory_mib,
    )
    return estimate(computation, design, Quotas(), assumptions, prices)
