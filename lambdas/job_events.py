"""Handles events: a failed job fails the task that waits for it, and a failed execution ends its jobs."""

import logging
import os
from collections.abc import Callable
from typing import Any

from lambdas.contract.back_ends import BACK_ENDS
from lambdas.jobs import job_control
from lambdas.jobs.job_callback import TaskCallback, TaskCancelled
from lambdas.jobs.job_clients import batch_client, step_functions_client
from lambdas.run_files import environment, job_shares
from lambdas.run_files.errors import InvalidEventError

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
MACHINE_VARIABLES = {"MAP_REDUCE_ARN": "MapReduce", "SYNC_NESTED_ARN": "SyncNested"}


def handler(event: Any, _context: Any) -> dict[str, Any]:
    r"""Act on an event of EventBridge.

    Parameters
    ----------
    event
        As far as it is read here; a job with a task token has it among its environment variables::

            {"detail-type": "Batch Job State Change",
             "detail": {"jobId", "statusReason", "container": {"environment": [{"name", "value"}, ...],
                                                               "exitCode", "reason", "logStreamName"}}}
            {"detail-type": "Step Functions Execution Status Change",
             "detail": {"stateMachineArn", "name", "status", "stopDate": <milliseconds since 1970>}}

    Returns
    -------
    dict
        ``{"answered": bool}`` or ``{"terminated": [<job id>, ...]}``
    """
    act = ACTIONS.get(str(event.get("detail-type"))) if isinstance(event, dict) else None
    if act is None:
        # Without the event: it may hold a task token.
        raise InvalidEventError(f"an event must have a detail-type of {', '.join(ACTIONS)}")
    try:
        return act(event["detail"])
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidEventError(
            f"the detail of the event is not of its kind: {type(error).__name__} {error}"
        ) from error


def answer_for_job(job: dict[str, Any]) -> dict[str, Any]:
    """Fail the task that a failed job can't answer any more: killed, never started, out of memory, out of time."""
    container = job.get("container", {})
    variables = {variable["name"]: variable["value"] for variable in container.get("environment", ())}
    # The token of a job that was replaced may be the other one's as well: events are delivered twice now and then.
    if "TASK_TOKEN" not in variables or job.get("statusReason") == job_control.REPLACED:
        return {"answered": False}
    token = variables["TASK_TOKEN"]
    if not isinstance(token, str) or not token:
        raise InvalidEventError("the job's TASK_TOKEN must be a text, not empty")  # botocore's own error would show it
    callback = TaskCallback(step_functions_client(), token, interval_seconds=0)
    try:
        callback.fail("JobFailed", failure_text(job, container))
    except TaskCancelled:
        # The job did answer before it failed, or its task has ended.
        return {"answered": False}
    LOGGER.info("task answered for its job", extra={"job_id": job["jobId"]})
    return {"answered": True}


def failure_text(job: dict[str, Any], container: dict[str, Any]) -> str:
    """Say why a job failed and where its log is."""
    facts = {
        "reason": container.get("reason"),
        "exit code": container.get("exitCode"),
        "log stream": container.get("logStreamName"),
    }
    details = [f"{name} {value}" for name, value in facts.items() if value is not None]
    return "; ".join([f"job {job['jobId']} failed: {job.get('statusReason', 'no reason given')}", *details])


def terminate_for_execution(execution: dict[str, Any]) -> dict[str, Any]:
    """End the jobs of an execution that failed, timed out or was stopped.

    Step Functions itself ends only what it started with ``.sync``, and that if it can.
    """
    machines = {os.environ.get(variable): machine for variable, machine in MACHINE_VARIABLES.items()}
    machine = machines.get(execution["stateMachineArn"])
    if machine is None:
        raise InvalidEventError(f"no machine of this stack: {execution['stateMachineArn']}")
    client, queue = batch_client(), environment.variable("JOB_QUEUE")
    terminated = [
        job_id
        for back_end in BACK_ENDS
        if back_end != "lambda"
        for job_id in job_control.terminate_jobs(
            client,
            queue,
            job_shares.machine_job_name(machine, execution["name"], back_end),
            f"its execution is {execution['status']}",
            # An event may be late, and the execution redriven by then: its new jobs stay.
            created_before_milliseconds=execution["stopDate"],
        )
    ]
    LOGGER.info("jobs ended with their execution", extra={"run": execution["name"], "terminated": terminated})
    return {"terminated": terminated}


ACTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Batch Job State Change": answer_for_job,
    "Step Functions Execution Status Change": terminate_for_execution,
}
