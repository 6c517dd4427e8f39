"""The Step Functions API on this machine: parameters in, result out; validated against the service model outside.

Source: the service model of botocore, and "AWS Step Functions API reference" for errors and limits.

**Differs from AWS:** actions that are not in ``ACTIONS`` are refused by name; list tokens are plain offsets.
"""

import json
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from hpc_local.arns import child_name, child_position, execution_arn
from hpc_local.execution.executions import Execution, ExecutionExistsError
from hpc_local.execution.machines import Machines
from hpc_local.language.json_text import MAX_PAYLOAD_BYTES, text_size_bytes
from hpc_local.maps.map_run import MapRuns, MapRunView
from hpc_local.protocol import ServiceError
from hpc_local.storage.executions import ExecutionRow
from hpc_local.storage.map_runs import ChildRecord, MapRunRow

Params = dict[str, Any]
Result = dict[str, Any]

# Source: API reference, "StartExecution": characters a name can't have; we ask for letters, digits, - and _ in `hpc run`.
_BAD_NAME = re.compile(r"[\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]")
_NAME_LENGTH = 80
_PAGE = 1000  # the most that one page of a list action holds


class StatesService:
    """Actions of Step Functions over the engine."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._executions = machines.executions
        self._map_runs: MapRuns = machines.map_runs

    async def handle(self, action: str, params: Params, principal: str) -> Result:  # noqa: ARG002 - one user here
        """Perform ``action``; see :class:`hpc_local.protocol.Service`."""
        try:
            method = ACTIONS[action]
        except KeyError:
            raise ServiceError(
                "UnknownOperationException",
                f"{action} is not available on this machine; available are {', '.join(ACTIONS)}",
            ) from None
        return await method(self, params)

    # State machines

    async def _list_state_machines(self, params: Params) -> Result:
        rows = [machine.row for machine in self._machines.all()]
        page, token = _page(rows, params)
        items = [
            {"stateMachineArn": row.arn, "name": row.name, "type": row.type, "creationDate": _moment(row.created)}
            for row in page
        ]
        return {"stateMachines": items, **token}

    async def _describe_state_machine(self, params: Params) -> Result:
        machine = self._machines.find(params["stateMachineArn"])
        if machine is None:
            raise _no_machine(params["stateMachineArn"])
        row = machine.row
        return {
            "stateMachineArn": row.arn,
            "name": row.name,
            "status": "ACTIVE",
            "definition": row.definition,
            "roleArn": row.role_arn,
            "type": row.type,
            "creationDate": _moment(row.created),
            "revisionId": row.revision_id,
        }

    # Executions

    async def _start_execution(self, params: Params) -> Result:
        execution = await self._start(params)
        return {"executionArn": execution.row.arn, "startDate": _moment(execution.row.started)}

    async def _start(self, params: Params) -> Execution:
        machine = self._machines.find(params["stateMachineArn"])
        if machine is None:
            raise _no_machine(params["stateMachineArn"])
        name = params.get("name") or str(uuid.uuid4())
        if len(name) > _NAME_LENGTH or _BAD_NAME.search(name):
            raise ServiceError("InvalidName", f"Invalid Name: '{name}'")
        input_text = params.get("input") or "{}"
        if text_size_bytes(input_text) > MAX_PAYLOAD_BYTES:
            raise ServiceError("InvalidExecutionInput", f"the input has more than {MAX_PAYLOAD_BYTES} bytes")
        try:
            json.loads(input_text, parse_constant=_refuse_constant)
        except ValueError as error:
            raise ServiceError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from None
        running = self._executions.find(execution_arn(machine.row.arn, name))
        if running and running.status == "RUNNING" and json.loads(running.input) == json.loads(input_text):
            return self._executions.running[running.arn]  # starting the same thing twice is idempotent
        try:
            return await self._executions.start(machine, input_text, name=name, trace_header=params.get("traceHeader"))
        except ExecutionExistsError as error:
            raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{error}'") from None

    async def _stop_execution(self, params: Params) -> Result:
        row = self._find_execution(params["executionArn"])
        execution = self._executions.running.get(row.arn)
        if execution:
            self._executions.stop(row.arn, params.get("error"), params.get("cause"))
            row = await execution.ended
        return {"stopDate": _moment(row.stopped)}

    async def _describe_execution(self, params: Params) -> Result:
        arn = params["executionArn"]
        row = self._executions.find(arn)
        if row is not None:
            return _without_none(
                {
                    "executionArn": row.arn,
                    "stateMachineArn": row.machine_arn,
                    "name": row.name,
                    "status": row.status,
                    "startDate": _moment(row.started),
                    "stopDate": _moment(row.stopped),
                    "input": row.input,
                    "inputDetails": {"included": True},
                    "output": row.output,
                    "outputDetails": {"included": True} if row.output is not None else None,
                    "error": row.error,
                    "cause": row.cause,
                    "traceHeader": row.trace_header,
                    "redriveCount": row.redrive_count,
                }
            )
        map_run, record = self._find_child(arn)
        return _without_none(
            {
                "executionArn": arn,
                "stateMachineArn": map_run.child_machine_arn,
                "mapRunArn": map_run.arn,
                "name": arn.rsplit(":", 1)[-1],
                "status": record.status,
                "startDate": _moment(record.started),
                "stopDate": _moment(record.stopped),
                "input": record.input,
                "inputDetails": {"included": True},
                "output": record.output,
                "outputDetails": {"included": True} if record.output is not None else None,
                "error": record.error,
                "cause": record.cause,
                "redriveCount": record.redrive_count,
            }
        )

    async def _list_executions(self, params: Params) -> Result:
        if ("stateMachineArn" in params) == ("mapRunArn" in params):
            raise ServiceError("ValidationException", "give exactly one of stateMachineArn and mapRunArn")
        offset, limit = _offset(params), min(params.get("maxResults") or 100, _PAGE)
        status = params.get("statusFilter")
        if "mapRunArn" in params:
            items = self._children(self._find_map_run(params["mapRunArn"]).row, status, offset, limit)
        else:
            if self._machines.find(params["stateMachineArn"]) is None:
                raise _no_machine(params["stateMachineArn"])
            rows = self._executions.of_machine(params["stateMachineArn"], status, offset, limit + 1)
            items = [
                _without_none(
                    {
                        "executionArn": row.arn,
                        "stateMachineArn": row.machine_arn,
                        "name": row.name,
                        "status": row.status,
                        "startDate": _moment(row.started),
                        "stopDate": _moment(row.stopped),
                        "redriveCount": row.redrive_count,
                    }
                )
                for row in rows
            ]
        more = {"nextToken": str(offset + limit)} if len(items) > limit else {}
        return {"executions": items[:limit], **more}

    def _children(self, map_run: MapRunRow, status: str | None, offset: int, limit: int) -> list[Result]:
        items = []
        for position, state, started, stopped, item_count in self._map_runs.store.ended(
            map_run.id, status, offset, limit + 1
        ):
            name = child_name(uuid.UUID(map_run.uuid), position)
            items.append(
                {
                    "executionArn": execution_arn(map_run.child_machine_arn, name),
                    "stateMachineArn": map_run.child_machine_arn,
                    "mapRunArn": map_run.arn,
                    "name": name,
                    "status": state,
                    "startDate": _moment(started),
                    "stopDate": _moment(stopped),
                    "itemCount": item_count,
                    "redriveCount": 0,
                }
            )
        return items

    async def _get_execution_history(self, params: Params) -> Result:
        row = self._executions.find(params["executionArn"])
        events = await self._executions.events(row) if row else self._find_child(params["executionArn"])[1].events
        if params.get("reverseOrder"):
            events = events[::-1]
        page, token = _page(events, params)
        return {"events": [{**event, "timestamp": _moment(event["timestamp"])} for event in page], **token}

    # Map Runs

    async def _list_map_runs(self, params: Params) -> Result:
        row = self._find_execution(params["executionArn"])
        page, token = _page(self._map_runs.of_execution(row.id), params)
        items = [
            _without_none(
                {
                    "executionArn": row.arn,
                    "mapRunArn": map_run.arn,
                    "stateMachineArn": map_run.child_machine_arn,
                    "startDate": _moment(map_run.started),
                    "stopDate": _moment(map_run.stopped),
                }
            )
            for map_run in page
        ]
        return {"mapRuns": items, **token}

    async def _describe_map_run(self, params: Params) -> Result:
        view = self._find_map_run(params["mapRunArn"])
        row = view.row
        return _without_none(
            {
                "mapRunArn": row.arn,
                "executionArn": self._executions.arn_of(row.execution),
                "status": row.status,
                "startDate": _moment(row.started),
                "stopDate": _moment(row.stopped),
                "maxConcurrency": row.max_concurrency,
                "toleratedFailurePercentage": row.tolerated_failure_percentage,
                "toleratedFailureCount": row.tolerated_failure_count,
                "itemCounts": view.item_counts,
                "executionCounts": view.execution_counts,
                "redriveCount": row.redrive_count,
            }
        )

    # Finding

    def _find_execution(self, arn: str) -> ExecutionRow:
        row = self._executions.find(arn)
        if row is None:
            raise _no_execution(arn)
        return row

    def _find_map_run(self, arn: str) -> MapRunView:
        view = self._map_runs.view(arn)
        if view is None:
            raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
        return view

    def _find_child(self, arn: str) -> tuple[MapRunRow, ChildRecord]:
        machine_arn, _, name = arn.replace(":execution:", ":stateMachine:", 1).rpartition(":")
        for map_run in self._map_runs.store.of_child_machine(machine_arn):
            position = child_position(uuid.UUID(map_run.uuid), name)
            record = self._map_runs.store.child(map_run.id, position) if position is not None else None
            if record:
                return map_run, record
        raise _no_execution(arn)


ACTIONS: dict[str, Callable[[StatesService, Params], Awaitable[Result]]] = {
    "DescribeExecution": StatesService._describe_execution,
    "DescribeMapRun": StatesService._describe_map_run,
    "DescribeStateMachine": StatesService._describe_state_machine,
    "GetExecutionHistory": StatesService._get_execution_history,
    "ListExecutions": StatesService._list_executions,
    "ListMapRuns": StatesService._list_map_runs,
    "ListStateMachines": StatesService._list_state_machines,
    "StartExecution": StatesService._start_execution,
    "StopExecution": StatesService._stop_execution,
}


def _no_machine(arn: str) -> ServiceError:
    return ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")


def _no_execution(arn: str) -> ServiceError:
    return ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _without_none(result: Result) -> Result:
    return {key: value for key, value in result.items() if value is not None}


def _offset(params: Params) -> int:
    token = params.get("nextToken")
    if token is None:
        return 0
    if not token.isdigit():
        raise ServiceError("InvalidToken", f"Invalid Token: '{token}'")
    return int(token)


def _page(items: list[Any], params: Params) -> tuple[list[Any], Result]:
    """Cut one page out of ``items``; a maxResults of 0 means the default, 100."""
    offset, limit = _offset(params), min(params.get("maxResults") or 100, _PAGE)
    token = {"nextToken": str(offset + limit)} if offset + limit < len(items) else {}
    return items[offset : offset + limit], token
