"""The stand-in for awslambdaric's native module asks and answers as that module does, measured against it on Linux."""

import importlib.util
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# Runs the calls that it gets as JSON lines; answers each with its result or its exception.
CALLER = """
import json, sys
{importing}
sys.stdout.reconfigure(line_buffering=True)
for line in sys.stdin:
    name, arguments = json.loads(line)
    if name == "post_invocation_result":
        arguments[1] = arguments[1].encode()
    try:
        result = getattr(client, name)(*arguments)
        print(json.dumps([result[0].decode(), result[1]] if name == "next" else result))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""
IMPORTS = {
    "native": "import runtime_client as client",
    "stand-in": "from sfn_local.lambda_runtime import runtime_client as client",
}
INVOCATION = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    "Lambda-Runtime-Deadline-Ms": "1893456000123",
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f",
}
OPTIONAL = {
    "Lambda-Runtime-Aws-Tenant-Id": "tenant",
    "Lambda-Runtime-Client-Context": '{"custom": {}}',
    "Lambda-Runtime-Cognito-Identity": "{}",
    "Lambda-Runtime-Invocation-Id": "second-name",
    "Lambda-Runtime-Trace-Id": "Root=1-2-3;Sampled=0",
}
SUCCESS = (202, {}, b"")


class Server:
    """A Runtime API that answers with what it is given and keeps what it is asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[dict[str, Any]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = {"line": self.requestline, "headers": headers, "body": body, "from": self.client_address}
                server.requests.append(request)
                status, headers, body = server.answers.pop(0)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=[0.01])
        self.thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()

    def run(self, client: str, calls: list[tuple[str, list[Any]]]) -> list[Any]:
        environment = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.http.server_port}/token"}
        return run_calls(client, calls, environment)


def run_calls(client: str, calls: list[tuple[str, list[Any]]], environment: dict[str, str]) -> list[Any]:
    program = CALLER.format(importing=IMPORTS[client])
    environment = environment | {"PYTHONPATH": str(Path(__file__).parents[4] / "src")}
    lines = "".join(json.dumps(call) + "\n" for call in calls)
    completed = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        input=lines.encode(),
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    # The native client writes its own messages between the answers.
    return [json.loads(line) for line in completed.stdout.splitlines() if b"LAMBDA_RUNTIME" not in line]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=["native", "stand-in"])
def client(request: pytest.FixtureRequest) -> str:
    if request.param == "native" and importlib.util.find_spec("runtime_client") is None:
        pytest.skip("awslambdaric has no native client on this system")
    return str(request.param)


INITIALIZE: tuple[str, list[Any]] = ("initialize_client", ["agent/1"])
COMMON = {"accept": "*/*", "user-agent": "agent/1"}


def test_next_gives_payload_and_headers(server: Server, client: str) -> None:
    server.answers = [(200, INVOCATION, b'{"a": 1}'), (200, INVOCATION | OPTIONAL, '"ü"'.encode())]
    results = server.run(client, [INITIALIZE, ("next", []), ("next", [])])
    known = INVOCATION | {"Lambda-Runtime-Deadline-Ms": 1_893_456_000_123}
    assert results == [None, ['{"a": 1}', known | dict.fromkeys(OPTIONAL)], ['"ü"', known | OPTIONAL]]
    for request in server.requests:
        assert request["line"] == "GET /token/2018-06-01/runtime/invocation/next HTTP/1.1"
        assert request["headers"] == COMMON | {"host": f"127.0.0.1:{server.http.server_port}"}


@pytest.mark.parametrize("missing", [name for name in INVOCATION if name.startswith("Lambda")])
def test_next_without_one_of_its_headers_is_as_the_native_one(server: Server, client: str, missing: str) -> None:
    headers = {name: value for name, value in INVOCATION.items() if name != missing}
    if missing == "Lambda-Runtime-Aws-Request-Id" and client == "native":
        pytest.skip("the native client crashes where it means to raise")
    server.answers = [(200, headers, b"{}")]
    results = server.run(client, [INITIALIZE, ("next", [])])
    expected: Any = ["RuntimeError", "Failed to get next"]
    if missing == "Lambda-Runtime-Deadline-Ms":
        expected = ["{}", headers | {missing: 0} | dict.fromkeys(OPTIONAL)]
    if missing == "Lambda-Runtime-Invoked-Function-Arn":
        expected = [
            "{}",
            headers | {missing: "", "Lambda-Runtime-Deadline-Ms": 1_893_456_000_123} | dict.fromkeys(OPTIONAL),
        ]
    assert results == [None, expected]


@pytest.mark.parametrize("invocation_id", [None, "second-name"])
def test_result_is_posted(server: Server, client: str, invocation_id: str | None) -> None:
    server.answers = [SUCCESS]
    body = json.dumps({"done": True, "text": "ü" * 100_000})
    call = ("post_invocation_result", ["request-1", body, "application/json", invocation_id])
    assert server.run(client, [INITIALIZE, call]) == [None, None]
    (request,) = server.requests
    assert request["line"] == "POST /token/2018-06-01/runtime/invocation/request-1/response HTTP/1.1"
    assert request["body"] == body.encode()
    expected = COMMON | {"content-type": "application/json", "content-length": str(len(body.encode()))}
    if invocation_id is not None:
        expected["lambda-runtime-invocation-id"] = invocation_id
    assert request["headers"] == expected | {"host": f"127.0.0.1:{server.http.server_port}"}


@pytest.mark.parametrize("xray_fault", ["", '{"exceptions": []}'])
def test_error_is_posted(server: Server, client: str, xray_fault: str) -> None:
    server.answers = [SUCCESS]
    call = ("post_error", ["request-1", '{"errorType": "Größe"}', xray_fault, None])
    assert server.run(client, [INITIALIZE, call]) == [None, None]
    (request,) = server.requests
    assert request["line"] == "POST /token/2018-06-01/runtime/invocation/request-1/error HTTP/1.1"
    assert request["body"] == '{"errorType": "Größe"}'.encode()
    expected = COMMON | {"content-type": "application/json", "content-length": "24"}
    if xray_fault:
        expected["lambda-runtime-function-xray-error-cause"] = xray_fault
    assert request["headers"] == expected | {"host": f"127.0.0.1:{server.http.server_port}"}


def test_one_connection_serves_all_requests_until_the_server_closes_it(server: Server, client: str) -> None:
    result = ("post_invocation_result", ["request-1", "{}", "application/json", None])
    invocation = (200, INVOCATION, b"{}")
    server.answers = [invocation, SUCCESS, (200, INVOCATION | {"Connection": "close"}, b"{}"), SUCCESS]
    results = server.run(client, [INITIALIZE, ("next", []), result, ("next", []), result])
    assert [results[2], results[4]] == [None, None]
    ports = [request["from"] for request in server.requests]
    assert ports[0] == ports[1] == ports[2] != ports[3]


@pytest.mark.parametrize("status", [400, 403, 413, 500])
def test_refused_post_is_a_runtime_error(server: Server, client: str, status: int) -> None:
    server.answers = [(status, {}, b'{"errorMessage": "no"}')] * 2
    calls = [
        ("post_invocation_result", ["request-1", "{}", "application/json", None]),
        ("post_error", ["request-1", "{}", "", None]),
    ]
    assert server.run(client, [INITIALIZE, *calls]) == [
        None,
        ["RuntimeError", "Failed to post invocation response"],
        ["RuntimeError", "Failed to post invocation error"],
    ]


def test_refused_next_is_a_runtime_error_of_the_stand_in(server: Server) -> None:
    server.answers = [(403, {}, b"{}")]
    assert server.run("stand-in", [INITIALIZE, ("next", [])]) == [None, ["RuntimeError", "Failed to get next"]]


def test_call_before_initialization_is_a_runtime_error(client: str) -> None:
    calls = [
        ("post_invocation_result", ["request-1", "{}", "application/json", None]),
        ("post_error", ["request-1", "{}", "", None]),
    ]
    error = ["RuntimeError", "Client not yet initalized"]
    assert run_calls(client, calls, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}) == [error, error]


def test_absent_server_is_a_runtime_error(client: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as closed:
        port = closed.server_port
    call = ("post_error", ["request-1", "{}", "", None])
    results = run_calls(client, [INITIALIZE, call], {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}"})
    assert results == [None, ["RuntimeError", "Failed to post invocation error"]]
