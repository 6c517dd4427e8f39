"""Cost of a run so far, from the counts of its Map Run at each look."""

from dataclasses import dataclass

from hpc.planning.designs import MIB_PER_GB, Assumptions, Design
from hpc.planning.prices import Prices
from hpc.planning.usage import (
    BYTES_PER_GB,
    EXPRESS_GB,
    PARENT_TRANSITIONS,
)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """USD of a run, of a child that has started, and of a second of one that runs."""

    run: float
    child: float
    child_second: float

    @classmethod
    def of(cls, design: Design, assumptions: Assumptions, prices: Prices) -> "Rates":
        """Return the rates of a design, where a child takes one invocation in a warm environment."""
        usd = {name: price.usd.high for name, price in prices.by_name.items()}
        gb_second = usd[f"lambda_gb_second_{design.architecture}"]
        own_seconds = assumptions.overhead_seconds.expected * design.own_memory_mib / MIB_PER_GB
        transitions = 1.0
        child = usd["lambda_request"] + assumptions.log_bytes_per_child / BYTES_PER_GB * usd["log_gb"]
        child_second = design.memory_mib / MIB_PER_GB * gb_second
        if design.child_type == "EXPRESS":
            child += usd["express_request"]
            child_second += EXPRESS_GB * usd["express_gb_second"]
        else:
            transitions += design.states_per_call + design.closing_states
        return cls(
            run=PARENT_TRANSITIONS * usd["state_transition"] + own_seconds * gb_second,
            child=child + transitions * usd["state_transition"],
            child_second=child_second,
        )


class Meter:
    """Adds up what a run has spent; retries and second invocations are in the time of their child only."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._child_seconds = 0.0
        self._started = 0
        self._running = 0
        self._looked_at = 0.0

    def look(self, *, started: int, running: int, seconds: float) -> None:
        """Take the counts of a look, ``seconds`` after the first one.

        Between two looks as many children are taken to have run as at the one of them that had more.
        """
        self._child_seconds += max(self._running, running) * max(0.0, seconds - self._looked_at)
        self._started = max(self._started, started)
        self._running, self._looked_at = running, seconds

    @property
    def usd(self) -> float:
        rates = self._rates
        return rates.run + self._started * rates.child + self._child_seconds * rates.child_second
