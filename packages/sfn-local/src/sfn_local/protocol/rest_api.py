"""The REST protocols: parameters in path, query string and headers; the rest in an XML or JSON body."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from sfn_local.protocol import ServiceError
from sfn_local.protocol.faults import Faults
from sfn_local.protocol.json_api import decode_json_object, encode_json_error
from sfn_local.protocol.json_body import dumps, encode_json
from sfn_local.protocol.messages import HttpRequest, HttpResponse, RequestBody
from sfn_local.protocol.rest import decode_outside_body, encode_headers
from sfn_local.protocol.routes import Match, build_routes, find_route
from sfn_local.protocol.service_api import ServiceApi
from sfn_local.protocol.xml_body import decode_xml, encode_document, encode_error, encode_members, parse_xml

# Names of the root elements; the model has only the names of shapes.  Source: Amazon S3 API reference, response syntax.
_XML_ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CopyObject": "CopyObjectResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketLocation": "LocationConstraint",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
    "UploadPartCopy": "CopyPartResult",
}

# Its one member is the text of the root element; botocore reads it by a handler of its own, not by the model.
_TEXT_OUTPUT = "GetBucketLocation"


class RestApi(ServiceApi):
    """Base of the REST protocols."""

    media_type: str

    def __init__(self, model: ServiceModel, faults: Faults) -> None:
        super().__init__(model, faults)
        self._routes = build_routes(model)

    def route(self, request: HttpRequest) -> Match:
        try:
            match = find_route(self._routes, request)
        except ValueError as error:
            raise self.faults.validation("path and query must be percent-encoded UTF-8") from error
        if match is None:
            raise self.faults.unknown_operation(f"unknown operation: {request.method} {request.path}")
        return match

    def _decode(self, match: Match, request: HttpRequest, body: bytes | RequestBody) -> dict[str, Any]:
        try:
            params = decode_outside_body(match, dict(request.headers))
        except ValueError as error:
            raise self.faults.validation(str(error)) from error
        shape = match.operation.input_shape
        payload = shape.serialization.get("payload") if shape else None
        if shape and payload and match.operation.get_streaming_input():
            return params | {payload: body}
        if body and not (shape and (payload or _has_body_members(shape))):
            raise self.faults.malformed(f"{match.operation.name} takes no body")
        return params | self._decode_body(shape, payload, body) if shape and body else params

    def _encode(self, operation: OperationModel, shape: StructureShape, result: dict[str, Any]) -> HttpResponse:
        headers = encode_headers(shape, result)
        status = 206 if "ContentRange" in result else operation.http.get("responseCode", 200)
        payload = shape.serialization.get("payload")
        if payload and shape.members[payload].type_name == "blob":
            return HttpResponse(status, headers, result.get(payload, b""))
        if payload not in result if payload else not _has_body_members(shape):
            return HttpResponse(status, headers)
        headers["content-type"] = self.media_type
        body_shape, value = (shape.members[payload], result[payload]) if payload else (shape, result)
        return HttpResponse(status, headers, self._encode_body(operation, body_shape, value))

    @abstractmethod
    def _decode_body(self, shape: StructureShape, payload: str | None, body: bytes | RequestBody) -> dict[str, Any]: ...

    @abstractmethod
    def _encode_body(self, operation: OperationModel, shape: Shape, value: Any) -> bytes: ...


def _has_body_members(shape: StructureShape) -> bool:
    return any("location" not in member.serialization for member in shape.members.values())


class RestXmlApi(RestApi):
    """The API of a service that speaks ``rest-xml``."""

    media_type = "application/xml"

    def _decode_body(self, shape: StructureShape, payload: str | None, body: bytes | RequestBody) -> dict[str, Any]:
        assert payload
        assert isinstance(body, bytes)
        member = shape.members[payload]
        root_name = member.serialization.get("name", payload)
        try:
            return {payload: decode_xml(member, parse_xml(body, root_name))}
        except ValueError as error:
            raise self.faults.malformed(str(error)) from error

    def _encode_body(self, operation: OperationModel, shape: Shape, value: Any) -> bytes:
        assert isinstance(shape, StructureShape)
        content = (
            value.get("LocationConstraint", "") if operation.name == _TEXT_OUTPUT else encode_members(shape, value)
        )
        return encode_document(_XML_ROOTS.get(operation.name, shape.name), content)

    def encode_error(self, error: ServiceError) -> HttpResponse:
        if error.status == 304:
            return HttpResponse(304, dict(error.headers))
        body = encode_error(error.code, error.message)
        return HttpResponse(error.status, {"content-type": self.media_type}, body)


class RestJsonApi(RestApi):
    """The API of a service that speaks ``rest-json``."""

    media_type = "application/json"

    def _decode_body(self, shape: StructureShape, payload: str | None, body: bytes | RequestBody) -> dict[str, Any]:
        member = shape.members[payload] if payload else shape
        assert isinstance(member, StructureShape)
        value = decode_json_object(member, body, self.faults)
        return {payload: value} if payload else value

    def _encode_body(self, _operation: OperationModel, shape: Shape, value: Any) -> bytes:
        return dumps(encode_json(shape, value))

    def encode_error(self, error: ServiceError) -> HttpResponse:
        return encode_json_error(error, self.media_type)
