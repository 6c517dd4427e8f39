"""Jobs in the words of the API: JobDetail and JobSummary.

Source: AWS Batch API reference, JobDetail, JobSummary, ContainerDetail and AttemptDetail; a recorded array job: what a
child is told with, and that a retry strategy that nobody gave and flags that are false are left out.
"""

from collections.abc import Mapping
from typing import Any

from sfn_local.arns import Account
from sfn_local.batch.jobs import STATUSES, AnyJob, ArrayJob, Attempt, Job
from sfn_local.batch.retry import Exit


def job_arn(job: AnyJob, account: Account) -> str:
    return account.arn("batch", f"job/{job.id}")


def job_detail(job: AnyJob, account: Account) -> dict[str, Any]:
    """Return a job as DescribeJobs does; ``startedAt`` is 0 before it has started."""
    request = job.request
    return {
        "jobArn": job_arn(job, account),
        "jobName": request.name,
        "jobId": job.id,
        "jobQueue": request.queue.arn,
        "status": job.status,
        "attempts": [] if isinstance(job, ArrayJob) else [_attempt(job, attempt) for attempt in job.attempts],
        **_reason(job),
        "createdAt": job.created_at,
        **({"retryStrategy": request.retry_strategy} if request.retry_strategy else {}),
        "startedAt": job.started_at,
        **({"stoppedAt": job.stopped_at} if job.stopped_at else {}),
        "dependsOn": [],
        "jobDefinition": request.definition.arn,
        "parameters": {},
        "container": _container(job),
        **_array_properties(job, {"statusSummary": {}}),
        **({"timeout": request.timeout} if request.timeout else {}),
        "tags": dict(request.tags),
        "propagateTags": request.propagate_tags,
        "platformCapabilities": list(request.definition.platform_capabilities),
        "eksAttempts": [],
        **({"isCancelled": True} if job.is_cancelled else {}),
        **({"isTerminated": True} if job.is_terminated else {}),
    }


def summarize(job: AnyJob, account: Account) -> dict[str, Any]:
    """Return a job as ListJobs does."""
    last = _last_exit(job)
    return {
        "jobArn": job_arn(job, account),
        "jobId": job.id,
        "jobName": job.request.name,
        "createdAt": job.created_at,
        "status": job.status,
        **_reason(job),
        **({"startedAt": job.started_at} if job.started_at else {}),
        **({"stoppedAt": job.stopped_at} if job.stopped_at else {}),
        **({"container": _exit(last)} if last else {}),
        **_array_properties(job, {}),
        **({} if is_child(job) else {"jobDefinition": job.request.definition.arn}),
    }


def is_child(job: AnyJob) -> bool:
    return isinstance(job, Job) and job.index is not None


def _reason(job: AnyJob) -> dict[str, str]:
    return {} if job.status_reason is None else {"statusReason": job.status_reason}


def _array_properties(job: AnyJob, of_child: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(job, ArrayJob):
        summary = {status: job.counts[status] for status in STATUSES}
        return {"arrayProperties": {"statusSummary": summary, "size": len(job.children)}}
    return {"arrayProperties": {**of_child, "index": job.index}} if is_child(job) else {}


def _container(job: AnyJob) -> dict[str, Any]:
    request = job.request
    variables = [{"name": name, "value": value} for name, value in request.environment.items()]
    last = _last_exit(job)
    has_log = isinstance(job, Job) and (job.started_at or job.attempts)
    return {
        "volumes": [],
        "mountPoints": [],
        "ulimits": [],
        "networkInterfaces": [],
        "secrets": [],
        **request.definition.container,
        "command": list(request.command),
        "environment": variables,
        **(_exit(last) if last else {}),
        **({"logStreamName": job.log_name} if isinstance(job, Job) and has_log else {}),
    }


def _attempt(job: Job, attempt: Attempt) -> dict[str, Any]:
    return {
        "container": {**_exit(attempt.exit), "logStreamName": job.log_name, "networkInterfaces": []},
        "startedAt": attempt.started_at,
        "stoppedAt": attempt.stopped_at,
        "statusReason": attempt.exit.status_reason,
    }


def _last_exit(job: AnyJob) -> Exit | None:
    return job.attempts[-1].exit if isinstance(job, Job) and job.attempts else None


def _exit(last: Exit) -> Mapping[str, Any]:
    facts = {"exitCode": last.exit_code, "reason": last.reason}
    return {name: value for name, value in facts.items() if value is not None}
