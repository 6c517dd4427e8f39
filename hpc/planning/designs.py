"""Inputs of a plan: the computation, a design to run it with, the account's quotas, and assumptions about AWS."""

from dataclasses import dataclass
from typing import Literal

from hpc.contract.limits import MAX_CONCURRENCY, MAX_FUNCTION_TIMEOUT_SECONDS
from hpc.planning.ranges import Case, Range

BackEnd = Literal["lambda", "fargate", "fargate_spot"]
ChildType = Literal["STANDARD", "EXPRESS"]

# Source: Lambda developer guide, "Configure Lambda function memory".
MIB_PER_VCPU = 1_769
MIB_PER_GB = 1_024
# Of the stack's functions, whatever its settings.
START_AND_SUM_MEMORY_MIB = 1_769
# Source: Lambda quotas, "Function memory allocation".
MAX_LAMBDA_MIB = 10_240


@dataclass(frozen=True, kw_only=True)
class Computation:
    """Items and what one of them takes on one whole vCPU.

    Attributes
    ----------
    seconds_per_item
        Mean.
    longest_seconds
        Time of the slowest item.
    memory_mib
        What Compute needs.
    item_bytes
        Length of an item in items.jsonl, 0 where items are a range.
    result_bytes
        Length of an item's result, 0 where results are combined to something short.
    """

    item_count: int
    seconds_per_item: Range
    longest_seconds: Range
    memory_mib: int = MIB_PER_VCPU
    item_bytes: float = 0
    result_bytes: float = 0

    def batch_count(self, batch_size: int) -> int:
        """Return the number of batches; of no items there is one, which is empty."""
        return max(1, -(-self.item_count // batch_size))


@dataclass(frozen=True, kw_only=True)
class Design:
    """One way to run it.

    Attributes
    ----------
    states_per_call, closing_states
        State transitions of a Standard child for each call of Compute, and once at its end.
    vcpus
        vCPUs of a job on Fargate; on Lambda, they follow from the memory.
    job_count
        Children of the array job; None leaves their number to the plan.
    own_memory_mib
        Of Start and Sum, on average.
    is_logged
        Whether the state machine has an execution log.
    """

    name: str = ""
    back_end: BackEnd = "lambda"
    child_type: ChildType = "STANDARD"
    architecture: str = "arm64"
    batch_size: int = 1
    memory_mib: int = MIB_PER_VCPU
    max_concurrency: int = 500
    vcpus: float = 1
    job_count: int | None = None
    # Compute and IsBatchDone; BatchDone.
    states_per_call: int = 2
    closing_states: int = 1
    compute_timeout_seconds: float = MAX_FUNCTION_TIMEOUT_SECONDS
    own_memory_mib: float = START_AND_SUM_MEMORY_MIB
    is_logged: bool = True

    @property
    def speed(self) -> float:
        """Part of a vCPU that one thread gets, at most 1."""
        return min(1.0, self.memory_mib / MIB_PER_VCPU if self.back_end == "lambda" else self.vcpus)


# Its Start returns the items themselves, 6 bytes for each from 10,000 on, in a state of at most 256 KiB.
ORIGINAL_MAX_ITEMS = 45_000


def original_design(max_concurrency: int = MAX_CONCURRENCY) -> Design:
    """Return the design of the original article: one item a child and one state in it.

    Source: kochie/hpc-step-function: Standard children, 4,092 MB, x86, MaxConcurrency not set, no execution log; its
    Start has 128 MB, Lambda's default, and its Sum 4,092.
    """
    return Design(
        name="original",
        architecture="x86_64",
        memory_mib=4_092,
        max_concurrency=max_concurrency,
        states_per_call=1,
        closing_states=0,
        own_memory_mib=(128 + 4_092) / 2,
        is_logged=False,
    )


@dataclass(frozen=True, kw_only=True)
class Quotas:
    """Limits of an account in a Region; the defaults are those of AWS.

    Sources: Step Functions quotas, "Quotas related to Map Run"; Lambda quotas and "Lambda function scaling";
    Amazon ECS service quotas (Fargate vCPUs, On-Demand and Spot alike).
    """

    standard_starts_per_second: float = 100
    express_starts_per_second: float = 1_000
    lambda_concurrency: int = 1_000
    lambda_ramp_environments: int = 1_000
    lambda_ramp_seconds: float = 10
    fargate_vcpus: float = 6

    def starts_per_second(self, child_type: ChildType) -> float:
        return self.standard_starts_per_second if child_type == "STANDARD" else self.express_starts_per_second


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Estimates of this project for numbers that AWS does not document; the report of a run measures them.

    Attributes
    ----------
    cold_start_seconds
        Start of a Lambda environment with boto3; billed since 2025-08.
    call_seconds
        What an invocation of Compute takes besides its items: reading run.json, answering.
    overhead_seconds, seconds_per_batch
        Of Start and Sum together.
    job_start_seconds
        From RUNNABLE to the first instruction on Fargate.
    retried_share
        Invocations of Compute, or jobs, that run twice.
    interrupted_share
        Jobs on Spot that run twice.
    log_bytes_per_child
        In the execution log; 50 MB were measured for 10,000 Standard children.
    """

    cold_start_seconds: Range
    call_seconds: Range
    overhead_seconds: Range
    seconds_per_batch: Range
    job_start_seconds: Range
    retried_share: Range
    interrupted_share: Range
    log_bytes_per_child: int

    def repeated(self, back_end: BackEnd, case: Case) -> float:
        """Return how often a unit of work runs on average, 1 or more."""
        share = self.interrupted_share if back_end == "fargate_spot" else self.retried_share
        return 1 + share.at(case)


ASSUMPTIONS = Assumptions(
    cold_start_seconds=Range(0.3, 0.8, 2),
    call_seconds=Range(0.02, 0.05, 0.15),
    overhead_seconds=Range(1, 2, 5),
    seconds_per_batch=Range(0.0002, 0.001, 0.003),
    job_start_seconds=Range(20, 60, 180),
    retried_share=Range(0, 0, 0.05),
    interrupted_share=Range(0, 0.05, 0.25),
    log_bytes_per_child=5_000,
)
