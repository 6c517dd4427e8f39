"""ValidateStateMachineDefinition.

**Differs from AWS:** one diagnostic at a time, in this runner's words; what AWS has and this machine does not (a
service integration, say) is an error too.
"""

from sfn_local.language.definition import NO_TERMINAL_STATE, InvalidDefinition
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.storage.machine_store import MachineRow


def diagnostic_code(error: InvalidDefinition) -> str:
    """Return the service's code for what is wrong, of those that the API reference lists."""
    if error.reason.startswith("not JSON"):
        return "INVALID_JSON_DESCRIPTION"
    if "is not reachable" in error.reason or "names no state" in error.reason:
        return "MISSING_TRANSITION_TARGET"
    if NO_TERMINAL_STATE in error.reason:
        return "MISSING_END_STATE"
    return "SCHEMA_VALIDATION_FAILED"


async def validate_state_machine_definition(context: Context, params: Params) -> Result:
    """ValidateStateMachineDefinition; there are no warnings, so ``severity`` changes nothing."""
    row = MachineRow(
        arn="",
        name="",
        type=params.get("type", "STANDARD"),
        role_arn="",
        definition=params["definition"],
        revision_id="",
        created=0,
        updated=0,
        is_of_stack=False,
    )
    try:
        await context.machines.compiled(row)
    except InvalidDefinition as error:
        diagnostic = {
            "severity": "ERROR",
            "code": diagnostic_code(error),
            "message": error.reason,
            "location": error.place or "/",
        }
        return {"result": "FAIL", "diagnostics": [diagnostic], "truncated": False}
    return {"result": "OK", "diagnostics": [], "truncated": False}
