"""The API of AWS Batch on this machine: parameters in, result out; validated against the service model outside.

**Differs from AWS:** actions that are not in ``ACTIONS`` are refused by name.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from sfn_local.arns import Account
from sfn_local.batch.archive import JobArchive
from sfn_local.batch.details import job_arn, job_detail, summarize
from sfn_local.batch.jobs import AnyJob, ArrayJob, Job
from sfn_local.batch.listing import list_jobs
from sfn_local.batch.processes import JobProcesses
from sfn_local.batch.resources import JobDefinition, JobQueue, Resources, client_error
from sfn_local.batch.scheduler import Scheduler
from sfn_local.batch.store import JobStore
from sfn_local.clock import Clock
from sfn_local.protocol import ServiceError

Params = dict[str, Any]
Result = dict[str, Any]

_MAX_DESCRIBED = 100


class BatchService:
    """
    Parameters
    ----------
    slots : int
        Most processes of jobs at once.
    base_environment : mapping
        Variables that every job has whatever its definition says.
    on_change : callable
        Called with a job whose status has changed.
    archive : JobArchive or None
        Where jobs that have ended are kept for the time after this server.
    own_environment : callable
        Variables of one attempt of a job.
    """

    def __init__(
        self,
        *,
        account: Account,
        clock: Clock,
        slots: int,
        log_folder: Path,
        base_environment: Mapping[str, str],
        on_change: Callable[[AnyJob], None],
        archive: JobArchive | None = None,
        own_environment: Callable[[Job], Mapping[str, str]] = lambda _job: {},
    ) -> None:
        self.account = account
        self.resources = Resources()
        self.store = JobStore() if archive is None else JobStore(archive.find)
        self._processes = JobProcesses(
            log_folder=log_folder, base_environment=base_environment, own_environment=own_environment
        )

        def changed(job: AnyJob) -> None:
            if archive is not None and job.ended is not None and job.stopped_at:
                archive.keep(job)
            on_change(job)

        self.scheduler = Scheduler(processes=self._processes, slots=slots, clock=clock, on_change=changed)
        self._processes.listen(self.scheduler)

    async def stop(self) -> None:
        """Kill and reap every process; jobs end with the server."""
        self.scheduler.close()
        await self._processes.stop()

    async def handle(self, action: str, params: Params, _principal: str) -> Result:
        """Perform ``action``; see :class:`sfn_local.protocol.Service`."""
        perform = ACTIONS.get(action)
        if perform is None:
            raise ServiceError(
                "ClientException", f"{action} is not available on this machine; available are {', '.join(ACTIONS)}"
            )
        return perform(self, params)

    def find(self, job_id: str) -> AnyJob:
        """Find a job by id or ARN; raises :class:`ServiceError`."""
        job = self.store.find(job_id)
        if job is None:
            raise client_error(f"Job {job_id} not found.")
        return job


def _submit_job(service: BatchService, params: Params) -> Result:
    request = service.resources.request(params)
    created_at = service.scheduler.now()
    job = ArrayJob(request, created_at) if request.array_size else Job(request, created_at)
    service.store.add(job)
    service.scheduler.submit(job)
    return {"jobArn": job_arn(job, service.account), "jobName": request.name, "jobId": job.id}


def _describe_jobs(service: BatchService, params: Params) -> Result:
    if len(params["jobs"]) > _MAX_DESCRIBED:
        raise client_error(f"DescribeJobs takes {_MAX_DESCRIBED} jobs at most, got {len(params['jobs'])}")
    found = (service.store.find(job_id) for job_id in params["jobs"])
    return {"jobs": [job_detail(job, service.account) for job in found if job is not None]}


def _list_jobs(service: BatchService, params: Params) -> Result:
    page, token = list_jobs(params, service.resources, service.store)
    listed = {"jobSummaryList": [summarize(job, service.account) for job in page]}
    return listed if token is None else {**listed, "nextToken": token}


def _terminate_job(service: BatchService, params: Params) -> Result:
    service.scheduler.terminate(service.find(params["jobId"]), params["reason"])
    return {}


def _cancel_job(service: BatchService, params: Params) -> Result:
    service.scheduler.cancel(service.find(params["jobId"]), params["reason"])
    return {}


def _describe_job_queues(service: BatchService, params: Params) -> Result:
    named = params.get("jobQueues")
    queues: Iterable[JobQueue] = service.resources.queues.values()
    return {"jobQueues": [_queue(queue) for queue in queues if not named or {queue.arn, queue.name} & {*named}]}


def _queue(queue: JobQueue) -> dict[str, Any]:
    order = [{"order": number + 1, "computeEnvironment": arn} for number, arn in enumerate(queue.compute_environments)]
    return {
        "jobQueueName": queue.name,
        "jobQueueArn": queue.arn,
        "state": "ENABLED",
        "status": "VALID",
        "statusReason": "JobQueue Healthy",
        "priority": queue.priority,
        "computeEnvironmentOrder": order,
    }


def _describe_job_definitions(service: BatchService, params: Params) -> Result:
    named, name = params.get("jobDefinitions"), params.get("jobDefinitionName")
    definitions = [
        _definition(each)
        for each in service.resources.definitions.values()
        if (not named or {each.arn, f"{each.name}:{each.revision}"} & {*named}) and name in (None, each.name)
    ]
    return {"jobDefinitions": definitions}


def _definition(definition: JobDefinition) -> dict[str, Any]:
    return {
        "jobDefinitionName": definition.name,
        "jobDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": "ACTIVE",
        "type": "container",
        "parameters": {},
        "retryStrategy": definition.retry_strategy,
        "containerProperties": definition.container,
        "timeout": definition.timeout,
        "tags": {},
        "platformCapabilities": list(definition.platform_capabilities),
        "containerOrchestrationType": "ECS",
    }


ACTIONS: Mapping[str, Callable[[BatchService, Params], Result]] = {
    "CancelJob": _cancel_job,
    "DescribeJobDefinitions": _describe_job_definitions,
    "DescribeJobQueues": _describe_job_queues,
    "DescribeJobs": _describe_jobs,
    "ListJobs": _list_jobs,
    "SubmitJob": _submit_job,
    "TerminateJob": _terminate_job,
}
