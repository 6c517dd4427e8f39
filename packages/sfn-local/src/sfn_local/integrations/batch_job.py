"""``batch:submitJob``: submit a job to AWS Batch, and with ``.sync`` wait for its end.

Source: Step Functions developer guide, "Run AWS Batch workloads"; AWS Batch API reference for the shapes: the result of
``.sync`` is the job as DescribeJobs tells it, and so is the cause of ``States.TaskFailed``.

**Differs from AWS:** a job that a stopped, failed or timed out task waited for is terminated at once, with a reason
that says so (the service does it at its best effort and documents no reason).  No recorded execution submits a job:
names of errors follow the SDK's, ``Batch.ClientException``.
"""

import uuid

from sfn_local.batch.details import describe
from sfn_local.batch.service import BatchService
from sfn_local.execution.frames import Call
from sfn_local.integrations.parameters import check_parameters, check_request, metadata
from sfn_local.language import Json
from sfn_local.language.errors import StatesError, TaskFailedError
from sfn_local.language.json_text import check_size, compact
from sfn_local.protocol import ServiceError
from sfn_local.protocol.catalog import service_shape
from sfn_local.protocol.naming import to_api_names, to_state_names

_REQUIRED = ("JobDefinition", "JobName", "JobQueue")
_OPTIONAL = (
    "ArrayProperties",
    "ContainerOverrides",
    "PropagateTags",
    "RetryStrategy",
    "Tags",
    "Timeout",
)


class SubmitJobTask:
    """``batch:submitJob``: submits, and returns the job's id."""

    resource_type = "batch"
    resource = "submitJob"
    is_function_arn = False
    takes_token = False

    def __init__(self, batch: BatchService, principal: str) -> None:
        self._batch = batch
        self._principal = principal

    async def call(self, _resource: str, parameters: Json, _call: Call) -> Json:
        """Submit the job; see :class:`sfn_local.execution.integrations.Integration`."""
        return await self.submit(parameters)

    async def submit(self, parameters: Json) -> dict[str, Json]:
        """Send the request and return the answer; raises :class:`StatesError` with the service's error."""
        check_parameters(parameters, required=_REQUIRED, optional=_OPTIONAL, of="batch:submitJob")
        request = to_api_names(service_shape("batch", "SubmitJobRequest"), parameters)
        check_request("batch", "SubmitJob", request)
        try:
            answer = await self._batch.handle("SubmitJob", request, self._principal)
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

    def __init__(self, submit: SubmitJobTask, batch: BatchService) -> None:
        self._submit = submit
        self._batch = batch

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Run the job to its end; see :class:`sfn_local.execution.integrations.Integration`."""
        submitted = await self._submit.submit(parameters)
        job = self._batch.find(submitted["JobId"])
        assert job.ended is not None  # it is no child
        try:
            call.on_submitted(submitted)
            await job.ended.wait()
        except BaseException:
            self._batch.scheduler.terminate(job, f"the task of {call.frame.execution_arn} that ran this has ended")
            raise
        described: dict[str, Json] = to_state_names(
            service_shape("batch", "JobDetail"), describe(job, self._batch.account)
        )
        if job.status != "SUCCEEDED":
            raise TaskFailedError(compact(described))
        check_size(compact(described), self.resource_type)
        return described


def batch_tasks(batch: BatchService, principal: str) -> dict[str, SubmitJobTask | RunJobTask]:
    """Return the tasks by name."""
    submit = SubmitJobTask(batch, principal)
    return {"batch:submitJob": submit, "batch:submitJob.sync": RunJobTask(submit, batch)}


def _service_error(error: ServiceError) -> StatesError:
    return StatesError(
        f"Batch.{error.code}",
        f"{error.message} (Service: AWSBatch; Status Code: {error.status}; Error Code: {error.code};"
        f" Request ID: {uuid.uuid4()}; Proxy: null)",
    )
