"""``states:startExecution``: start another state machine, and with ``.sync`` or ``.sync:2`` wait for its end.

Source: recorded executions: shapes of results, error names and causes.

**Differs from AWS:** an execution that a stopped, failed or timed out task waited for is stopped at once, with a cause
that says so (the service does it at its best effort and documents no cause).
"""

import asyncio
import json
import logging

from sfn_local.execution.executions import Executions
from sfn_local.execution.frames import Call
from sfn_local.iam.access import Access
from sfn_local.integrations.parameters import check_parameters, check_request, json_text, metadata
from sfn_local.language import Json
from sfn_local.language.errors import StatesError, TaskFailedError
from sfn_local.language.json_text import check_size, compact
from sfn_local.protocol import Service, ServiceError
from sfn_local.protocol.sdk_errors import sdk_cause
from sfn_local.storage.execution_store import ExecutionRow

LOGGER = logging.getLogger(__name__)

_OPTIONAL = ("Input", "Name", "TraceHeader")


class StartExecutionTask:
    """``states:startExecution``: starts, and returns the new execution's ARN."""

    resource_type = "states"
    resource = "startExecution"
    is_function_arn = False
    takes_token = True

    def __init__(self, states: Service) -> None:
        self._states = states
        self._starting: set[asyncio.Task[dict[str, Json]]] = set()

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Start the execution; see :class:`sfn_local.execution.integrations.Integration`."""
        return await asyncio.shield(self.start(parameters, call.frame.principal))

    def start(self, parameters: Json, principal: str) -> "asyncio.Task[dict[str, Json]]":
        """Send the request; it goes on if its sender is cancelled: no execution is half started."""
        starting = asyncio.create_task(self._start(parameters, principal))
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)
        return starting

    async def _start(self, parameters: Json, principal: str) -> dict[str, Json]:
        check_parameters(parameters, required=("StateMachineArn",), optional=_OPTIONAL, of="states:startExecution")
        given = {name: parameters[name] for name in parameters if name != "Input"}
        request = {f"{name[0].lower()}{name[1:]}": value for name, value in given.items()}
        request["input"] = json_text(parameters.get("Input"))
        check_request("stepfunctions", "StartExecution", request)
        try:
            answer = await self._states.handle("StartExecution", request, principal)
        except ServiceError as error:
            raise _service_error(error) from error
        shown = {"ExecutionArn": answer["executionArn"], "StartDate": _milliseconds(answer["startDate"].timestamp())}
        headers = {"connection": "keep-alive", "Content-Type": "application/x-amz-json-1.0"}
        return {**shown, **metadata(headers, ("connection", "Content-Length", "Content-Type"), len(compact(shown)))}


class RunExecutionTask:
    """``states:startExecution.sync`` and ``.sync:2``: the result is the execution as DescribeExecution tells it.

    Parameters
    ----------
    is_json : bool
        Whether Input and Output are JSON (``.sync:2``) or JSON text (``.sync``).
    """

    resource_type = "states"
    is_function_arn = False
    takes_token = False

    def __init__(self, start: StartExecutionTask, executions: Executions, access: Access, *, is_json: bool) -> None:
        self.resource = "startExecution.sync:2" if is_json else "startExecution.sync"
        self._start = start
        self._executions = executions
        self._access = access
        self._is_json = is_json

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Run the execution to its end; see :class:`sfn_local.execution.integrations.Integration`."""
        principal = call.frame.principal
        starting = self._start.start(parameters, principal)
        try:
            submitted = await asyncio.shield(starting)
            call.on_submitted(submitted)
            row = await self._end_of(submitted["ExecutionArn"])
        except BaseException:
            cause = f"the task of {call.frame.execution_arn} that ran this has ended"
            starting.add_done_callback(lambda started: self._stop(started, cause, principal))
            raise
        self._require(principal, "states:DescribeExecution", row.arn)
        described = _execution_result(row)
        if row.status != "SUCCEEDED":
            raise TaskFailedError(compact(described))
        if self._is_json:
            described = {**described, "Input": json.loads(row.input), "Output": json.loads(row.output or "null")}
        check_size(compact(described), self.resource_type)
        return described

    def _stop(self, started: "asyncio.Task[dict[str, Json]]", cause: str, principal: str) -> None:
        if started.cancelled() or started.exception() is not None:
            return
        arn = started.result()["ExecutionArn"]
        execution = self._executions.running.get(arn)
        if execution is None:
            return
        try:
            self._require(principal, "states:StopExecution", arn)
        except StatesError as error:
            LOGGER.warning("%s goes on: %s", arn, error.cause)
            return
        self._executions.stop(arn, None, cause)

    def _require(self, principal: str, action: str, arn: str) -> None:
        try:
            self._access.require(principal, action, arn)
        except ServiceError as error:
            raise _service_error(error) from error

    async def _end_of(self, arn: str) -> ExecutionRow:
        execution = self._executions.running.get(arn)
        if execution is not None:
            return await asyncio.shield(execution.ended)
        row = self._executions.find(arn)
        assert row is not None  # it has just been started
        return row


def execution_tasks(
    states: Service, executions: Executions, access: Access
) -> dict[str, StartExecutionTask | RunExecutionTask]:
    """Return the tasks by name; ``states`` is the service that asks first whether its caller may."""
    start = StartExecutionTask(states)
    return {
        "states:startExecution": start,
        "states:startExecution.sync": RunExecutionTask(start, executions, access, is_json=False),
        "states:startExecution.sync:2": RunExecutionTask(start, executions, access, is_json=True),
    }


def _execution_result(row: ExecutionRow) -> dict[str, Json]:
    """Return an ended execution, fields in the recorded (alphabetical) order."""
    described: dict[str, Json] = {}
    if row.status != "SUCCEEDED":
        described = {name: text for name, text in (("Cause", row.cause), ("Error", row.error)) if text is not None}
    described["ExecutionArn"] = row.arn
    described["Input"] = row.input
    described["InputDetails"] = {"Included": True}
    described["Name"] = row.name
    if row.output is not None:
        described["Output"] = row.output
        described["OutputDetails"] = {"Included": True}
    described["StartDate"] = _milliseconds(row.started)
    described["StateMachineArn"] = row.machine_arn
    described["Status"] = row.status
    described["StopDate"] = _milliseconds(row.stopped or row.started)
    return described


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _service_error(error: ServiceError) -> StatesError:
    # The SDK's name of the error; one that the service's model lacks has the name of the client's base class.
    is_denied = error.code == "AccessDeniedException"
    name = "AWSStepFunctionsException" if is_denied else f"{error.code.removesuffix('Exception')}Exception"
    return StatesError(
        f"StepFunctions.{name}",
        sdk_cause("AWSStepFunctions", error),
    )
