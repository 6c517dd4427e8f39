"""Events of AWS Batch and Step Functions, as EventBridge delivers them.

Source: AWS Batch user guide, "Job state change events"; Step Functions developer guide, "EventBridge events".

**Differs from AWS:** the input and the output of an execution are left out of its event when they are over 248 KB
together, the service decides for each of them; events of redrives carry no redrive fields.
"""

from collections.abc import Callable
from typing import Any

from sfn_local.arns import Account
from sfn_local.batch.details import describe, job_arn
from sfn_local.batch.jobs import AnyJob
from sfn_local.eventbridge.rules import EventBus
from sfn_local.storage.execution_store import ExecutionRow

# Source: Step Functions developer guide, "EventBridge payloads".
MAX_TEXT_BYTES = 248_000


def job_events(bus: EventBus, account: Account) -> Callable[[AnyJob], None]:
    """Return what publishes a job's change of status."""

    def publish(job: AnyJob) -> None:
        if job.status != "SUBMITTED":
            arn = job_arn(job, account)
            bus.publish("aws.batch", "Batch Job State Change", arn, job.status, lambda: describe(job, account))

    return publish


def execution_events(bus: EventBus) -> Callable[[ExecutionRow], None]:
    """Return what publishes an execution's change of status."""

    def publish(row: ExecutionRow) -> None:
        kind = "Step Functions Execution Status Change"
        bus.publish("aws.states", kind, row.arn, row.status, lambda: _describe(row))

    return publish


def _describe(row: ExecutionRow) -> dict[str, Any]:
    texts = {"input": row.input, "output": row.output}
    is_included = sum(len((text or "").encode()) for text in texts.values()) <= MAX_TEXT_BYTES
    detail: dict[str, Any] = {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "status": row.status,
        "startDate": round(row.started * 1000),
        "stopDate": None if row.stopped is None else round(row.stopped * 1000),
        "error": row.error,
        "cause": row.cause,
    }
    for name, text in texts.items():
        detail[name] = text if is_included else None
        detail[f"{name}Details"] = None if text is None else {"included": is_included}
    return detail
