"""Tasks that invoke a Lambda function: by its ARN, or through the ``lambda:invoke`` integration.

**Differs from AWS:** the HTTP headers in ``SdkHttpMetadata`` are fewer.
"""

import json
import uuid

from hpc_local.arns import Account
from hpc_local.execution.frames import Call
from hpc_local.lambda_function import FunctionError
from hpc_local.lambda_runtime import LambdaRuntime
from hpc_local.language import Json
from hpc_local.language.errors import StatesError, StatesRuntimeError
from hpc_local.language.json_text import check_size, compact

_INVOKE_PARAMETERS = ("FunctionName", "Payload", "InvocationType", "Qualifier")


class FunctionTask:
    """A Task whose Resource is the function's ARN: the task's input is the payload, the payload is the result."""

    resource_type = "lambda"
    resource = "function"
    is_function_arn = True

    def __init__(self, runtime: LambdaRuntime) -> None:
        self._runtime = runtime

    async def call(self, resource: str, parameters: Json, _call: Call) -> Json:
        """Invoke the function; see :class:`hpc_local.integrations.Integration`."""
        return await invoke(self._runtime, resource, parameters, resource)


class InvokeTask:
    """``lambda:invoke``, request and response."""

    resource_type = "lambda"
    resource = "invoke"
    is_function_arn = False

    def __init__(self, runtime: LambdaRuntime, account: Account) -> None:
        self._runtime = runtime
        self._account = account

    async def call(self, _resource: str, parameters: Json, _call: Call) -> Json:
        """Invoke the function; see :class:`hpc_local.integrations.Integration`."""
        unknown = sorted(set(parameters) - set(_INVOKE_PARAMETERS))
        if unknown:
            raise StatesRuntimeError(
                f"parameters {', '.join(unknown)} of lambda:invoke are not known here; known are {', '.join(_INVOKE_PARAMETERS)}"
            )
        payload = await invoke(
            self._runtime, self._arn(parameters["FunctionName"]), parameters.get("Payload", {}), "lambda"
        )
        request_id = str(uuid.uuid4())
        result = {
            "ExecutedVersion": "$LATEST",
            "Payload": payload,
            "SdkHttpMetadata": {
                "AllHttpHeaders": {"x-amzn-RequestId": [request_id], "Content-Type": ["application/json"]},
                "HttpHeaders": {"Content-Type": "application/json", "x-amzn-RequestId": request_id},
                "HttpStatusCode": 200,
            },
            "SdkResponseMetadata": {"RequestId": request_id},
            "StatusCode": 200,
        }
        check_size(compact(result), "lambda")
        return result

    def _arn(self, name: str) -> str:
        """Return the ARN that a function's name, partial or whole ARN stands for; ``$LATEST`` is the only version."""
        name = name.removesuffix(":$LATEST")
        if name.startswith("arn:"):
            return name
        return self._account.arn("lambda", f"function:{name.rsplit(':', 1)[-1]}")


async def invoke(runtime: LambdaRuntime, arn: str, payload: Json, what: str) -> Json:
    """Invoke a function and check its result's size; ``what`` is how the service names the task then."""
    try:
        text = (await runtime.invoke(arn, compact(payload).encode())).decode()
    except FunctionError as error:
        raise StatesError(error.name, error.cause) from error
    check_size(text, what)
    return json.loads(text)
