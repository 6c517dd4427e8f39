"""RedriveExecution, and what the API tells of redrives.

Source: API reference; recorded redrives: a client token that is remembered is answered before anything else is looked
at, also while the execution runs or when it has succeeded.

**Differs from AWS:** there is no limit on how many executions run.
"""

import uuid

from sfn_local.protocol import ServiceError
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.states_api.parameters import check_arn, moment, no_execution, without_none
from sfn_local.storage.execution_store import ExecutionRow


async def redrive_execution(context: Context, params: Params) -> Result:
    """RedriveExecution; the execution runs again when this answers."""
    arn = check_arn(params["executionArn"], "execution")
    if "/" in arn.split(":")[6]:
        raise ServiceError("ValidationException", "Labeled Execution ARNs are not supported for this API")
    row = context.executions.find(arn)
    if row is None:
        raise no_execution(arn)
    token = params.get("clientToken") or str(uuid.uuid4())
    redriven = context.executions.redriven_by(row, token)
    if redriven is None:
        reason = context.machines.why_not_redrivable(row)
        if reason is not None:
            raise ServiceError("ExecutionNotRedrivable", f"Execution {arn} invalid for redrive as: {reason}")
        redriven = (await context.machines.redrive(row, token)).redriven
    return {"redriveDate": moment(redriven)}


def redrive_fields(context: Context, row: ExecutionRow) -> Result:
    """Return what DescribeExecution tells of an execution's redrives."""
    reason = context.machines.why_not_redrivable(row)
    return without_none(
        {
            "redriveCount": row.redrive_count,
            "redriveDate": moment(row.redriven),
            "redriveStatus": "REDRIVABLE" if reason is None else "NOT_REDRIVABLE",
            "redriveStatusReason": reason,
        }
    )


def child_redrive_fields(status: str, redrive_count: int, redriven: float | None) -> Result:
    """Return what DescribeExecution tells of the redrives of a Map Run's child."""
    is_redrivable = status not in ("RUNNING", "SUCCEEDED")
    reason = None if is_redrivable else f"Execution is {status} and cannot be redriven"
    return without_none(
        {
            "redriveCount": redrive_count,
            "redriveDate": moment(redriven),
            "redriveStatus": "REDRIVABLE_BY_MAP_RUN" if is_redrivable else "NOT_REDRIVABLE",
            "redriveStatusReason": reason,
        }
    )
