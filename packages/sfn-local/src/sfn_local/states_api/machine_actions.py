"""Actions on state machines.

Source: API reference; recorded answers: what makes CreateStateMachine idempotent, when a revision id appears, and what
DeleteStateMachine does while executions run.

**Differs from AWS:** versions, aliases and keys of one's own are refused; a logging configuration is kept and told,
and nothing is logged; a role that the assembly does not describe may do everything.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sfn_local.arns import state_machine_arn
from sfn_local.execution.machine import Machine
from sfn_local.language.variable_references import variable_references
from sfn_local.protocol import ServiceError
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.states_api.paging import cursor, next_token, page_size
from sfn_local.states_api.parameters import (
    check_arn,
    check_name,
    check_role_arn,
    has_data,
    moment,
    no_state_machine,
    not_here,
    without_none,
)
from sfn_local.states_api.tags import check_tags
from sfn_local.storage.machine_store import MachineRow

DEFAULT_SETTINGS: Mapping[str, Any] = {
    "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
    "tracingConfiguration": {"enabled": False},
}
_AWS_OWNED_KEY = {"type": "AWS_OWNED_KEY"}


def find_machine(context: Context, arn: str) -> Machine:
    """Return a state machine; raises ``InvalidArn`` or ``StateMachineDoesNotExist``."""
    machine = context.machines.find(check_arn(arn, "stateMachine"))
    if machine is None:
        raise no_state_machine(arn)
    return machine


def find_active(context: Context, arn: str) -> Machine:
    """Return a state machine that is not being deleted."""
    machine = find_machine(context, arn)
    if machine.row.is_deleting:
        raise ServiceError("StateMachineDeleting", f"State Machine is being deleted: '{arn}'")
    return machine


async def create_state_machine(context: Context, params: Params) -> Result:
    """CreateStateMachine; the same request twice makes one state machine."""
    arn = state_machine_arn(context.account, check_name(params["name"]))
    _refuse_versions(params)
    now = context.machines.now()
    row = MachineRow(
        arn=arn,
        name=params["name"],
        type=params.get("type", "STANDARD"),
        role_arn=check_role_arn(params["roleArn"]),
        definition=params["definition"],
        revision_id="",
        created=now,
        updated=now,
        is_of_stack=False,
        settings={**_settings(params, DEFAULT_SETTINGS), "tags": check_tags({}, params.get("tags", []))},
    )
    known = context.machines.find(arn)
    if known is not None:
        known = find_active(context, arn)
        if _identity(known.row) != _identity(row):
            raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
    if known is None:
        context.check_role(row)
    machine = known or await context.machines.create(row)
    return {"stateMachineArn": arn, "creationDate": moment(machine.row.created)}


async def describe_state_machine(context: Context, params: Params) -> Result:
    """DescribeStateMachine."""
    row = find_machine(context, params["stateMachineArn"]).row
    return without_none(
        {
            "stateMachineArn": row.arn,
            "name": row.name,
            "status": "DELETING" if row.is_deleting else "ACTIVE",
            "definition": row.definition if has_data(params) else "{}",
            "roleArn": row.role_arn,
            "type": row.type,
            "creationDate": moment(row.created),
            "revisionId": row.revision_id or None,
            **setting_fields(row.settings),
            **reference_fields(row.definition, params),
        }
    )


def reference_fields(definition: str, params: Params) -> Result:
    """Return the variables that the states read, where there are any and data is asked for."""
    references = variable_references(json.loads(definition)) if has_data(params) else {}
    return {"variableReferences": references} if references else {}


async def update_state_machine(context: Context, params: Params) -> Result:
    """UpdateStateMachine; what doesn't change anything leaves the revision as it is."""
    machine = find_active(context, params["stateMachineArn"])
    _refuse_versions(params)
    names = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")
    if not any(name in params for name in names):
        raise ServiceError(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be"
            " specified",
        )
    row = machine.row
    changes: dict[str, Any] = {
        "definition": params.get("definition", row.definition),
        "role_arn": check_role_arn(params.get("roleArn", row.role_arn)),
        "settings": {**row.settings, **_settings(params, {**DEFAULT_SETTINGS, **row.settings})},
    }
    context.check_role(replace(row, **changes))
    changed = await context.machines.update(machine, **changes)
    return without_none({"updateDate": moment(changed.row.updated), "revisionId": changed.row.revision_id or None})


async def delete_state_machine(context: Context, params: Params) -> Result:
    """DeleteStateMachine; one that doesn't exist is deleted already."""
    machine = context.machines.find(check_arn(params["stateMachineArn"], "stateMachine"))
    if machine is not None and not machine.row.is_deleting:
        await context.machines.delete(machine)
    return {}


async def list_state_machines(context: Context, params: Params) -> Result:
    """ListStateMachines, by name."""
    after, limit = cursor(params, str) or "", page_size(params)
    rows = [machine.row for machine in context.machines.all() if machine.row.name > after]
    items = [
        {"stateMachineArn": row.arn, "name": row.name, "type": row.type, "creationDate": moment(row.created)}
        for row in rows[:limit]
    ]
    more = next_token(params, rows[limit - 1].name) if len(rows) > limit else {}
    return {"stateMachines": items, **more}


def setting_fields(settings: Mapping[str, Any]) -> Result:
    """Return the settings that descriptions of a state machine have."""
    told = {name: settings.get(name, default) for name, default in DEFAULT_SETTINGS.items()}
    return {**told, "encryptionConfiguration": _AWS_OWNED_KEY}


def _identity(row: MachineRow) -> tuple[Any, ...]:
    """Return the fields that a repeated CreateStateMachine must not change; role and tags may differ."""
    return row.definition, row.type, setting_fields(row.settings)


def _settings(params: Params, defaults: Mapping[str, Any]) -> dict[str, Any]:
    if params.get("encryptionConfiguration", _AWS_OWNED_KEY)["type"] != _AWS_OWNED_KEY["type"]:
        raise ServiceError("InvalidEncryptionConfiguration", "only AWS_OWNED_KEY is available on this machine")
    logging = {**defaults["loggingConfiguration"], **params.get("loggingConfiguration", {})}
    if logging["level"] != "OFF" and len(logging.get("destinations", ())) != 1:
        raise ServiceError(
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Must specify exactly one Log Destination.",
        )
    tracing = {**defaults["tracingConfiguration"], **params.get("tracingConfiguration", {})}
    return {"loggingConfiguration": logging, "tracingConfiguration": tracing}


def _refuse_versions(params: Params) -> None:
    if params.get("publish"):
        raise not_here("publish must be false: there are no versions of state machines")
    if "versionDescription" in params:
        raise ServiceError("ValidationException", "Version description can only be set when publish is true")
