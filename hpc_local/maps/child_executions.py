"""One child execution of a Map Run: run to its end, and described as the service describes it.

Source: recorded executions (context object, result records).
"""

import asyncio

from hpc_local.arns import child_name, execution_arn
from hpc_local.execution.execution import Ending, close_history, failure_status
from hpc_local.execution.frames import Cursor, Frame
from hpc_local.execution.history import History
from hpc_local.execution.interpreter import run_program
from hpc_local.execution.limits import within_express_limit
from hpc_local.execution.program import Program
from hpc_local.language import Json
from hpc_local.language.errors import StatesError
from hpc_local.language.json_text import compact
from hpc_local.language.scope import Scope
from hpc_local.maps.batches import ChildInput
from hpc_local.maps.map_run import LiveChild, MapRun
from hpc_local.maps.result_writer import Result, timestamp
from hpc_local.storage.map_runs import ChildRecord

ABORTED_CAUSE = "The execution was aborted because its Map Run ended"


async def run_child(program: Program, position: int, child: ChildInput, frame: Frame, map_run: MapRun) -> ChildRecord:
    """Run a child and return its record, whatever became of it; only a cancellation of its own is ABORTED."""
    clock = frame.services.clock
    is_express = map_run.row.child_type == "EXPRESS"
    history = History(clock.time, keep=not is_express)
    started = clock.time()
    own = _child_frame(position, child.value, frame, map_run, started)
    map_run.live[position] = LiveChild(position, started, child.item_count, child.text, history)
    history.add(
        "ExecutionStarted",
        0,
        "executionStartedEventDetails",
        {"input": child.text, "inputDetails": {"truncated": False}, "roleArn": frame.role_arn},
    )
    try:
        work = run_program(program, child.value, own, Cursor(history))
        ending = Ending("SUCCEEDED", compact(await (within_express_limit(work, clock) if is_express else work)))
    except StatesError as failure:
        ending = Ending(failure_status(failure), None, failure.name, failure.cause)
    except asyncio.CancelledError:
        ending = Ending("ABORTED", None, None, ABORTED_CAUSE)
    close_history(history, ending)
    return ChildRecord(
        position=position,
        status=ending.status,
        started=started,
        stopped=clock.time(),
        item_count=child.item_count,
        input=child.text,
        output=ending.output,
        error=ending.error,
        cause=ending.cause,
        redrive_count=0,
        events=history.drain(),
    )


def _child_frame(position: int, value: Json, frame: Frame, map_run: MapRun, started: float) -> Frame:
    name = child_name(map_run.uuid, position)
    arn = execution_arn(map_run.row.child_machine_arn, name)
    context: dict[str, Json] = {
        "Execution": {
            "Id": arn,
            "Input": value,
            "StartTime": timestamp(started),
            "Name": name,
            "RoleArn": frame.role_arn,
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": map_run.row.child_machine_arn, "Name": frame.machine_name},
    }
    return Frame(
        services=frame.services,
        machine_arn=map_run.row.child_machine_arn,
        machine_name=frame.machine_name,
        role_arn=frame.role_arn,
        execution_arn=arn,
        execution_id=frame.execution_id,
        scope=Scope(context),
    )


def described(record: ChildRecord, map_run: MapRun) -> Result:
    """Return a child as result files describe it, fields in the recorded (alphabetical) order."""
    name = child_name(map_run.uuid, record.position)
    fields: dict[str, Json] = {}
    if record.status != "SUCCEEDED":
        fields["Cause"] = record.cause or ""
        if record.error is not None:
            fields["Error"] = record.error
    fields["ExecutionArn"] = execution_arn(map_run.row.child_machine_arn, name)
    fields["Input"] = record.input
    fields["InputDetails"] = {"Included": True}
    fields["Name"] = name
    if record.output is not None:
        fields["Output"] = record.output
    fields["OutputDetails"] = {"Included": True}
    fields["RedriveCount"] = record.redrive_count
    if record.status == "SUCCEEDED":
        fields["RedriveStatus"] = "NOT_REDRIVABLE"
        fields["RedriveStatusReason"] = "Execution is SUCCEEDED and cannot be redriven"
    else:
        fields["RedriveStatus"] = "REDRIVABLE_BY_MAP_RUN"
    fields["StartDate"] = timestamp(record.started)
    fields["StateMachineArn"] = map_run.row.child_machine_arn
    fields["Status"] = record.status
    fields["StopDate"] = timestamp(record.stopped)
    return Result(record.status, fields, record.output)


def described_pending(child: ChildInput) -> Result:
    """Return a child that never started as result files describe it."""
    return Result("PENDING", {"Input": child.text, "InputDetails": {"Included": True}, "Status": "PENDING"}, None)
