"""One service's API on the wire: from an HTTP request to (operation, parameters), from a result or error to a response.

Everything comes from botocore's model of the service, as in AWS's own client: operations, shapes, where each member
travels, and what is valid.

Differs from AWS: unknown JSON members and query parameters are refused by name, AWS ignores some.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from botocore.model import OperationModel, ServiceModel, StructureShape

from sfn_local.protocol import ServiceError
from sfn_local.protocol.faults import Faults
from sfn_local.protocol.messages import HttpRequest, HttpResponse, RequestBody
from sfn_local.protocol.routes import Match
from sfn_local.protocol.validation import find_errors, request_errors


class ServiceApi(ABC):
    """The wire format of one service."""

    def __init__(self, model: ServiceModel, faults: Faults) -> None:
        self.faults = faults
        self._model = model

    @abstractmethod
    def route(self, request: HttpRequest) -> Match:
        """Find the operation that ``request`` means.

        Raises
        ------
        ServiceError
            If there is none.
        """

    def decode(self, match: Match, request: HttpRequest, body: bytes | RequestBody) -> dict[str, Any]:
        """Read and validate the parameters; ``body`` is a stream exactly if the operation's input streams.

        Raises
        ------
        ServiceError
            With the name that the service gives to what is wrong.
        """
        shape = match.operation.input_shape
        params = self._decode(match, request, body)
        streaming = match.operation.get_streaming_input()
        checked = {name: value for name, value in params.items() if not streaming or value is not body}
        if shape is not None:
            errors = request_errors(checked, shape)
            if errors:
                raise self.faults.validation(errors)
        return params

    def encode(self, operation: OperationModel, result: dict[str, Any]) -> HttpResponse:
        """Write a response.

        Raises
        ------
        TypeError
            If ``result`` is not what the model says: an error in the service's core.
        """
        shape = operation.output_shape
        if shape is None:
            if result:
                raise TypeError(f"{operation.name} has no output, got {sorted(result)}")
            return HttpResponse(operation.http.get("responseCode", 200))
        body_name = shape.serialization.get("payload") if operation.get_streaming_output() else None
        errors = find_errors({name: value for name, value in result.items() if name != body_name}, shape)
        if errors:
            raise TypeError(f"result of {operation.name}: {errors}")
        return self._encode(operation, shape, result)

    @abstractmethod
    def _decode(self, match: Match, request: HttpRequest, body: bytes | RequestBody) -> dict[str, Any]: ...

    @abstractmethod
    def _encode(self, operation: OperationModel, shape: StructureShape, result: dict[str, Any]) -> HttpResponse: ...

    @abstractmethod
    def encode_error(self, error: ServiceError) -> HttpResponse: ...
