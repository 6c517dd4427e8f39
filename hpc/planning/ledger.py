"""Usage of a run, added up in the units that AWS bills."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hpc.planning.designs import MIB_PER_GB, Design
from hpc.planning.prices import Prices
from hpc.planning.ranges import CASES, Range
from hpc.planning.usage import EXPRESS_GB, EXPRESS_STEP_SECONDS, MIN_JOB_SECONDS, SECONDS_PER_HOUR


@dataclass
class Ledger:
    """Units by name of price; times are measured, and so are what they are."""

    amounts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, amounts: Mapping[str, float]) -> None:
        for name, amount in amounts.items():
            self.amounts[name] += amount

    def add_transitions(self, count: float) -> None:
        self.amounts["state_transition"] += count

    def add_calls(self, seconds: Iterable[float], *, memory_mib: int, architecture: str) -> None:
        """Add invocations of a Lambda function."""
        given = list(seconds)
        self.amounts["lambda_request"] += len(given)
        self.amounts[f"lambda_gb_second_{architecture}"] += sum(given) * memory_mib / MIB_PER_GB

    def add_children(self, seconds: Iterable[float], design: Design) -> None:
        """Add child executions, each of which invoked its function as often as its time-out asks for."""
        given = list(seconds)
        calls = [max(1, math.ceil(each / design.compute_timeout_seconds)) for each in given]
        self.add_calls(given, memory_mib=design.memory_mib, architecture=design.architecture)
        self.amounts["lambda_request"] += sum(calls) - len(given)
        if design.child_type == "EXPRESS":
            steps = sum(max(1, math.ceil(round(each / EXPRESS_STEP_SECONDS, 6))) for each in given)
            self.add_transitions(len(given))
            self.amounts["express_request"] += len(given)
            self.amounts["express_gb_second"] += steps * EXPRESS_STEP_SECONDS * EXPRESS_GB
        else:
            self.add_transitions(len(given) * (1 + design.closing_states) + sum(calls) * design.states_per_call)

    def add_jobs(self, seconds: Iterable[float], design: Design) -> None:
        """Add jobs on Fargate, with the address that each has."""
        hours = sum(max(each, MIN_JOB_SECONDS) for each in seconds) / SECONDS_PER_HOUR
        spot = "_spot" if design.back_end == "fargate_spot" else ""
        self.amounts[f"fargate{spot}_vcpu_hour_{design.architecture}"] += hours * design.vcpus
        self.amounts[f"fargate{spot}_gb_hour_{design.architecture}"] += hours * design.memory_mib / MIB_PER_GB
        self.amounts["public_ipv4_hour"] += hours

    def usd(self, prices: Prices) -> Range:
        """Return what that costs; a range where a price is one."""
        return Range(*(sum(each * prices[name].usd.at(case) for name, each in self.amounts.items()) for case in CASES))
