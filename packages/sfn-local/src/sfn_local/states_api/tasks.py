"""SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat: what ends or keeps alive a task that waits for its token."""

from sfn_local.states_api.context import Context, Params, Result


async def send_task_success(context: Context, params: Params) -> Result:
    """SendTaskSuccess."""
    context.tokens.succeed(params["taskToken"], params["output"])
    return {}


async def send_task_failure(context: Context, params: Params) -> Result:
    """SendTaskFailure."""
    context.tokens.fail(params["taskToken"], params.get("error"), params.get("cause"))
    return {}


async def send_task_heartbeat(context: Context, params: Params) -> Result:
    """SendTaskHeartbeat."""
    context.tokens.heartbeat(params["taskToken"])
    return {}
