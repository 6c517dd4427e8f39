"""The ``json`` protocol: one address, the operation's name in a header, everything else in the body."""

from __future__ import annotations

from typing import Any

from botocore.model import OperationModel, StructureShape

from sfn_local.protocol import ServiceError
from sfn_local.protocol.faults import Faults
from sfn_local.protocol.json_body import decode_json, dumps, encode_json, loads_strictly
from sfn_local.protocol.messages import HttpRequest, HttpResponse, RequestBody
from sfn_local.protocol.routes import Match
from sfn_local.protocol.service_api import ServiceApi


def decode_json_object(shape: StructureShape | None, body: bytes | RequestBody, faults: Faults) -> dict[str, Any]:
    """Read the members of ``shape`` that are in a JSON body; an empty body is an empty object."""
    assert isinstance(body, bytes)
    try:
        value = loads_strictly(body or b"{}")
        decoded = decode_json(shape, value) if shape else value
    except ValueError as error:
        raise faults.malformed(f"body is not valid JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise faults.malformed(f"body must be a JSON object, got {type(value).__name__}")
    return decoded


def encode_json_error(error: ServiceError, media_type: str) -> HttpResponse:
    headers = {"content-type": media_type, "x-amzn-errortype": error.code}
    return HttpResponse(error.status, headers, dumps({"__type": error.code, "message": error.message}))


class JsonApi(ServiceApi):
    """The API of a service that speaks the ``json`` protocol."""

    @property
    def _media_type(self) -> str:
        return f"application/x-amz-json-{self._model.metadata['jsonVersion']}"

    def route(self, request: HttpRequest) -> Match:
        target = request.headers.get("x-amz-target", "")
        prefix, _, action = target.rpartition(".")
        if (
            request.method != "POST"
            or prefix != self._model.metadata["targetPrefix"]
            or action not in self._model.operation_names
        ):
            raise self.faults.unknown_operation(f"unknown operation: {request.method} with x-amz-target {target!r}")
        return Match(self._model.operation_model(action), {}, {})

    def _decode(self, match: Match, _request: HttpRequest, body: bytes | RequestBody) -> dict[str, Any]:
        return decode_json_object(match.operation.input_shape, body, self.faults)

    def _encode(self, _operation: OperationModel, shape: StructureShape, result: dict[str, Any]) -> HttpResponse:
        return HttpResponse(200, {"content-type": self._media_type}, dumps(encode_json(shape, result)))

    def encode_error(self, error: ServiceError) -> HttpResponse:
        return encode_json_error(error, self._media_type)
