"""Requests that the wire protocols refuse, and their messages."""

import json
from typing import Any

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from sfn_local.protocol import ServiceError
from sfn_local.protocol.catalog import load_api
from sfn_local.protocol.messages import HttpRequest


def decode_json_call(action: str, body: bytes) -> Any:
    api = load_api("states")
    request = HttpRequest("POST", "/", "", {"x-amz-target": f"AWSStepFunctions.{action}"})
    return api.decode(api.route(request), request, body)


def decode_s3_call(
    method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes = b""
) -> tuple[str, Any]:
    api = load_api("s3")
    request = HttpRequest(method, path, query, headers or {})
    match = api.route(request)
    return match.operation.name, api.decode(match, request, body)


@pytest.mark.parametrize(
    ("action", "body", "code", "message"),
    [
        ("StartExecution", b'{"stateMachineArn": "arn", "speed": 1}', "ValidationException", '"speed"'),
        ("StartExecution", b'{"input": "{}"}', "ValidationException", "'stateMachineArn'"),
        ("StartExecution", b'{"stateMachineArn": 5}', "ValidationException", "stateMachineArn"),
        (
            "StartExecution",
            json.dumps({"stateMachineArn": "a", "name": "n" * 81}).encode(),
            "ValidationException",
            "80",
        ),
        ("ListExecutions", b'{"statusFilter": "ASLEEP"}', "ValidationException", "TIMED_OUT"),
        ("ListExecutions", b'{"maxResults": 1001}', "ValidationException", "1000"),
        ("ListExecutions", b'{"maxResults": 1, "maxResults": 2}', "SerializationException", "maxResults"),
        ("ListExecutions", b'{"maxResults": NaN}', "SerializationException", "NaN"),
        ("ListExecutions", b"[]", "SerializationException", "list"),
        ("ListExecutions", b"{", "SerializationException", "JSON"),
        ("ListExecutions", b"\xff", "SerializationException", "JSON"),
        ("ListExecutions", b"[" * 100_000, "SerializationException", "nested"),
    ],
)
def test_json_call_is_refused_with_what_is_wrong(action: str, body: bytes, code: str, message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        decode_json_call(action, body)
    assert raised.value.code == code
    assert message in raised.value.message


@pytest.mark.parametrize("target", ["", "StartExecution", "DynamoDB_20120810.ListTables", "AWSStepFunctions.Explode"])
def test_json_target_that_names_no_operation_is_refused(target: str) -> None:
    with pytest.raises(ServiceError, match="UnknownOperationException") as raised:
        load_api("states").route(HttpRequest("POST", "/", "", {"x-amz-target": target}))
    assert repr(target) in raised.value.message


def test_null_member_of_a_json_call_counts_as_absent() -> None:
    assert decode_json_call("ListExecutions", b'{"maxResults": null}') == {}


COMPLETE = "<CompleteMultipartUpload>{}</CompleteMultipartUpload>"


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (("GET", "/bkt/key", "colour=red"), "InvalidArgument", "colour"),
        (("GET", "/bkt", "list-type=2&max-keys=many"), "InvalidArgument", "max-keys: 'many'"),
        (("GET", "/bkt", "list-type=2&max-keys=99999999999999999999"), "InvalidArgument", "max-keys"),
        (("GET", "/bkt", "list-type=2&prefix=a&prefix=b"), "InvalidArgument", "prefix: given 2 times"),
        (("GET", "/bkt", "list-type=2&encoding-type=gzip"), "InvalidArgument", "url"),
        (("GET", "/bkt", "list-type=2&prefix=%FF"), "InvalidArgument", "UTF-8"),
        (("GET", "/bkt/%FF"), "InvalidArgument", "UTF-8"),
        (("GET", "/bkt/key", "", {"if-modified-since": "yesterday"}), "InvalidArgument", "If-Modified-Since"),
        (("GET", "/bkt/key", "", {}, b"body"), "MalformedXML", "GetObject takes no body"),
        (("PATCH", "/bkt/key"), "MethodNotAllowed", "PATCH /bkt/key"),
        (("POST", "/bkt/key", "uploadId=u", {}, b"not xml"), "MalformedXML", "not XML"),
        (
            ("POST", "/bkt/key", "uploadId=u", {}, b"<Other/>"),
            "MalformedXML",
            "expected element CompleteMultipartUpload",
        ),
        (("POST", "/bkt/key", "uploadId=u", {}, COMPLETE.format("<Size>1</Size>").encode()), "MalformedXML", "Size"),
        (
            ("POST", "/bkt/key", "uploadId=u", {}, COMPLETE.format("<Part><PartNumber>x</PartNumber></Part>").encode()),
            "MalformedXML",
            "'x'",
        ),
        (
            (
                "POST",
                "/bkt/key",
                "uploadId=u",
                {},
                COMPLETE.format("<Part><ETag>1</ETag><ETag>2</ETag></Part>").encode(),
            ),
            "MalformedXML",
            "ETag occurs twice",
        ),
        (("POST", "/bkt/key", "uploadId=u", {}, b"<!DOCTYPE a>" + COMPLETE.encode()), "MalformedXML", "document type"),
        (("POST", "/bkt", "delete", {}, b"<Delete><Quiet>true</Quiet></Delete>"), "InvalidArgument", "Objects"),
    ],
)
def test_s3_call_is_refused_with_what_is_wrong(call: tuple[Any, ...], code: str, message: str) -> None:
    with pytest.raises(ServiceError) as raised:
        decode_s3_call(*call)
    assert raised.value.code == code
    assert message in raised.value.message


def test_document_type_in_another_encoding_is_refused_too() -> None:
    with pytest.raises(ServiceError, match="MalformedXML"):
        decode_s3_call("POST", "/bkt/key", "uploadId=u", {}, ("<!DOCTYPE a>" + COMPLETE).encode("utf-16"))


@pytest.mark.parametrize(
    ("call", "action", "params"),
    [
        (("GET", "/"), "ListBuckets", {}),
        (("GET", "/bkt"), "ListObjects", {"Bucket": "bkt"}),
        (("GET", "/bkt/"), "ListObjects", {"Bucket": "bkt"}),
        (("GET", "/bkt//"), "GetObject", {"Bucket": "bkt", "Key": "/"}),
        (("GET", "/bkt/a%2Fb/../c%20+d"), "GetObject", {"Bucket": "bkt", "Key": "a/b/../c +d"}),
        (("GET", "/bkt/%0A"), "GetObject", {"Bucket": "bkt", "Key": "\n"}),
        (("GET", "/bkt", "list-type=2&prefix=a+b%2B"), "ListObjectsV2", {"Bucket": "bkt", "Prefix": "a b+"}),
        (("GET", "/bkt", "location"), "GetBucketLocation", {"Bucket": "bkt"}),
        (("GET", "/bkt/key", "acl"), "GetObjectAcl", {"Bucket": "bkt", "Key": "key"}),
        (("GET", "/bkt/key", "x-id=GetObject"), "GetObject", {"Bucket": "bkt", "Key": "key"}),
        (
            ("GET", "/bkt/key", "uploadId=u"),
            "ListParts",
            {"Bucket": "bkt", "Key": "key", "UploadId": "u"},
        ),
        (
            ("PUT", "/bkt/key", "", {"x-amz-copy-source": "a/b"}),
            "CopyObject",
            {"Bucket": "bkt", "Key": "key", "CopySource": "a/b"},
        ),
        (
            ("PUT", "/bkt/key", "partNumber=1&uploadId=u", {"x-amz-copy-source": "a/b"}),
            "UploadPartCopy",
            {"Bucket": "bkt", "Key": "key", "PartNumber": 1, "UploadId": "u", "CopySource": "a/b"},
        ),
    ],
)
def test_s3_request_is_routed_by_path_query_and_headers(
    call: tuple[Any, ...], action: str, params: dict[str, Any]
) -> None:
    assert decode_s3_call(*call) == (action, params)


@pytest.mark.parametrize("service", ["states", "batch", "s3"])
def test_error_is_read_by_the_client_under_its_name(service: str) -> None:
    error = ServiceError("NoSuchThing", "a <thing> & more\r\n", 418)
    response = load_api(service).encode_error(error)
    protocol = {"states": "json", "batch": "rest-json", "s3": "rest-xml"}[service]
    parsed = create_parser(protocol).parse(
        {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}, None
    )
    assert parsed["Error"]["Code"] == "NoSuchThing"
    assert parsed["Error"]["Message"] == "a <thing> & more\r\n"
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 418


def test_not_modified_has_no_body() -> None:
    response = load_api("s3").encode_error(ServiceError("NotModified", "", 304))
    assert (response.status, response.body) == (304, b"")


@pytest.mark.parametrize(
    ("action", "result", "message"),
    [
        ("ListExecutions", {"executions": [], "extra": 1}, '"extra"'),
        ("ListExecutions", {}, '"executions"'),
        ("ListExecutions", {"executions": None}, "executions"),
        ("StartExecution", {"executionArn": "arn", "startDate": object()}, "startDate"),
    ],
)
def test_result_that_the_model_does_not_have_is_an_error_of_the_service(
    action: str, result: dict[str, Any], message: str
) -> None:
    api = load_api("states")
    operation = api.route(HttpRequest("POST", "/", "", {"x-amz-target": f"AWSStepFunctions.{action}"})).operation
    with pytest.raises(TypeError, match=message):
        api.encode(operation, result)


def test_lone_surrogate_in_a_json_result_survives() -> None:
    api = load_api("states")
    request = HttpRequest("POST", "/", "", {"x-amz-target": "AWSStepFunctions.GetActivityTask"})
    response = api.encode(api.route(request).operation, {"input": "\ud800"})
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {"input": "\ud800"}
