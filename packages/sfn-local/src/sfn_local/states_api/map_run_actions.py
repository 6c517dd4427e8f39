"""Actions on Map Runs.

Source: API reference; recorded answers.
"""

from sfn_local.protocol import ServiceError
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.states_api.execution_actions import find_execution
from sfn_local.states_api.paging import cursor, next_token, page_size
from sfn_local.states_api.parameters import check_arn, moment, no_resource, without_none
from sfn_local.storage.execution_store import ExecutionRow

# parameter of UpdateMapRun: field of the Map Run
_CHANGEABLE = {
    "maxConcurrency": "max_concurrency",
    "toleratedFailureCount": "tolerated_failure_count",
    "toleratedFailurePercentage": "tolerated_failure_percentage",
}


async def list_map_runs(context: Context, params: Params) -> Result:
    """ListMapRuns, in the order in which they were started; a child execution's belong to its parent here."""
    found = find_execution(context, params["executionArn"])
    after, limit = cursor(params, int) or 0, page_size(params)
    rows = context.map_runs.of_execution(found.id) if isinstance(found, ExecutionRow) else []
    rows = [row for row in rows if row.id > after]
    items = [
        without_none(
            {
                "executionArn": params["executionArn"],
                "mapRunArn": row.arn,
                "stateMachineArn": row.child_machine_arn,
                "startDate": moment(row.started),
                "stopDate": moment(row.stopped),
            }
        )
        for row in rows[:limit]
    ]
    more = next_token(params, rows[limit - 1].id) if len(rows) > limit else {}
    return {"mapRuns": items, **more}


async def describe_map_run(context: Context, params: Params) -> Result:
    """DescribeMapRun."""
    view = context.map_runs.view(check_arn(params["mapRunArn"], "mapRun"), context.machines.now())
    if view is None:
        raise no_resource(params["mapRunArn"])
    row = view.row
    return without_none(
        {
            "mapRunArn": row.arn,
            "executionArn": context.executions.by_id(row.execution).arn,
            "status": row.status,
            "startDate": moment(row.started),
            "stopDate": moment(row.stopped),
            "maxConcurrency": row.max_concurrency,
            "toleratedFailurePercentage": row.tolerated_failure_percentage,
            "toleratedFailureCount": row.tolerated_failure_count,
            "itemCounts": view.item_counts,
            "executionCounts": view.execution_counts,
            "redriveCount": row.redrive_count,
            "redriveDate": moment(row.redriven),
        }
    )


async def update_map_run(context: Context, params: Params) -> Result:
    """UpdateMapRun, of one that runs."""
    arn = check_arn(params["mapRunArn"], "mapRun")
    map_run = context.map_runs.running.get(arn)
    if map_run is None:
        row = context.map_runs.find(arn)
        if row is None:
            raise no_resource(arn)
        raise ServiceError("ValidationException", f"Map Run must be RUNNING to be updated, it is {row.status}: '{arn}'")
    changes = {field: params[name] for name, field in _CHANGEABLE.items() if name in params}
    if not changes:
        raise ServiceError("ValidationException", f"give at least one of {', '.join(_CHANGEABLE)}")
    await map_run.update(**changes)
    return {}
