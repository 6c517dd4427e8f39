"""One child execution of a Map Run: run to its end, and described as the service describes it.

Source: recorded executions and redrives (context object, result records).
"""

import asyncio
import json
import uuid
from collections.abc import Sequence
from typing import NamedTuple

from sfn_local.arns import child_name, execution_arn
from sfn_local.execution.execution import Ending, close_history, failure_status
from sfn_local.execution.frames import Cursor, Frame
from sfn_local.execution.history import History
from sfn_local.execution.interpreter import run_program
from sfn_local.execution.limits import within_express_limit
from sfn_local.execution.program import Program
from sfn_local.execution.redrive_history import redrive_point
from sfn_local.execution.redrive_points import Completed, Interrupted, RedrivePoint
from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.language.json_text import compact
from sfn_local.language.scope import Scope
from sfn_local.language.timestamps import timestamp
from sfn_local.maps.map_run import LiveChild, MapRun
from sfn_local.maps.result_writer import Result
from sfn_local.maps.waiting import Waiting
from sfn_local.storage.event import Event
from sfn_local.storage.map_run_store import ChildRecord, MapRunRow

ABORTED_CAUSE = "The execution was aborted because its Map Run ended"


async def run_child(program: Program, waiting: Waiting, frame: Frame, map_run: MapRun) -> ChildRecord:
    """Run a child and return its record, whatever became of it; only a cancellation of its own is ABORTED."""
    clock = frame.services.clock
    is_express = map_run.row.child_type == "EXPRESS"
    attempt = _attempt(program, waiting, clock.time(), is_express=is_express)
    child = waiting.child
    history = History(clock.time, events=attempt.events, keep=not is_express)
    own = _child_frame(waiting, frame, map_run, attempt)
    map_run.live[waiting.position] = LiveChild(
        *(waiting.position, attempt.started, child.item_count, child.text, history),
        *(attempt.redrive_count, attempt.redriven),
    )
    _open_history(history, child.text, frame.role_arn, attempt)
    try:
        work = _run_from(attempt.point, program, child.value, own, Cursor(history))
        ending = Ending("SUCCEEDED", compact(await (within_express_limit(work, clock) if is_express else work)))
    except StatesError as failure:
        ending = Ending(failure_status(failure), None, failure.name, failure.cause)
    except asyncio.CancelledError:
        ending = Ending("ABORTED", None, None, ABORTED_CAUSE)
    close_history(history, ending)
    stopped = clock.time()
    return ChildRecord(
        position=waiting.position,
        status=ending.status,
        started=attempt.started,
        stopped=stopped,
        item_count=child.item_count,
        input=child.text,
        output=ending.output,
        error=ending.error,
        cause=ending.cause,
        redrive_count=attempt.redrive_count,
        events=history.drain(),
        redriven=attempt.redriven,
        computed=[[call[0], call[-1] if len(call) > 1 else stopped] for call in history.computed],
    )


class _Attempt(NamedTuple):
    """State with which a child starts: a redriven one has earlier events."""

    started: float
    redrive_count: int = 0
    redriven: float | None = None
    events: Sequence[Event] = ()
    point: RedrivePoint | None = None


def _attempt(program: Program, waiting: Waiting, now: float, *, is_express: bool) -> _Attempt:
    """Return how a child starts: as recorded, an Express one begins anew, a Standard one goes on."""
    record = waiting.record
    if record is None:
        return _Attempt(now)
    count = record.redrive_count + 1
    if is_express:
        return _Attempt(now, count)
    return _Attempt(record.started, count, now, record.events, redrive_point(program, record.events))


def _open_history(history: History, text: str, role_arn: str, attempt: _Attempt) -> None:
    if attempt.events:
        details: dict[str, Json] = {"redriveCount": attempt.redrive_count}
        history.add("ExecutionRedriven", history.count, "executionRedrivenEventDetails", details)
    else:
        details = {"input": text, "inputDetails": {"truncated": False}, "roleArn": role_arn}
        history.add("ExecutionStarted", 0, "executionStartedEventDetails", details)


async def _run_from(point: RedrivePoint | None, program: Program, value: Json, frame: Frame, cursor: Cursor) -> Json:
    if isinstance(point, Completed):
        return json.loads(point.output)
    return await run_program(program, value, frame, cursor, point if isinstance(point, Interrupted) else None)


def _child_frame(waiting: Waiting, frame: Frame, map_run: MapRun, attempt: _Attempt) -> Frame:
    name = child_name(map_run.uuid, waiting.position)
    arn = execution_arn(map_run.row.child_machine_arn, name)
    execution: dict[str, Json] = {
        "Id": arn,
        "Input": waiting.child.value,
        "StartTime": timestamp(attempt.started),
        "Name": name,
        "RoleArn": frame.role_arn,
        "RedriveCount": attempt.redrive_count,
    }
    if attempt.redriven is not None:
        execution["RedriveTime"] = timestamp(attempt.redriven)
    state_machine = {"Id": map_run.row.child_machine_arn, "Name": frame.machine_name}
    return Frame(
        services=frame.services,
        machine_arn=map_run.row.child_machine_arn,
        machine_name=frame.machine_name,
        role_arn=frame.role_arn,
        execution_arn=arn,
        execution_id=frame.execution_id,
        scope=Scope({"Execution": execution, "StateMachine": state_machine}),
        parent=frame,
        position=waiting.position,
    )


def child_result(record: ChildRecord, row: MapRunRow) -> Result:
    """Return a child as result files describe it, fields in the recorded (alphabetical) order."""
    name = child_name(uuid.UUID(row.uuid), record.position)
    fields: dict[str, Json] = {}
    if record.status != "SUCCEEDED":
        fields["Cause"] = record.cause or ""
        if record.error is not None:
            fields["Error"] = record.error
    fields["ExecutionArn"] = execution_arn(row.child_machine_arn, name)
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
    fields["StateMachineArn"] = row.child_machine_arn
    fields["Status"] = record.status
    fields["StopDate"] = timestamp(record.stopped)
    return Result(record.status, fields, record.output)


def pending_result(waiting: Waiting) -> Result:
    """Return a child that never started as result files describe it."""
    return Result(
        "PENDING", {"Input": waiting.child.text, "InputDetails": {"Included": True}, "Status": "PENDING"}, None
    )
