"""Tasks that invoke a Lambda function: by its ARN, or through the ``lambda:invoke`` integration.

**Differs from AWS:** every qualifier but ``$LATEST`` is refused; ``ClientContext``, ``LogType`` and the invocation
type ``DryRun`` are refused by name; an asynchronous invocation (``Event``) is tried once (the service tries thrice).
"""

import asyncio
import logging

from sfn_local.arns import Account
from sfn_local.execution.frames import Call
from sfn_local.iam.access import Access
from sfn_local.integrations.parameters import check_parameters, json_text, metadata
from sfn_local.lambda_runtime.function import FunctionError
from sfn_local.lambda_runtime.runtime import LambdaRuntime, RuntimeStoppedError
from sfn_local.lambda_runtime.worker_pool import OnStarted
from sfn_local.language import Json
from sfn_local.language.errors import StatesError, StatesRuntimeError
from sfn_local.language.json_text import check_size, compact, parse
from sfn_local.protocol import ServiceError
from sfn_local.protocol.sdk_errors import sdk_cause

LOGGER = logging.getLogger(__name__)

_LATEST = "$LATEST"


class FunctionTask:
    """A Task whose Resource is the function's ARN: the task's input is the payload, the payload is the result."""

    resource_type = "lambda"
    resource = "function"
    is_function_arn = True
    takes_token = False

    def __init__(self, runtime: LambdaRuntime, access: Access) -> None:
        self._runtime = runtime
        self._access = access

    async def call(self, resource: str, parameters: Json, call: Call) -> Json:
        """Invoke the function; see :class:`sfn_local.execution.integrations.Integration`."""
        _require(self._access, call, resource)
        text = await _invoke(self._runtime, resource, compact(parameters), resource, call.on_started)
        return _parsed(text)


class InvokeTask:
    """``lambda:invoke``: request and response, or without waiting for the result (``InvocationType`` Event)."""

    resource_type = "lambda"
    resource = "invoke"
    is_function_arn = False
    takes_token = True

    def __init__(self, runtime: LambdaRuntime, account: Account, access: Access) -> None:
        self._runtime = runtime
        self._access = access
        self._account = account
        self._started: set[asyncio.Task[None]] = set()

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Invoke the function; see :class:`sfn_local.execution.integrations.Integration`."""
        check_parameters(
            parameters,
            required=("FunctionName",),
            optional=("Payload", "InvocationType", "Qualifier"),
            of="lambda:invoke",
        )
        if parameters.get("Qualifier", _LATEST) != _LATEST:
            raise StatesRuntimeError(f"Qualifier of lambda:invoke must be {_LATEST}, got {parameters['Qualifier']}")
        if not isinstance(parameters["FunctionName"], str):
            given = compact(parameters["FunctionName"])[:80]
            raise StatesRuntimeError(f"FunctionName of lambda:invoke must be a text, got {given}")
        kind = parameters.get("InvocationType", "RequestResponse")
        if kind not in ("RequestResponse", "Event"):
            raise StatesRuntimeError(
                f"InvocationType of lambda:invoke must be one of RequestResponse, Event, got {kind}"
            )
        arn, payload = self._arn(parameters["FunctionName"]), json_text(parameters.get("Payload"))
        _require(self._access, call, arn)
        result = self._start(arn, payload) if kind == "Event" else await self._request(arn, payload, call)
        check_size(compact(result), "lambda")
        return result

    async def _request(self, arn: str, payload: str, call: Call) -> dict[str, Json]:
        text = await _invoke(self._runtime, arn, payload, "lambda", call.on_started)
        headers = {
            "Connection": "keep-alive",
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": _LATEST,
            "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
            "x-amzn-Remapped-Content-Length": "0",
        }
        return {
            "ExecutedVersion": _LATEST,
            "Payload": _parsed(text),
            **metadata(headers, _LISTED, len(text.encode())),
            "StatusCode": 200,
        }

    def _start(self, arn: str, payload: str) -> dict[str, Json]:
        task = asyncio.create_task(self._run(arn, payload))
        self._started.add(task)
        task.add_done_callback(self._started.discard)
        answer = metadata({"Connection": "keep-alive"}, _LISTED, 0)
        answer["SdkHttpMetadata"]["HttpStatusCode"] = 202
        return {"Payload": None, **answer, "StatusCode": 202}

    async def _run(self, arn: str, payload: str) -> None:
        try:
            await _invoke(self._runtime, arn, payload, "lambda")
        except (StatesError, RuntimeStoppedError) as error:
            LOGGER.warning("asynchronous invocation of %s failed: %s", arn, error)

    def _arn(self, name: str) -> str:
        """Return the ARN that a function's name, partial or whole ARN stands for; ``$LATEST`` is the only version."""
        name = name.removesuffix(f":{_LATEST}")
        if name.startswith("arn:"):
            return name
        return self._account.arn("lambda", f"function:{name.rsplit(':', 1)[-1]}")


# Headers that ``AllHttpHeaders`` shows as arrays.  Source: recorded executions.
_LISTED = (
    "Connection",
    "Content-Length",
    "Content-Type",
    "X-Amz-Executed-Version",
    "x-amzn-Remapped-Content-Length",
)


def _require(access: Access, call: Call, function_arn: str) -> None:
    """Refuse an invocation that the state machine's role does not allow.

    Source of name and cause: executions on AWS whose role lacked the right, as people show them.
    """
    try:
        access.require(call.frame.principal, "lambda:InvokeFunction", function_arn.removesuffix(f":{_LATEST}"))
    except ServiceError as error:
        raise StatesError(
            "Lambda.AWSLambdaException",
            sdk_cause("AWSLambda", error),
        ) from error


async def _invoke(
    runtime: LambdaRuntime, arn: str, payload: str, what: str, on_started: OnStarted | None = None
) -> str:
    """Invoke a function and return its result's JSON; ``what`` is how the service names the task if it is too big."""
    try:
        result = await runtime.invoke(arn, payload.encode(), on_started)
    except FunctionError as error:
        raise StatesError(error.name, error.cause) from error
    text = result.decode(errors="replace")  # bytes that are no UTF-8 come only with a size that is refused
    check_size(text, what)
    return text


def _parsed(result: str) -> Json:
    try:
        return parse(result)
    except ValueError as error:
        raise StatesRuntimeError(f"the function's result can't be read: {error}") from None
