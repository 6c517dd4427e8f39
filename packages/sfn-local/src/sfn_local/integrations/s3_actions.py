"""``aws-sdk:s3:*``: actions of the local S3 as tasks.

Source: recorded executions: result shapes, bodies of other types than text, CRC32 as the SDK's default checksum;
`S3.NoSuchBucketException` as the form of error names.

**Differs from AWS:** the actions are those in ``ACTIONS``; others are refused when a definition is loaded.  An object
that is no UTF-8 text is read with replacement characters.
"""

import base64
import uuid
import zlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from botocore.utils import parse_to_aware_datetime

from sfn_local.execution.frames import Call
from sfn_local.integrations.parameters import check_request
from sfn_local.language import Json
from sfn_local.language.errors import DataLimitExceededError, StatesError
from sfn_local.language.json_text import MAX_PAYLOAD_BYTES, check_size, compact
from sfn_local.protocol import Service, ServiceError
from sfn_local.protocol.catalog import service_model
from sfn_local.protocol.messages import RequestBody

ACTIONS = ("GetObject", "HeadObject", "ListBuckets", "ListObjectsV2", "PutObject")

# Source: S3's own texts, as SDK errors carry them.
_MESSAGES = {
    "NoSuchBucket": "The specified bucket does not exist",
    "NoSuchKey": "The specified key does not exist.",
}
# Source: recorded executions; S3 has encrypted every object so since 2023.
_ENCRYPTED = {"ServerSideEncryption": "AES256"}
# Source: recorded executions: what the SDK says of a body that it is given as a text.
_TEXT_TYPE = "text/plain; charset=UTF-8"


class S3Task:
    """One action of S3 as a task."""

    resource_type = "aws-sdk:s3"
    is_function_arn = False
    takes_token = True

    def __init__(self, action: str, s3: Service) -> None:
        self.resource = action[0].lower() + action[1:]
        self._action = action
        self._s3 = s3

    async def call(self, _resource: str, parameters: Json, call: Call) -> Json:
        """Perform the action; see :class:`sfn_local.execution.integrations.Integration`."""
        given = parameters if isinstance(parameters, dict) else {}
        if "Body" in given:
            given = {"ContentType": _TEXT_TYPE, **given, "Body": _body_bytes(given["Body"])}
        elif self._action == "PutObject":
            given = {**given, "Body": b""}
        check_request("s3", self._action, given)
        try:
            answer = await self._s3.handle(self._action, _request(self._action, given), call.frame.principal)
        except ServiceError as error:
            raise self._error(error) from error
        if self.resource in ("getObject", "headObject", "putObject"):
            answer = {**answer, **_ENCRYPTED}
        if "Body" in answer:
            answer = {**answer, "Body": await _read(answer["Body"])}
        result = {name: _as_json(value) for name, value in answer.items()}
        check_size(compact(result), self.resource_type)
        return result

    def _error(self, error: ServiceError) -> StatesError:
        # A denial has the name of the SDK's base class: the model has one of its own for other operations only.
        modelled = {shape.name for shape in service_model("s3").error_shapes} - {"AccessDenied"}
        name = f"{error.code}Exception" if error.code in modelled else "S3Exception"
        message = _MESSAGES.get(error.code, error.message)
        ids = f"Request ID: {uuid.uuid4()}, Extended Request ID: {uuid.uuid4()}"
        return StatesError(f"S3.{name}", f"{message} (Service: S3, Status Code: {error.status}, {ids})")


def s3_tasks(s3: Service) -> dict[str, S3Task]:
    """Return the tasks by name, ``aws-sdk:s3:getObject`` and so on."""
    tasks = (S3Task(action, s3) for action in ACTIONS)
    return {f"{task.resource_type}:{task.resource}": task for task in tasks}


def _body_bytes(body: Json) -> bytes:
    """Return what is stored: the body as JSON, a text with its quotation marks too."""
    return compact(body).encode()


def _request(action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Give moments and the body as S3 takes them, with the checksum that the SDK adds."""
    shape = service_model("s3").operation_model(action).input_shape
    moments = [name for name in parameters if shape and shape.members[name].type_name == "timestamp"]
    parameters = {**parameters, **{name: parse_to_aware_datetime(parameters[name]) for name in moments}}
    if "Body" not in parameters:
        return parameters
    body: bytes = parameters["Body"]
    checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    own = {} if any(name.startswith("Checksum") for name in parameters) else {"ChecksumCRC32": checksum}
    return {**parameters, **own, "Body": RequestBody(_chunks(body), len(body), {})}


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _read(body: Any) -> str:
    """Return a streamed body as text, as far as there can be room for it in a payload."""
    if isinstance(body, bytes):
        return body.decode(errors="replace")
    data = bytearray()
    try:
        async for chunk in body:
            data += chunk
            if len(data) > MAX_PAYLOAD_BYTES:
                raise DataLimitExceededError(
                    "The state/task 'aws-sdk:s3' returned a result with a size exceeding"
                    " the maximum number of bytes service limit."
                )
    finally:
        await body.aclose()
    return data.decode(errors="replace")


def _as_json(value: Any) -> Json:
    if isinstance(value, dict):
        return {name: _as_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
