"""The wire protocols against botocore's own client side: what it writes is read, what is written it reads back."""

import string
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sfn_local.protocol.catalog import load_api
from sfn_local.protocol.messages import HttpRequest, RequestBody

MODEL_NAMES = {"states": "stepfunctions", "batch": "batch", "s3": "s3"}
MODELS = {
    service: ServiceModel(Loader().load_service_model(name, "service-2"), name) for service, name in MODEL_NAMES.items()
}
ACTIONS = {
    "states": MODELS["states"].operation_names,
    "batch": ["CancelJob", "DescribeJobs", "ListJobs", "RegisterJobDefinition", "SubmitJob", "TagResource"],
    # All that are served but GetBucketLocation, which the client doesn't read by the model.
    "s3": [
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CopyObject",
        "CreateBucket",
        "CreateMultipartUpload",
        "DeleteObject",
        "DeleteObjects",
        "GetObject",
        "HeadBucket",
        "HeadObject",
        "ListBuckets",
        "ListMultipartUploads",
        "ListObjects",
        "ListObjectsV2",
        "ListParts",
        "PutObject",
        "UploadPart",
        "UploadPartCopy",
    ],
}

# What XML 1.0 and HTTP headers can carry; JSON carries more.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), min_size=1)
HEADER_TEXT = st.text(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~/:;= ", min_size=1).map(str.strip)
HEADER_NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1)
MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a shape, within the bounds of the model."""
    location = shape.serialization.get("location")
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if isinstance(shape, StructureShape):
        return structures(shape, depth)
    if isinstance(shape, ListShape):
        return st.lists(values(shape.member, depth + 1), min_size=max(least, 1), max_size=max(least, 2))
    if isinstance(shape, MapShape):
        keys, members = (HEADER_NAMES, HEADER_TEXT) if location else (values(shape.key), values(shape.value, depth + 1))
        return st.dictionaries(keys, members, min_size=1, max_size=2)
    match shape.type_name:
        case "string":
            if shape.metadata.get("enum"):
                return st.sampled_from(shape.metadata["enum"])
            text = HEADER_TEXT if location == "header" else TEXT
            return text.map(lambda text: (text * max(least, 1))[: most or None]).filter(lambda text: len(text) >= least)
        case "integer" | "long":
            return st.integers(least, most if most is not None else 2**31 - 1)
        case "float" | "double":
            return st.floats(least, most if most is not None else 1000).map(lambda number: round(number, 3))
        case "boolean":
            return st.booleans()
        case "timestamp":
            return MOMENTS
        case "blob":
            return st.binary(max_size=20)
    raise AssertionError(shape.type_name)


def structures(shape: StructureShape, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    members = {
        name: values(member, depth + 1)
        for name, member in shape.members.items()
        if not (member.serialization.get("streaming"))
    }
    if shape.is_tagged_union:
        return st.one_of(*(st.fixed_dictionaries({name: members[name]}) for name in members))
    required = {name: members.pop(name) for name in shape.required_members if name in members}
    # Deep down only what must be there, or job definitions grow without end.
    return st.fixed_dictionaries(required, optional=members if depth < 3 else {})


async def _no_chunks() -> AsyncIterator[bytes]:
    return
    yield b""


def written_request(service: str, operation: OperationModel, params: dict[str, Any]) -> tuple[HttpRequest, bytes]:
    """Write a request as botocore's client does."""
    serializer = create_serializer(MODELS[service].resolved_protocol, include_validation=False)
    request_dict = serializer.serialize_to_request(params, operation)
    prepare_request_dict(request_dict, "http://127.0.0.1:8000")
    prepared = create_request_object(request_dict).prepare()
    url = urlsplit(prepared.url)
    headers = {name.lower(): _text(value).strip() for name, value in prepared.headers.items()}
    body = prepared.body or b""
    return HttpRequest(prepared.method, url.path, url.query, headers), body.encode() if isinstance(body, str) else body


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


CASES = [(service, action) for service in ACTIONS for action in ACTIONS[service]]


@pytest.mark.parametrize(("service", "action"), CASES)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_parameters_that_the_client_writes_are_read_unchanged(service: str, action: str, data: st.DataObject) -> None:
    operation = MODELS[service].operation_model(action)
    params = data.draw(structures(operation.input_shape, 0)) if operation.input_shape else {}
    request, body = written_request(service, operation, params)
    api = load_api(service)
    match = api.route(request)
    assert match.operation.name == action
    if match.operation.get_streaming_input():
        stream = RequestBody(_no_chunks(), None, {})
        length = {"ContentLength": int(request.headers["content-length"])}
        assert api.decode(match, request, stream) == length | params | {"Body": stream}
    else:
        assert api.decode(match, request, body) == params


@pytest.mark.parametrize(("service", "action"), CASES)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_results_that_are_written_are_read_by_the_client_unchanged(
    service: str, action: str, data: st.DataObject
) -> None:
    api = load_api(service)
    operation = MODELS[service].operation_model(action)
    result = data.draw(structures(operation.output_shape, 0)) if operation.output_shape else {}
    response = api.encode(operation, result)
    parser = create_parser(MODELS[service].resolved_protocol)
    parsed = parser.parse(
        {
            "status_code": response.status,
            "headers": HeadersDict(response.headers),
            "body": response.body,
            "context": {},
        },
        operation.output_shape,
    )
    # The client adds these, and an empty structure where a response has no metadata or no body.
    added = {"ResponseMetadata", "Body"} | {name for name, value in parsed.items() if value == {}} - result.keys()
    assert {name: value for name, value in parsed.items() if name not in added} == result
