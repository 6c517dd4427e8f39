"""Events of AWS Batch and Step Functions, as EventBridge delivers them.

Source: AWS Batch user guide, "Job state change events"; Step Functions developer guide, "EventBridge events";
recorded events of executions.

**Differs from AWS:** the input and the output of an execution are left out of its event when they are over 248 KB
together, the service decides for each of them.
"""

from collections.abc import Callable
from typing import Any

from sfn_local.arns import Account
from sfn_local.batch.details import job_arn, job_detail
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
            bus.publish("aws.batch", "Batch Job State Change", arn, job.status, lambda: job_detail(job, account))

    return publish


def execution_events(
    bus: EventBus, why_not_redrivable: Callable[[ExecutionRow], str | None]
) -> Callable[[ExecutionRow], None]:
    """Return what publishes an execution's change of status."""

    def publish(row: ExecutionRow) -> None:
        kind = "Step Functions Execution Status Change"
        bus.publish("aws.states", kind, row.arn, row.status, lambda: _execution_detail(row, why_not_redrivable(row)))

    return publish


def _execution_detail(row: ExecutionRow, not_redrivable: str | None) -> dict[str, Any]:
    texts = {"input": row.input, "output": row.output}
    is_included = sum(len((text or "").encode()) for text in texts.values()) <= MAX_TEXT_BYTES
    detail: dict[str, Any] = {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "status": row.status,
        "startDate": _milliseconds(row.started),
        "stopDate": _milliseconds(row.stopped),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": row.redrive_count,
        "redriveDate": _milliseconds(row.redriven),
        "redriveStatus": "NOT_REDRIVABLE" if not_redrivable else "REDRIVABLE",
        "redriveStatusReason": not_redrivable,
        "error": row.error,
        "cause": row.cause,
    }
    for name, text in texts.items():
        detail[name] = text if is_included else None
        detail[f"{name}Details"] = None if text is None else {"included": is_included}
    return detail


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
