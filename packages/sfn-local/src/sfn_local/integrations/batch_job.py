"""``batch:submitJob``: submit a job to AWS Batch, and with ``.sync`` wait for its end.

Source: Step Functions developer guide, "Run AWS Batch workloads"; AWS Batch API reference for the shapes: the result of
``.sync`` is the job as DescribeJobs tells it, and so is the cause of ``States.TaskFailed``; recorded jobs, for the
variable that a job of ``.sync`` has from the service.

**Differs from AWS:** a job that a stopped, failed or timed out task waited for is terminated at once, with a reason
that says so (the service does it at its best effort and documents no reason).  No recorded execution submits a job:
names of errors follow the SDK's, ``Batch.ClientException``.
"""

import logging
from collections.abc import Mapping, Sequence

from sfn_local.batch.details import job_arn, job_detail
from sfn_local.batch.jobs import AnyJob
from sfn_local.batch.service import BatchService
from sfn_local.execution.frames import Call
from sfn_local.iam.access import Access
from sfn_local.integrations.parameters import check_parameters, check_request, metadata
from sfn_local.language import Json
from sfn_local.language.errors import StatesError, TaskFailedError
from sfn_local.language.json_text import check_size, compact
from sfn_local.protocol import Service, ServiceError
from sfn_local.protocol.catalog import service_shape
from sfn_local.protocol.naming import to_api_names, to_state_names
from sfn_local.protocol.sdk_errors import sdk_cause

LOGGER = logging.getLogger(__name__)

_REQUIRED = ("JobDefinition", "JobName", "JobQueue")
_OPTIONAL = (
    "ArrayProperties",
    "ContainerOverrides",
    "PropagateTags",
    "RetryStrategy",
    "Tags",
    "Timeout",
)


# Source: a recorded result of ``.sync``.
_MANAGED = ({"name": "MANAGED_BY_AWS", "value": "STARTED_BY_STEP_FUNCTIONS"},)


class SubmitJobTask:
    """``batch:submitJob``: submits, and returns the job's id."""

    resource_type = "batch"
    resource = "submitJob"
    is_function_arn = False
    takes_token = False

    def __init__(self, batch: Service) -> None:
        self._batch = batch

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Submit the job; see :class:`sfn_local.execution.integrations.Integration`."""
        return await self.submit(parameters, call.frame.principal)

    async def submit(
        self, parameters: Json, principal: str, variables: Sequence[Mapping[str, Json]] = ()
    ) -> dict[str, Json]:
        """Send the request and return the answer.

        Parameters
        ----------
        variables : sequence of mapping
            Environment variables that the job has besides its own.

        Raises
        ------
        StatesError
            With the service's error.
        """
        check_parameters(parameters, required=_REQUIRED, optional=_OPTIONAL, of="batch:submitJob")
        request = to_api_names(service_shape("batch", "SubmitJobRequest"), parameters)
        check_request("batch", "SubmitJob", request)
        if variables:
            overrides = request.get("containerOverrides", {})
            environment = [*overrides.get("environment", ()), *variables]
            request = {**request, "containerOverrides": {**overrides, "environment": environment}}
        try:
            answer = await self._batch.handle("SubmitJob", request, principal)
        except ServiceError as error:
            raise _service_error(error) from error
        shown: dict[str, Json] = to_state_names(service_shape("batch", "SubmitJobResponse"), answer)
        headers = {"connection": "keep-alive", "Content-Type": "application/json"}
        return {**shown, **metadata(headers, ("connection", "Content-Length", "Content-Type"), len(compact(shown)))}


class RunJobTask:
    """``batch:submitJob.sync``: the result is the job at its end."""

    resource_type = "batch"
    resource = "submitJob.sync"
    is_function_arn = False
    takes_token = False

    def __init__(self, submit: SubmitJobTask, batch: BatchService, access: Access) -> None:
        self._submit = submit
        self._batch = batch
        self._access = access

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Run the job to its end; see :class:`sfn_local.execution.integrations.Integration`."""
        principal = call.frame.principal
        submitted = await self._submit.submit(parameters, principal, _MANAGED)
        job = self._batch.find(submitted["JobId"])
        assert job.ended is not None  # it is no child
        try:
            call.on_submitted(submitted)
            await job.ended.wait()
        except BaseException:
            self._terminate(job, f"the task of {call.frame.execution_arn} that ran this has ended", principal)
            raise
        self._require(principal, "batch:DescribeJobs", "*")
        described: dict[str, Json] = to_state_names(
            service_shape("batch", "JobDetail"), job_detail(job, self._batch.account)
        )
        if job.status != "SUCCEEDED":
            raise TaskFailedError(compact(described))
        check_size(compact(described), self.resource_type)
        return described

    def _terminate(self, job: AnyJob, reason: str, principal: str) -> None:
        try:
            self._require(principal, "batch:TerminateJob", job_arn(job, self._batch.account))
        except StatesError as error:
            LOGGER.warning("job %s goes on: %s", job.id, error.cause)
            return
        self._batch.scheduler.terminate(job, reason)

    def _require(self, principal: str, action: str, resource: str) -> None:
        try:
            self._access.require(principal, action, resource)
        except ServiceError as error:
            raise _service_error(error) from error


def batch_tasks(guarded: Service, batch: BatchService, access: Access) -> dict[str, SubmitJobTask | RunJobTask]:
    """Return the tasks by name; ``guarded`` is the service that asks first whether its caller may."""
    submit = SubmitJobTask(guarded)
    return {"batch:submitJob": submit, "batch:submitJob.sync": RunJobTask(submit, batch, access)}


def _service_error(error: ServiceError) -> StatesError:
    # An error that is not in the service's model has the name of the SDK's base class.
    name = "AWSBatchException" if error.code == "AccessDeniedException" else error.code
    return StatesError(
        f"Batch.{name}",
        sdk_cause("AWSBatch", error),
    )
