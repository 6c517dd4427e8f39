"""AWS Batch without a server: a service with one queue, and job definitions whose code a test writes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from sfn_local.arns import Account
from sfn_local.batch.jobs import AnyJob
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.batch.service import BatchService
from sfn_local.clock import Clock
from sfn_local.protocol.catalog import load_api
from sfn_local.protocol.validation import find_errors

ACCOUNT = Account()
QUEUE = JobQueue(
    name="queue",
    arn=ACCOUNT.arn("batch", "job-queue/queue"),
    priority=1,
    compute_environments=(ACCOUNT.arn("batch", "compute-environment/fargate"),),
    max_vcpus=8,
)


class Jobs:
    """Calls of a test about jobs."""

    def __init__(self, service: BatchService, code: Path, changes: list[tuple[str, str]]) -> None:
        self.service = service
        self.code = code
        self.changes = changes

    def define(self, name: str, source: str, **properties: Any) -> None:
        """Make a job definition that runs a module of this source."""
        (self.code / f"{name}.py").write_text(source)
        self.define_command(name, ["python", "-m", name], **properties)

    def define_command(self, name: str, command: list[str], **properties: Any) -> None:
        definition = JobDefinition(
            name=name,
            revision=1,
            arn=ACCOUNT.arn("batch", f"job-definition/{name}:1"),
            container={
                "image": "image",
                "command": command,
                "environment": properties.get("environment", []),
                "resourceRequirements": [{"type": "VCPU", "value": properties.get("vcpus", "1")}],
            },
            retry_strategy=properties.get("retry_strategy", {}),
            timeout=properties.get("timeout", {}),
            platform_capabilities=("FARGATE",),
            code=self.code,
        )
        self.service.resources.add([properties.get("queue", QUEUE)], [definition])

    async def do(self, action: str, **params: Any) -> dict[str, Any]:
        """Call the API; what goes in and what comes out is what the service's model says."""
        operation = load_api("batch")._model.operation_model(action)
        assert not find_errors(params, operation.input_shape)
        result = await self.service.handle(action, params, "test")
        assert not find_errors(result, operation.output_shape)
        return result

    async def submit(self, definition: str, **params: Any) -> AnyJob:
        answer = await self.do(
            "SubmitJob", **{"jobName": "job", "jobQueue": "queue", "jobDefinition": definition} | params
        )
        return self.service.find(answer["jobId"])

    async def describe(self, *job_ids: str) -> list[dict[str, Any]]:
        described: list[dict[str, Any]] = (await self.do("DescribeJobs", jobs=list(job_ids)))["jobs"]
        return described

    async def run(self, definition: str, **params: Any) -> dict[str, Any]:
        """Run a job to its end and describe it."""
        job = await self.submit(definition, **params)
        assert job.ended is not None
        await job.ended.wait()
        (described,) = await self.describe(job.id)
        return described

    async def children(self, job: dict[str, Any]) -> list[dict[str, Any]]:
        size = job["arrayProperties"]["size"]
        return await self.describe(*(f"{job['jobId']}:{index}" for index in range(size)))

    def log(self, job: dict[str, Any]) -> str:
        return (self.code.parent / "logs" / job["container"]["logStreamName"]).read_text()


@contextlib.asynccontextmanager
async def open_jobs(root: Path, *, slots: int = 2, speed: float = 1.0) -> AsyncIterator[Jobs]:
    """Open a service; on leaving, no process is left."""
    code, logs = root / "code", root / "logs"
    code.mkdir()
    logs.mkdir()
    changes: list[tuple[str, str]] = []
    service = BatchService(
        account=ACCOUNT,
        clock=Clock(speed),
        slots=slots,
        log_folder=logs,
        base_environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "FROM_BASE": "base"},
        on_change=lambda job: changes.append((job.id, job.status)),
    )
    try:
        yield Jobs(service, code, changes)
    finally:
        await service.stop()


def statuses(changes: list[tuple[str, str]], job_id: str) -> Iterator[str]:
    """Yield the statuses that a job went through."""
    return (status for changed, status in changes if changed == job_id)


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 600))
