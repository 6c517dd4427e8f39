"""``sqs:sendMessage``: send a message to a queue, and with ``.waitForTaskToken`` wait until its token is answered.

Source: Step Functions developer guide, "Send messages to an Amazon SQS queue with Step Functions".

**Differs from AWS:** no recorded execution sends a message: names of errors follow the SDK's,
``SQS.QueueDoesNotExistException``.
"""

import base64
from collections.abc import Mapping
from typing import Any

from sfn_local.execution.frames import Call
from sfn_local.integrations.parameters import check_parameters, check_request, metadata
from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.language.json_text import compact
from sfn_local.protocol import Service, ServiceError
from sfn_local.protocol.catalog import service_model
from sfn_local.protocol.sdk_errors import sdk_cause

_OPTIONAL = ("DelaySeconds", "MessageAttributes")
# The codes that SQS had before it spoke JSON, which its SDK still shows.
_CODES = {"QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue"}


class SendMessageTask:
    """``sqs:sendMessage``: sends, and returns the message's id and digest."""

    resource_type = "sqs"
    resource = "sendMessage"
    is_function_arn = False
    takes_token = True

    def __init__(self, sqs: Service) -> None:
        self._sqs = sqs

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Send the message; see :class:`sfn_local.execution.integrations.Integration`."""
        check_parameters(parameters, required=("MessageBody", "QueueUrl"), optional=_OPTIONAL, of="sqs:sendMessage")
        body = parameters["MessageBody"]
        request = {**parameters, "MessageBody": body if isinstance(body, str) else compact(body)}
        check_request("sqs", "SendMessage", request)
        if "MessageAttributes" in request:
            attributes = request["MessageAttributes"].items()
            request["MessageAttributes"] = {name: _with_bytes(value) for name, value in attributes}
        try:
            answer = await self._sqs.handle("SendMessage", request, call.frame.principal)
        except ServiceError as error:
            raise _task_error(error) from error
        headers = {"connection": "keep-alive", "Content-Type": "application/x-amz-json-1.0"}
        return {**answer, **metadata(headers, ("connection", "Content-Length", "Content-Type"), len(compact(answer)))}


def _with_bytes(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return an attribute as the service takes it: a state holds bytes as base64."""
    return {**value, "BinaryValue": base64.b64decode(value["BinaryValue"])} if "BinaryValue" in value else dict(value)


def _task_error(error: ServiceError) -> StatesError:
    modelled = {shape.name for shape in service_model("sqs").error_shapes}
    name = f"{error.code}Exception" if error.code in modelled else "AmazonSQSException"
    return StatesError(f"SQS.{name}", sdk_cause("AmazonSQS", error, code=_CODES.get(error.code, "")))
