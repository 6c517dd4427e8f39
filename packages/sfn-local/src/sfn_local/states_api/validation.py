"""ValidateStateMachineDefinition, and how a definition's errors are told.

Source: recorded answers, for the sentences about text that is no JSON object and about missing fields.

**Differs from AWS:** other diagnostics are in this runner's words, one a state; what AWS has and this machine does not
(a service integration, say) is an error too.
"""

import json
import re

from sfn_local.language.definition import NO_TERMINAL_STATE, InvalidDefinition
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.storage.machine_store import MachineRow

_NOT_JSON = "not JSON"
_NO_OBJECT = "Definition must be a valid JSON object"
_TOKEN = re.compile(r"[A-Za-z_$][\w$]*")
_MOST_DIAGNOSTICS = 100  # Source: API reference, "ValidateStateMachineDefinition", maxResults
_QUOTED_CHARACTERS = 500  # Source: the JSON reader whose sentences these are (Jackson)


def diagnostic_code(error: InvalidDefinition) -> str:
    """Return the service's code for what is wrong, of those that the API reference lists."""
    if error.reason.startswith(_NOT_JSON):
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
    errors = await context.machines.definition_errors(row)
    limit = params.get("maxResults") or _MOST_DIAGNOSTICS
    return {
        "result": "FAIL" if errors else "OK",
        "diagnostics": [_diagnostic(error, row.definition) for error in errors[:limit]],
        "truncated": len(errors) > limit,
    }


def _diagnostic(error: InvalidDefinition, definition: str) -> Result:
    told = {"severity": "ERROR", "code": diagnostic_code(error), "message": error.reason}
    if _is_no_object(definition, error):
        return {**told, "code": "SCHEMA_VALIDATION_FAILED", "message": _NO_OBJECT}
    if told["code"] == "INVALID_JSON_DESCRIPTION":
        return {**told, **_place_in_text(error, definition)}
    return {**told, "location": error.place or "/"}


def _is_no_object(definition: str, error: InvalidDefinition) -> bool:
    return not definition.strip() or (not error.place and error.reason.startswith("must be an object"))


def _place_in_text(error: InvalidDefinition, definition: str) -> dict[str, str]:
    """Return message and location of what is no JSON, as the service's JSON reader tells them."""
    try:
        json.loads(definition)
    except json.JSONDecodeError as broken:
        token = _TOKEN.match(definition, broken.pos)
        end = token.end() if token else broken.pos
        reason = (
            f"Unrecognized token '{token[0]}': was expecting"
            " (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
            if token
            else error.reason
        )
        line, column = definition.count("\n", 0, end) + 1, end - definition.rfind("\n", 0, end)
        location = f"[Source: (String){_source(definition)}; line: {line}, column: {column}]"
        return {"message": f"{reason}\n at {location}", "location": location}
    return {"location": error.place or "/"}  # JSON, but not such JSON as the service takes


def _source(definition: str) -> str:
    cut = len(definition) - _QUOTED_CHARACTERS
    quoted = f'"{definition[:_QUOTED_CHARACTERS]}"'
    return quoted if cut <= 0 else f"{quoted}[truncated {cut} chars]"
