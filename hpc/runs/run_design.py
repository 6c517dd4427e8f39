"""The design of a run that there is, in the words of a plan: from its definition or its jobs."""

from typing import Any

from hpc.errors import LostRunError
from hpc.planning.designs import Design
from hpc.runs.jobs import count_leaves, size_of
from hpc.targets.deployed import Deployed


def map_design(definition: dict[str, Any], deployed: Deployed, *, batch_size: int, max_concurrency: int) -> Design:
    """Return how a state machine's Distributed Map runs batches.

    Raises
    ------
    LostRunError
        If it has none whose children begin with a Lambda function.
    """
    try:
        [processor] = [
            state["ItemProcessor"]
            for state in definition["States"].values()
            if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        ]
        first = processor["States"][processor["StartAt"]]
        function = first["Resource"] if ":function:" in first["Resource"] else first["Parameters"]["FunctionName"]
        child_type = processor["ProcessorConfig"]["ExecutionType"]
    except (KeyError, TypeError, ValueError) as error:
        raise LostRunError(f"the state machine is not MapReduce as its price is known: {error!r}") from error
    size = deployed.function(function)
    return Design(
        child_type=child_type,
        architecture=size.architecture,
        memory_mib=size.memory_mib,
        compute_timeout_seconds=size.timeout_seconds,
        batch_size=batch_size,
        max_concurrency=max_concurrency,
    )


def job_design(job: dict[str, Any], deployed: Deployed, *, batch_size: int) -> Design:
    """Return how a job that DescribeJobs told of runs batches."""
    size = size_of(job)
    return Design(
        back_end="fargate_spot" if deployed.is_spot(job["jobQueue"]) else "fargate",
        architecture=size.architecture,
        batch_size=batch_size,
        memory_mib=int(size.memory_mib),
        vcpus=size.vcpus,
        job_count=count_leaves(job).total(),
    )
