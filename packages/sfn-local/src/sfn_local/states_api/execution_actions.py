"""Actions on executions, child executions of Map Runs among them.

Source: API reference; recorded answers of Standard, Express and child executions.

**Differs from AWS:** StopExecution of a child execution is refused; METADATA_ONLY leaves out what it would encrypt; a
child that waits for its redrive is listed with the status that it ended with, none as PENDING_REDRIVE.
"""

import asyncio
import json
import uuid
from typing import Any

from sfn_local.arns import child_name, execution_arn
from sfn_local.execution.execution import Execution
from sfn_local.execution.executions import ExecutionExistsError
from sfn_local.maps.map_run import LiveChild
from sfn_local.protocol import ServiceError
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.states_api.machine_actions import find_active, find_machine, reference_fields, setting_fields
from sfn_local.states_api.paging import cursor, moment_cursor, next_token, page_size
from sfn_local.states_api.parameters import (
    check_arn,
    check_input,
    check_name,
    has_data,
    moment,
    no_execution,
    no_resource,
    not_here,
    type_not_supported,
    without_none,
)
from sfn_local.states_api.redrive import child_redrive_fields, redrive_fields
from sfn_local.storage.execution_store import ExecutionRow, place_of
from sfn_local.storage.map_run_store import ChildFilter, ChildRecord, ChildRow, MapRunRow

Child = tuple[MapRunRow, ChildRecord | LiveChild]


def find_execution(context: Context, arn: str) -> ExecutionRow | Child:
    """Return an execution or a child execution; raises ``InvalidArn`` or ``ExecutionDoesNotExist``."""
    row = context.executions.find(check_arn(arn, "execution"))
    if row is not None:
        return row
    machine_arn, _, name = arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")
    child = context.map_runs.find_child(machine_arn, name)
    if child is None:
        raise no_execution(arn)
    return child


async def start_execution(context: Context, params: Params) -> Result:
    """StartExecution; a second request that is the same as that of a running execution starts nothing."""
    execution = await _start(context, params)
    return {"executionArn": execution.row.arn, "startDate": moment(execution.row.started)}


async def start_sync_execution(context: Context, params: Params) -> Result:
    """StartSyncExecution, of an Express state machine."""
    if not find_machine(context, params["stateMachineArn"]).is_express:
        raise type_not_supported()
    row = await (await _start(context, params)).wait()
    # Source: recorded answers: time is billed in steps of 100 ms, memory in steps of 64 MB.
    steps = max(1, -(-int(((row.stopped or row.started) - row.started) * 1000) // 100))
    return {
        **_execution_fields(row, with_data=has_data(params)),
        "outputDetails": {"included": has_data(params)},
        "status": "FAILED" if row.status == "ABORTED" else row.status,
        "billingDetails": {"billedDurationInMilliseconds": steps * 100, "billedMemoryUsedInMB": 64},
    }


async def _start(context: Context, params: Params) -> Execution:
    machine = find_active(context, params["stateMachineArn"])
    name = check_name(params.get("name") or str(uuid.uuid4()))
    text = check_input(params.get("input", "{}"))
    running = context.executions.running.get(execution_arn(machine.row.arn, name))
    if running and _is_same_json(running.row.input, text):
        await asyncio.shield(running.stored)
        return running
    try:
        return await context.executions.start(machine, text, name=name, trace_header=params.get("traceHeader"))
    except ExecutionExistsError as error:
        raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{error}'") from None


def _is_same_json(first: str, second: str) -> bool:
    if first == second:
        return True
    try:
        return bool(json.loads(first) == json.loads(second))
    except RecursionError:  # too deep to be compared; as texts they differ
        return False


async def stop_execution(context: Context, params: Params) -> Result:
    """StopExecution; answers when the end is on disk."""
    row = find_execution(context, params["executionArn"])
    if not isinstance(row, ExecutionRow):
        raise not_here("a child execution ends with its Map Run, it can't be stopped")
    execution = context.executions.running.get(row.arn)
    if execution:
        context.executions.stop(row.arn, params.get("error"), params.get("cause"))
        row = await execution.wait()
    return {"stopDate": moment(row.stopped)}


async def describe_execution(context: Context, params: Params) -> Result:
    """DescribeExecution."""
    arn = params["executionArn"]
    found = find_execution(context, arn)
    if isinstance(found, ExecutionRow):
        return {**_execution_fields(found, with_data=has_data(params)), **redrive_fields(context, found)}
    map_run, child = found
    row = ExecutionRow(
        id=0,
        arn=arn,
        machine_arn=map_run.child_machine_arn,
        name=arn.rpartition(":")[2],
        started=child.started,
        input=child.input,
        **_child_end(child),
    )
    return {
        **_execution_fields(row, with_data=has_data(params)),
        "mapRunArn": map_run.arn,
        **child_redrive_fields(row.status, child.redrive_count, child.redriven),
    }


def _child_end(child: ChildRecord | LiveChild) -> dict[str, Any]:
    if isinstance(child, LiveChild):
        return {"status": "RUNNING"}
    return {name: getattr(child, name) for name in ("status", "stopped", "output", "error", "cause")}


def _named(row: ExecutionRow) -> Result:
    """Return the fields that descriptions and lists of executions have in common."""
    return {
        "executionArn": row.arn,
        "stateMachineArn": row.machine_arn,
        "name": row.name,
        "status": row.status,
        "startDate": moment(row.started),
        "stopDate": moment(row.stopped),
    }


def _execution_fields(row: ExecutionRow, *, with_data: bool) -> Result:
    details = {"included": with_data}
    return without_none(
        {
            **_named(row),
            "input": row.input if with_data else None,
            "inputDetails": details,
            "output": row.output if with_data else None,
            "outputDetails": details if row.output is not None else None,
            "error": row.error if with_data else None,
            "cause": row.cause if with_data else None,
            "traceHeader": row.trace_header,
        }
    )


async def list_executions(context: Context, params: Params) -> Result:
    """ListExecutions of a state machine, by start of those that run and end of the others; of a Map Run by start."""
    if ("stateMachineArn" in params) == ("mapRunArn" in params):
        raise ServiceError("ValidationException", "give exactly one of stateMachineArn and mapRunArn")
    limit = page_size(params)
    if "redriveFilter" in params and "stateMachineArn" in params:
        raise ServiceError("ValidationException", "redriveFilter is for the children of a Map Run: give mapRunArn")
    status = params.get("statusFilter")
    if status == "PENDING_REDRIVE":
        return {"executions": []}
    rows: list[tuple[Any, Result]]
    if "mapRunArn" in params:
        map_run = context.map_runs.find(check_arn(params["mapRunArn"], "mapRun"))
        if map_run is None:
            raise no_resource(params["mapRunArn"])
        wanted = ChildFilter(status, _REDRIVEN.get(params.get("redriveFilter", "")), cursor(params, int))
        children = context.map_runs.children(map_run, wanted, limit + 1)
        rows = [(child.position, _listed_child(map_run, child)) for child in children]
    else:
        machine = find_machine(context, params["stateMachineArn"])
        if machine.is_express:
            raise type_not_supported()
        executions = context.executions.of_machine(machine.row.arn, status, moment_cursor(params), limit + 1)
        rows = [(list(place_of(row)), _listed(row)) for row in executions]
    more = next_token(params, rows[limit - 1][0]) if len(rows) > limit else {}
    return {"executions": [listed for _place, listed in rows[:limit]], **more}


_REDRIVEN = {"REDRIVEN": True, "NOT_REDRIVEN": False}


def _listed(row: ExecutionRow) -> Result:
    return without_none(
        {
            **_named(row),
            "redriveCount": row.redrive_count,
            "redriveDate": moment(row.redriven),
        }
    )


def _listed_child(map_run: MapRunRow, child: ChildRow) -> Result:
    name = child_name(uuid.UUID(map_run.uuid), child.position)
    return without_none(
        {
            "executionArn": execution_arn(map_run.child_machine_arn, name),
            "stateMachineArn": map_run.child_machine_arn,
            "mapRunArn": map_run.arn,
            "name": name,
            "status": child.status,
            "startDate": moment(child.started),
            "stopDate": moment(child.stopped),
            "itemCount": child.item_count,
            "redriveCount": child.redrive_count,
            "redriveDate": moment(child.redriven),
        }
    )


async def describe_state_machine_for_execution(context: Context, params: Params) -> Result:
    """DescribeStateMachineForExecution: the state machine as it was when the execution started."""
    found = find_execution(context, params["executionArn"])
    of_child: Result = {}
    if not isinstance(found, ExecutionRow):
        map_run = found[0]
        label = map_run.child_machine_arn.rpartition("/")[2]
        of_child = {"stateMachineArn": map_run.child_machine_arn, "mapRunArn": map_run.arn, "label": label}
        execution_id = map_run.execution
    else:
        execution_id = found.id
    stored = context.executions.by_id(execution_id)
    snapshot, definition = json.loads(stored.snapshot), context.machines.definition(stored)
    return without_none(
        {
            "stateMachineArn": stored.machine_arn,
            "name": snapshot["name"],
            "definition": definition if has_data(params) else "{}",
            "roleArn": snapshot["roleArn"],
            "updateDate": moment(snapshot["updated"]),
            "revisionId": snapshot["revisionId"] or None,
            **setting_fields(snapshot),
            **reference_fields(definition, params),
            **of_child,
        }
    )
