"""Usage: from a computation and a design to the quantities that a bill has, and the time that it takes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hpc.contract.limits import (
    MAX_ARRAY_SIZE,
    MAX_OUTPUT_BYTES,
    MAX_RESERVE_SECONDS,
    MIN_ARRAY_SIZE,
    MIN_RESERVE_SECONDS,
    RESERVE_SHARE,
)
from hpc.planning import duration
from hpc.planning.designs import MAX_LAMBDA_MIB, MIB_PER_GB, MIB_PER_VCPU, Assumptions, Computation, Design, Quotas
from hpc.planning.ranges import Case

# Start, ComputeMap, Sum; with AWS Batch Start, ChooseBackEnd, the job's state, Sum.
PARENT_TRANSITIONS = 3
JOB_PARENT_TRANSITIONS = 4
# Express bills a child's duration in steps of 100 ms, at 64 MB while its definition and data are small.
# Source: aws.amazon.com/step-functions/pricing.
EXPRESS_STEP_SECONDS = 0.1
EXPRESS_GB = 64 / 1_024
MIN_JOB_SECONDS = 60  # Source: aws.amazon.com/fargate/pricing.
JOBS_PER_SLOT = 4
# Sizes in which lambdas/ moves data through S3.
UPLOAD_PART_BYTES = 8 * 1_024 * 1_024
WINDOW_BYTES = 4 * 1_024 * 1_024
# Written: run.json, batches.jsonl, result.json.  Read: batches.jsonl by the map and by Sum, run.json, the manifest and
# a result file by Sum.
OWN_PUTS, OWN_GETS = 3, 5
# A test manifest, the manifest, and a multipart upload of one part.
RESULT_WRITER_PUTS = 5
SECONDS_PER_HOUR = 3_600
BYTES_PER_GB = 1_024**3


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Units that one run uses.

    Attributes
    ----------
    amounts
        Name of a price -> units of it.
    vcpu_hours
        Of Compute or of the jobs.
    children
        Child executions, or jobs.
    """

    amounts: Mapping[str, float]
    seconds: float
    vcpu_hours: float
    batch_count: int
    children: int

    def of(self, *names: str) -> float:
        """Return the units of all prices whose names begin with one of ``names``."""
        return sum(amount for name, amount in self.amounts.items() if name.startswith(names))


def why_infeasible(computation: Computation, design: Design, quotas: Quotas) -> str | None:
    """Return why a design can't run the computation, None if it can."""
    if design.memory_mib < computation.memory_mib:
        return f"needs {computation.memory_mib:,} MiB, has {design.memory_mib:,}"
    if design.back_end != "lambda":
        return (
            None
            if job_slots(design, quotas)
            else f"a job has {design.vcpus:g} vCPU, the quota {quotas.fargate_vcpus:g}"
        )
    if design.memory_mib > MAX_LAMBDA_MIB:
        return f"needs {design.memory_mib:,} MiB, a function has {MAX_LAMBDA_MIB:,} at most"
    longest = computation.longest_seconds.high / design.speed
    usable = usable_seconds(design.compute_timeout_seconds)
    if longest > usable:
        return f"an item may take {longest:,.0f} s, an invocation has {usable:,.0f} s for it"
    if design.child_type == "EXPRESS":
        slowest = _longest_batch_seconds(computation, design, "high")
        if slowest > usable:
            return f"a batch may take {slowest:,.0f} s, an Express child has {usable:,.0f} s for it"
    return None


def usable_seconds(timeout_seconds: float) -> float:
    """Return what an invocation has for its items."""
    return timeout_seconds - min(max(RESERVE_SHARE * timeout_seconds, MIN_RESERVE_SECONDS), MAX_RESERVE_SECONDS)


def usage_of(computation: Computation, design: Design, quotas: Quotas, assumptions: Assumptions, case: Case) -> Usage:
    """Return what a run uses if times and repetitions are low, expected or high."""
    if design.back_end == "lambda":
        return _lambda_usage(computation, design, quotas, assumptions, case)
    return _job_usage(computation, design, quotas, assumptions, case)


def _lambda_usage(
    computation: Computation, design: Design, quotas: Quotas, assumptions: Assumptions, case: Case
) -> Usage:
    batches = computation.batch_count(design.batch_size)
    repeated = assumptions.repeated(design.back_end, case)
    work = computation.item_count / batches * computation.seconds_per_item.at(case) / design.speed
    calls = max(1, math.ceil(work / usable_seconds(design.compute_timeout_seconds)))
    batch_seconds = (work + calls * assumptions.call_seconds.at(case)) * repeated
    cold = assumptions.cold_start_seconds.at(case)
    concurrency = min(design.max_concurrency, quotas.lambda_concurrency, batches)
    longest = max(_longest_batch_seconds(computation, design, case) + batch_seconds - work, batch_seconds)
    # Cold starts delay the children that have one; that all have one is what the duration is taken for.
    mapped = duration.map_seconds(
        batch_count=batches,
        batch_seconds=batch_seconds,
        longest_batch_seconds=longest + cold,
        starts_per_second=quotas.starts_per_second(design.child_type),
        concurrency=concurrency,
        ramp_environments=quotas.lambda_ramp_environments,
        ramp_seconds=quotas.lambda_ramp_seconds,
    )
    # Children that start while others still run need an environment of their own.
    starts = quotas.starts_per_second(design.child_type)
    environments = min(concurrency, math.ceil(starts * (batch_seconds + cold)))
    compute_seconds = batches * batch_seconds + environments * cold
    own_seconds = _own_seconds(assumptions, batches, case)
    amounts = {
        "lambda_request": batches * calls * repeated + 2,
        f"lambda_gb_second_{design.architecture}": compute_seconds * design.memory_mib / MIB_PER_GB
        + own_seconds * design.own_memory_mib / MIB_PER_GB,
        **_child_amounts(design, batches, calls, repeated, batch_seconds),
        **_s3_amounts(computation, design.batch_size, batches, environments, RESULT_WRITER_PUTS),
        "log_gb": batches * assumptions.log_bytes_per_child / BYTES_PER_GB if design.is_logged else 0.0,
    }
    vcpus = design.memory_mib / MIB_PER_VCPU
    return Usage(
        amounts=amounts,
        seconds=own_seconds + mapped,
        vcpu_hours=compute_seconds * vcpus / SECONDS_PER_HOUR,
        batch_count=batches,
        children=batches,
    )


def _child_amounts(design: Design, batches: int, calls: int, repeated: float, batch_seconds: float) -> dict[str, float]:
    """Return what Step Functions bills; a child's start is a transition of its parent, whatever its type.

    Source: Step Functions developer guide, "Transitions in Distributed Map state".
    """
    if design.child_type == "EXPRESS":
        steps = math.ceil(round(batch_seconds / EXPRESS_STEP_SECONDS, 6))
        return {
            "state_transition": PARENT_TRANSITIONS + batches,
            "express_request": batches,
            "express_gb_second": batches * max(steps, 1) * EXPRESS_STEP_SECONDS * EXPRESS_GB,
        }
    # A retry is one more transition, of Compute only.
    states = calls * (design.states_per_call + repeated - 1) + design.closing_states
    return {"state_transition": PARENT_TRANSITIONS + batches * (1 + states)}


def _longest_batch_seconds(computation: Computation, design: Design, case: Case) -> float:
    """Return the work of a full batch that has the slowest item in it."""
    items = min(design.batch_size, computation.item_count)
    if items == 0:
        return 0.0
    usual, longest = computation.seconds_per_item.at(case), computation.longest_seconds.at(case)
    return ((items - 1) * usual + max(usual, longest)) / design.speed


def _own_seconds(assumptions: Assumptions, batches: int, case: Case) -> float:
    return assumptions.overhead_seconds.at(case) + batches * assumptions.seconds_per_batch.at(case)


def _job_usage(computation: Computation, design: Design, quotas: Quotas, assumptions: Assumptions, case: Case) -> Usage:
    batches = computation.batch_count(design.batch_size)
    slots = job_slots(design, quotas)
    jobs = design.job_count or max(MIN_ARRAY_SIZE, min(batches, JOBS_PER_SLOT * slots, MAX_ARRAY_SIZE))
    work = computation.item_count / jobs * computation.seconds_per_item.at(case) / design.speed
    job_seconds = assumptions.job_start_seconds.at(case) + work
    repeated = assumptions.repeated(design.back_end, case)
    billed_hours = jobs * repeated * max(job_seconds, MIN_JOB_SECONDS) / SECONDS_PER_HOUR
    seconds_per_item = computation.seconds_per_item.at(case)
    slowest = max(seconds_per_item, computation.longest_seconds.at(case)) - seconds_per_item
    # Whole batches make some shares longer than others; the longest, with the slowest item, is taken to be in the last.
    share = min(-(-batches // jobs) * design.batch_size, computation.item_count)
    longer = (share * seconds_per_item + slowest) / design.speed - work
    arrayed = duration.array_seconds(job_count=jobs, job_seconds=job_seconds * repeated, slots=slots) + longer
    own_seconds = _own_seconds(assumptions, batches, case)
    spot = "_spot" if design.back_end == "fargate_spot" else ""
    amounts = {
        "state_transition": float(JOB_PARENT_TRANSITIONS),
        "lambda_request": 2.0,
        # Start and Sum run on the architecture of the functions, which is arm64 unless set otherwise.
        "lambda_gb_second_arm64": own_seconds * design.own_memory_mib / MIB_PER_GB,
        f"fargate{spot}_vcpu_hour_{design.architecture}": billed_hours * design.vcpus,
        f"fargate{spot}_gb_hour_{design.architecture}": billed_hours * design.memory_mib / MIB_PER_GB,
        "public_ipv4_hour": billed_hours,
        # A job reads run.json, batches.jsonl and whether its part is there, and writes its part.
        **_s3_amounts(computation, design.batch_size, batches, 3 * jobs, jobs),
    }
    return Usage(
        amounts=amounts,
        seconds=own_seconds + arrayed,
        vcpu_hours=billed_hours * design.vcpus,
        batch_count=batches,
        children=jobs,
    )


def job_slots(design: Design, quotas: Quotas) -> int:
    """Return how many jobs run at once, 0 if one is too big for the quota."""
    return int(quotas.fargate_vcpus / design.vcpus)


def _s3_amounts(
    computation: Computation, batch_size: int, batches: int, settings_reads: int, result_puts: int
) -> dict[str, float]:
    item_bytes = computation.item_count * computation.item_bytes
    batch_items = min(batch_size, computation.item_count)
    # A batch's results are an object of their own where they are too long for a state, read again by Sum.
    batch_result_bytes = batch_items * computation.result_bytes
    spilled = batches * math.ceil(batch_result_bytes / WINDOW_BYTES) if batch_result_bytes > MAX_OUTPUT_BYTES else 0
    windows = batches * math.ceil(batch_items * computation.item_bytes / WINDOW_BYTES)
    collected = computation.item_count * computation.result_bytes
    return {
        "s3_put": OWN_PUTS + result_puts + spilled + _upload_requests(item_bytes) + _upload_requests(collected),
        "s3_get": OWN_GETS + settings_reads + windows + spilled,
    }


def _upload_requests(size_bytes: float) -> int:
    """Return the requests that write one object: one, or those of a multipart upload."""
    if size_bytes == 0:
        return 0
    parts = math.ceil(size_bytes / UPLOAD_PART_BYTES)
    return 1 if parts == 1 else parts + 2
