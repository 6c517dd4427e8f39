"""The HTTP adapter, driven as an ASGI server drives it: who gets in, what comes out, what happens to connections."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from sfn_local.endpoint import http_api
from sfn_local.endpoint.http_api import MAX_BODY_BYTES, HttpApi
from sfn_local.endpoint.sigv4 import Credential
from sfn_local.protocol import ServiceError


class Machines:
    """A service core with an answer, an error and a fault."""

    async def handle(self, action: str, params: dict[str, Any], principal: str) -> dict[str, Any]:
        if action == "ListStateMachines":
            return {"stateMachines": [], "nextToken": f"{principal} {params['nextToken']}"}
        if action == "StartExecution":
            raise ServiceError("ExecutionAlreadyExists", "it runs already")
        if action == "ListActivities":
            return {"activities": "many"}
        raise RuntimeError("a fault with a secret in it")


class Objects:
    """A service core with streaming bodies."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.bodies: list[Stream] = []

    async def handle(self, action: str, params: dict[str, Any], principal: str) -> dict[str, Any]:
        if action == "GetObject":
            self.bodies.append(Stream())
            return {"ContentLength": 6, "Body": self.bodies[-1]}
        if params["Key"] == "refused":
            raise ServiceError("AccessDenied", "not this one", 403)
        async for chunk in params["Body"]:
            self.received.append(chunk)
        return {}


class Stream:
    def __init__(self) -> None:
        self.sent = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in (b"abc", b"def"):
            await asyncio.sleep(0)  # as a body from a file does, it lets others run between chunks
            self.sent += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        self.is_closed = True


class Client:
    """An ASGI server's side of one exchange."""

    def __init__(self, app: HttpApi) -> None:
        self._app = app
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.received_chunks = 0

    def send(
        self,
        request: AWSRequest,
        chunks: Sequence[bytes] = (),
        *,
        disconnects: bool = False,
        stalls: bool = False,
        host: str | None = None,
    ) -> None:
        """Deliver a request; after the chunks the client may go away, or send nothing more."""
        events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if not stalls:
            events.append({"type": "http.disconnect"} if disconnects else {"type": "http.request", "body": b""})

        async def receive() -> dict[str, Any]:
            if not events:
                await asyncio.get_running_loop().create_future()
            self.received_chunks += 1
            return events.pop(0)

        asyncio.run(self._run(request, receive, host))

    async def _run(self, request: AWSRequest, receive: Any, host: str | None) -> None:
        prepared = request.prepare()
        path, _, query = prepared.url.removeprefix("http://127.0.0.1:8000").partition("?")
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.items()]
        if host is not None:
            headers = [(name, host.encode() if name == b"host" else value) for name, value in headers]
        scope = {
            "type": "http",
            "method": prepared.method,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
        }
        await self._app(scope, receive, self._receive_event)

    async def _receive_event(self, event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {name.decode(): value.decode() for name, value in event["headers"]}
        else:
            self.body += event["body"]


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def client(objects: Objects) -> Client:
    credentials = {"AKID": Credential("the key", "somebody")}
    return Client(HttpApi({"states": Machines(), "s3": objects}, credentials))


def json_call(
    action: str, body: bytes, *, service: str = "states", key: str = "AKID", secret: str = "the key"
) -> AWSRequest:
    headers = {"Host": "127.0.0.1:8000", "X-Amz-Target": f"AWSStepFunctions.{action}"}
    request = AWSRequest("POST", "http://127.0.0.1:8000/", headers=headers, data=body)
    SigV4Auth(Credentials(key, secret), service, "us-east-1").add_auth(request)
    return request


def s3_call(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> AWSRequest:
    given = {"Host": "127.0.0.1:8000", "Content-Length": str(len(body))} | (headers or {})
    request = AWSRequest(method, f"http://127.0.0.1:8000{path}", headers=given, data=body)
    S3SigV4Auth(Credentials("AKID", "the key"), "s3", "us-east-1").add_auth(request)
    return request


def test_signed_call_reaches_the_service_with_its_principal(client: Client) -> None:
    body = b'{"nextToken": "n"}'
    client.send(json_call("ListStateMachines", body), [body[:5], body[5:]])
    assert (client.status, json.loads(client.body)) == (200, {"stateMachines": [], "nextToken": "somebody n"})
    assert client.headers["content-type"] == "application/x-amz-json-1.0"
    assert client.headers["x-amzn-requestid"]


def test_error_of_the_service_is_answered_by_name(client: Client) -> None:
    body = b'{"stateMachineArn": "arn"}'
    client.send(json_call("StartExecution", body), [body])
    assert client.status == 400
    assert json.loads(client.body) == {"__type": "ExecutionAlreadyExists", "message": "it runs already"}


@pytest.mark.parametrize(("action", "body"), [("ListActivities", b"{}"), ("CreateActivity", b'{"name": "a"}')])
def test_fault_of_the_service_is_logged_and_answered_without_its_text(
    client: Client, caplog: pytest.LogCaptureFixture, action: str, body: bytes
) -> None:
    with caplog.at_level(logging.ERROR):
        client.send(json_call(action, body), [body])
    assert client.status == 500
    assert json.loads(client.body)["__type"] == "InternalFailure"
    assert "secret" not in client.body.decode()
    assert "POST / failed" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:1", "[::1]:65535", "LOCALHOST", "127.0.0.1"])
def test_loopback_host_is_let_in_as_far_as_the_signature(client: Client, host: str) -> None:
    client.send(json_call("ListStateMachines", b"{}"), [b"{}"], host=host)
    assert json.loads(client.body)["__type"] in ("ValidationException", "InvalidSignatureException", "InternalFailure")


@pytest.mark.parametrize(
    "host",
    ["", "example.com", "example.com:8000", "127.0.0.1.example.com:8000", "localhost:8000@example.com", "0.0.0.0:1"],
)
def test_foreign_host_is_refused_before_anything_else(client: Client, host: str) -> None:
    client.send(json_call("ListStateMachines", b"{}", secret="wrong"), [b"{}"], host=host)
    assert client.status == 403
    assert repr(host) in json.loads(client.body)["message"]


def test_bad_signature_is_refused(client: Client) -> None:
    client.send(json_call("ListStateMachines", b"{}", secret="wrong"), [b"{}"])
    assert json.loads(client.body)["__type"] == "InvalidSignatureException"


def test_body_of_an_unknown_key_is_not_kept(client: Client) -> None:
    client.send(json_call("ListStateMachines", b"{}", key="AKIDOTHER"), [b"x" * 65_536] * 100)
    assert (client.status, json.loads(client.body)["__type"]) == (400, "UnrecognizedClientException")
    assert client.headers["connection"] == "close"
    assert client.received_chunks == 17


@pytest.mark.parametrize("service", ["states", "s3"])
def test_body_that_stands_still_is_given_up(
    monkeypatch: pytest.MonkeyPatch, client: Client, objects: Objects, service: str
) -> None:
    monkeypatch.setattr(http_api, "BODY_SECONDS", 0.01)
    call = s3_call("PUT", "/bucket/key", b"abcdef") if service == "s3" else json_call("ListStateMachines", b"{}")
    client.send(call, [b"abc"], stalls=True)
    assert client.status == 400
    assert b"RequestTimeout" in client.body
    assert client.headers["connection"] == "close"


def test_service_that_is_not_served_is_refused_by_name(client: Client) -> None:
    client.send(json_call("ListStateMachines", b"{}", service="lambda"), [b"{}"])
    assert "'lambda' is not served here, allowed: s3, states" in json.loads(client.body)["message"]


def test_unknown_action_is_refused_by_name(client: Client) -> None:
    client.send(json_call("Explode", b"{}"), [b"{}"])
    assert json.loads(client.body)["__type"] == "UnknownOperationException"
    assert "Explode" in json.loads(client.body)["message"]


def test_body_over_the_limit_is_refused(client: Client) -> None:
    chunk = bytes(1024 * 1024)
    chunks = [chunk] * (MAX_BODY_BYTES // len(chunk)) + [b"x"]
    client.send(json_call("ListStateMachines", b"".join(chunks)), chunks)
    assert client.status == 413


def test_streamed_body_arrives_in_pieces(client: Client, objects: Objects) -> None:
    client.send(s3_call("PUT", "/bkt/key", b"abcdef"), [b"abc", b"def"])
    assert (client.status, objects.received) == (200, [b"abc", b"def"])
    assert client.headers["content-length"] == "0"


def test_streamed_response_is_sent_whole_and_closed(client: Client, objects: Objects) -> None:
    client.send(s3_call("GET", "/bkt/key"))
    assert (client.status, client.body, client.headers["content-length"]) == (200, b"abcdef", "6")
    assert objects.bodies[0].is_closed


def test_streamed_response_ends_early_when_the_client_goes_away(client: Client, objects: Objects) -> None:
    request = s3_call("GET", "/bkt/key")
    events = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return events.pop(0)

    asyncio.run(client._run(request, receive, None))
    assert objects.bodies[0].sent < 6
    assert objects.bodies[0].is_closed


def test_client_that_goes_away_gets_no_answer(client: Client) -> None:
    client.send(s3_call("PUT", "/bkt/key", b"abcdef"), [b"abc"], disconnects=True)
    assert client.status == 0


def test_rest_of_a_refused_body_is_read_so_that_the_connection_can_be_used_again(client: Client) -> None:
    client.send(s3_call("PUT", "/bkt/refused", b"abcdef"), [b"abc", b"def"])
    assert client.status == 403
    assert client.received_chunks == 3
    assert "connection" not in client.headers


def test_connection_is_closed_when_too_much_of_a_refused_body_is_left(client: Client) -> None:
    chunk = bytes(600 * 1024)
    client.send(s3_call("PUT", "/bkt/refused", chunk * 4), [chunk] * 4)
    assert client.received_chunks == 2
    assert client.headers["connection"] == "close"


def test_connection_is_closed_when_a_waiting_client_is_refused(client: Client) -> None:
    client.send(s3_call("PUT", "/bkt/refused", b"abcdef", {"Expect": "100-continue"}), [b"abcdef"])
    assert client.received_chunks == 0
    assert client.headers["connection"] == "close"


def test_digest_of_a_whole_body_is_checked(client: Client) -> None:
    body = b"<Delete><Object><Key>a</Key></Object></Delete>"
    request = s3_call("POST", "/bkt?delete", body, {"x-amz-checksum-crc32": "AAAAAA=="})
    client.send(request, [body])
    assert client.status == 400
    assert b"<Code>BadDigest</Code>" in client.body


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(ValueError, match="websocket"):
        asyncio.run(HttpApi({}, {})({"type": "websocket"}, None, None))
