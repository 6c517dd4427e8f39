"""A failing function fails with the error name and cause that the Step Functions service would report."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lambda_workers import Workers, function_arn, lambda_workers
from sfn_local.lambda_runtime.function import MAXIMUM_RESPONSE_BYTES

APP = """
import os, signal, sys, time

class OutOfRangeError(Exception):
    pass

def handler(event, context):
    kind = event["kind"]
    if kind == "raise":
        raise OutOfRangeError(event["message"])
    if kind == "exit":
        sys.exit(event["status"])
    if kind == "end":
        os._exit(event["status"])
    if kind == "signal":
        os.kill(os.getpid(), event["number"])
    if kind == "sleep":
        time.sleep(event["seconds"])
    if kind == "object":
        return object()
    if kind == "bytes":
        return event["text"].encode("latin-1")
    if kind == "not a number":
        return [1, float("nan")]
    if kind == "size":
        return "x" * (event["bytes"] - 2)
    return {"request_id": context.aws_request_id, "event": event}
"""


# Dies in the middle of its post; the end of the connection has been noticed by then.
CUT_SHORT = """
import os, socket

def handler(event, context):
    address, _, token = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
    path = f"/{token}/2018-06-01/runtime/invocation/{context.aws_request_id}/{event['operation']}"
    head = f"POST {path} HTTP/1.1\\r\\nHost: {address}\\r\\nContent-Length: 100\\r\\n\\r\\n"
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"12345")
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    os._exit(7)
"""


@pytest.fixture(scope="module", params=["native client", "stand-in client"])
def workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    environment = {"SFN_LOCAL_PURE_RUNTIME_CLIENT": "1"} if request.param == "stand-in client" else {}
    if not environment:
        pytest.importorskip("runtime_client", reason="awslambdaric has no native client on this system")
    with lambda_workers(tmp_path_factory.mktemp("lambda"), environment=environment) as workers:
        workers.register("app", APP)
        workers.register("hasty", APP, timeout_seconds=0.25)
        workers.register("cut", CUT_SHORT)
        yield workers


APP_ARN, HASTY_ARN, CUT_ARN = function_arn("app"), function_arn("hasty"), function_arn("cut")


def test_exception_is_reported_by_its_class_with_the_document_of_the_runtime_client(workers: Workers) -> None:
    error = workers.failure(APP_ARN, {"kind": "raise", "message": "Größe 7 > 6 \U0001f600"})
    assert error.name == "OutOfRangeError"
    cause = json.loads(error.cause)
    assert list(cause) == ["errorMessage", "errorType", "requestId", "stackTrace"]
    assert cause["errorMessage"] == "Größe 7 > 6 \U0001f600"
    assert cause["errorType"] == "OutOfRangeError"
    assert len(cause["requestId"]) == 36
    (frame,) = cause["stackTrace"]
    assert frame.startswith('  File "')
    assert frame.endswith(', in handler\n    raise OutOfRangeError(event["message"])\n')
    assert error.cause.startswith('{"errorMessage": "Größe 7')  # the text that was posted, not one made of it here


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"kind": "exit", "status": 3}, "Runtime exited with error: exit status 3"),
        ({"kind": "exit", "status": "no such file"}, "Runtime exited with error: exit status 1"),
        ({"kind": "exit", "status": None}, "Runtime exited without providing a reason"),
        ({"kind": "end", "status": 0}, "Runtime exited without providing a reason"),
        ({"kind": "end", "status": 41}, "Runtime exited with error: exit status 41"),
        ({"kind": "signal", "number": 9}, "Runtime exited with error: signal: killed"),
        ({"kind": "signal", "number": 11}, "Runtime exited with error: signal: segmentation fault"),
        ({"kind": "signal", "number": 6}, "Runtime exited with error: signal: aborted"),
    ],
)
def test_end_of_the_process_is_reported_as_exit_error(workers: Workers, event: dict[str, object], reason: str) -> None:
    error = workers.failure(APP_ARN, event)
    assert error.name == "Runtime.ExitError"
    request_id = json.loads(error.cause)["errorMessage"].split()[1]
    assert error.cause == (
        f'{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: {request_id} Error: {reason}"}}'
    )


@pytest.mark.parametrize("operation", ["response", "error"])
def test_post_of_a_worker_that_dies_meanwhile_is_not_its_outcome(workers: Workers, operation: str) -> None:
    error = workers.failure(CUT_ARN, {"operation": operation})
    assert (error.name, "exit status 7" in error.cause) == ("Runtime.ExitError", True)


def test_time_out_is_reported_with_the_seconds_of_the_function(workers: Workers) -> None:
    error = workers.failure(HASTY_ARN, {"kind": "sleep", "seconds": 60})
    assert error.name == "Sandbox.Timedout"
    request_id = json.loads(error.cause)["errorMessage"].split()[1]
    assert error.cause == (
        '{"errorType":"Sandbox.Timedout","errorMessage":'
        f'"RequestId: {request_id} Error: Task timed out after 0.25 seconds"}}'
    )


def test_result_that_the_runtime_client_cannot_encode_is_a_marshal_error(workers: Workers) -> None:
    error = workers.failure(APP_ARN, {"kind": "object"})
    assert error.name == "Runtime.MarshalError"
    message = json.loads(error.cause)["errorMessage"]
    assert message == "Unable to marshal response: Object of type object is not JSON serializable"


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "bytes", "text": "not JSON"},
        {"kind": "bytes", "text": ""},
        {"kind": "bytes", "text": '"\xff"'},
        {"kind": "bytes", "text": "[" * 100_000},
        {"kind": "bytes", "text": "[Infinity]"},
        {"kind": "not a number"},
    ],
)
def test_result_that_is_not_json_is_a_marshal_error(workers: Workers, event: dict[str, object]) -> None:
    assert workers.failure(APP_ARN, event).name == "Runtime.MarshalError"


def test_bytes_that_are_json_are_the_result_unchanged(workers: Workers) -> None:
    text = '{ "NaN": 1' + "0" * 5_000 + "}"  # with more digits than Python turns into an integer by default
    payload = json.dumps({"kind": "bytes", "text": text}).encode()
    assert workers.run(workers.runtime.invoke(APP_ARN, payload)) == text.encode()


def test_response_of_the_largest_size_is_returned_and_one_byte_more_is_refused(workers: Workers) -> None:
    assert len(workers.invoke(APP_ARN, {"kind": "size", "bytes": MAXIMUM_RESPONSE_BYTES})) == MAXIMUM_RESPONSE_BYTES - 2
    error = workers.failure(APP_ARN, {"kind": "size", "bytes": MAXIMUM_RESPONSE_BYTES + 1})
    assert error.name == "Function.ResponseSizeTooLarge"
    assert error.cause == (
        '{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).",'
        '"errorType":"Function.ResponseSizeTooLarge"}'
    )


@pytest.mark.parametrize(
    ("name", "source", "handler", "error_name", "message"),
    [
        ("no-module", "", "absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent'"),
        ("no-package", "import absent", "app.handler", "Runtime.ImportModuleError", "No module named 'absent'"),
        ("no-handler", "", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("no-dot", "", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("no-syntax", "def", "app.handler", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("raising", "raise KeyError('SETTING')", "app.handler", "KeyError", "'SETTING'"),
    ],
)
def test_failed_initialization_is_reported_as_the_runtime_client_posts_it(
    workers: Workers, name: str, source: str, handler: str, error_name: str, message: str
) -> None:
    error = workers.failure(workers.register(name, source, handler=handler))
    assert error.name == error_name
    assert message in json.loads(error.cause)["errorMessage"]


def test_exit_during_initialization_is_an_exit_error(workers: Workers) -> None:
    error = workers.failure(workers.register("quitter", "import os\nos._exit(5)"))
    assert error.name == "Runtime.ExitError"
    assert error.cause.endswith('Error: Runtime exited with error: exit status 5"}')


def test_unknown_function_is_not_found_in_the_words_of_the_service(workers: Workers) -> None:
    arn = function_arn("absent")
    error = workers.failure(arn)
    assert error.name == "Lambda.ResourceNotFoundException"
    head, request_id = error.cause.removesuffix("; Proxy: null)").split("; Request ID: ")
    assert head == (
        f"Function not found: {arn}:$LATEST "
        "(Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException"
    )
    assert len(request_id) == 36
    assert workers.failure(f"{arn}:$LATEST").cause.startswith(f"Function not found: {arn}:$LATEST (")


def test_function_is_found_by_its_qualified_arn_too(workers: Workers) -> None:
    assert workers.invoke(f"{APP_ARN}:$LATEST", {"kind": "echo"})["event"] == {"kind": "echo"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON_VALUES)
def test_event_and_result_are_the_same_json_value_as_in_the_handler(workers: Workers, value: object) -> None:
    assert workers.invoke(APP_ARN, {"kind": "echo", "value": value})["event"] == {"kind": "echo", "value": value}


def test_error_document_without_a_type_is_unknown_and_shows_the_payload(workers: Workers) -> None:
    source = """
import http.client, os
def handler(event, context):
    host, _, token = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
    connection = http.client.HTTPConnection(host)
    path = f"/{token}/2018-06-01/runtime/invocation/{context.aws_request_id}/error"
    connection.request("POST", path, event)
    return connection.getresponse().status
"""
    arn = workers.register("own-client", source)
    for document in ('{"errorMessage":"no type"}', '{"errorType":7}', "[]", "text", "[" * 100_000):
        error = workers.failure(arn, document)
        assert error.name == "Lambda.Unknown"
        assert error.cause == (
            "The cause could not be determined because Lambda did not return an error type. "
            f"Returned payload: {document}"
        )
