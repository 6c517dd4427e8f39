"""Other users of the machine, who have no key, can't stall the endpoints; all here is bounded in count and time."""

import asyncio
import http.client
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from lambda_pool import Machine
from s3_endpoint import served, served_app
from sfn_local import connections
from sfn_local.connections import AcceptErrors
from sfn_local.lambda_runtime.runtime_api import RuntimeApi
from sfn_local.object_store import ObjectStore

WAITS_WITHIN_SECONDS = 60
STRANGERS = 8
UNFINISHED = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: "


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setattr(connections, "MAX_STRANGERS", STRANGERS)
    with closing(ObjectStore(tmp_path)) as store, served(store) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(connections, "MAX_STRANGERS", STRANGERS)
    machine = Machine()
    with closing(machine.loop), served_app(RuntimeApi(machine.pool).respond) as address:
        yield address


@pytest.fixture(params=["objects", "runtime"])
def address(request: pytest.FixtureRequest) -> str:
    """Return where each of the two endpoints listens."""
    served_at: str = request.getfixturevalue(request.param)
    return served_at


def connect(address: str, sent: bytes = b"") -> socket.socket:
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)), timeout=WAITS_WITHIN_SECONDS)
    connection.sendall(sent)
    return connection


def answer(connection: socket.socket) -> bytes:
    """Return what arrives until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def send_until_closed(connection: socket.socket, part: bytes, *, most_bytes: int) -> int:
    """Return how many bytes the server took."""
    sent = 0
    try:
        while sent < most_bytes:
            connection.sendall(part)
            sent += len(part)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def signed_headers(address: str) -> dict[str, str]:
    request = AWSRequest("GET", f"http://{address}/", headers={"Host": address})
    S3SigV4Auth(Credentials("AKID", "secret"), "s3", "us-east-1").add_auth(request)
    return dict(request.headers.items())


def test_unfinished_head_makes_room_for_who_comes(address: str) -> None:
    with ExitStack() as opened:
        held = [opened.enter_context(connect(address, UNFINISHED)) for _ in range(3 * STRANGERS)]
        for connection in held[: 2 * STRANGERS]:
            assert answer(connection) == b""  # closed by the server
        other = opened.enter_context(
            connect(address, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        )
        assert b" 403 " in answer(other).splitlines()[0]


def test_connection_of_a_holder_of_a_key_is_kept(objects: str) -> None:
    client = http.client.HTTPConnection(objects, timeout=WAITS_WITHIN_SECONDS)
    with closing(client), ExitStack() as opened:
        for _ in range(2):
            client.request("GET", "/", headers=signed_headers(objects))
            response = client.getresponse()
            assert (response.status, b"ListAllMyBucketsResult" in response.read()) == (200, True)
            # http.client would fail on a connection that was closed in the meantime.
            for _ in range(2 * STRANGERS):
                opened.enter_context(connect(objects, UNFINISHED))


def test_head_that_does_not_end_times_out(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    for sent in (b"", b"GET", UNFINISHED):
        with connect(address, sent) as connection:
            assert answer(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize(
    ("begun", "part"),
    [
        (UNFINISHED, b"x"),
        (b"GET / HTTP/1.1\r\n", b"x: y\r\n"),
        (b"GET /", b"x"),
        (b"", b"\r\n"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", b"y"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1;x=", b"y"),
    ],
    ids=["header", "headers", "path", "empty-lines", "trailers", "trailer", "extension"],
)
def test_head_without_end_is_refused(address: str, begun: bytes, part: bytes) -> None:
    most_bytes = 64 * 1024 * 1024
    with connect(address, begun) as connection:
        # The rest is what the sockets of both sides hold.
        assert send_until_closed(connection, part * 16_384, most_bytes=most_bytes) < most_bytes


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST", "HEAD", "PUT", "DELETE", "CONNECT", "TRACE"])
@pytest.mark.parametrize("target", ["*", "/", "//", "/%ff%00", "http://127.0.0.1/x", "?x", "/" + "x/" * 2_000])
def test_every_request_is_answered(address: str, method: str, target: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(
        address, f"{method} {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode()
    ) as one:
        assert answer(one)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 404", b"HTTP/1.1 405")
    assert not caplog.records


def test_connections_that_cannot_be_accepted_make_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    handler = AcceptErrors(lambda: now)
    context = {"message": "socket.accept() out of system resource", "exception": OSError(24, "Too many open files")}
    with closing(asyncio.new_event_loop()) as loop, caplog.at_level(logging.ERROR):
        for _ in range(1_000):
            handler(loop, context)
        now = 60.0
        handler(loop, context)
        assert [record.message for record in caplog.records] == [
            "connections can't be accepted: [Errno 24] Too many open files"
        ] * 2
        handler(loop, {"message": "something else", "exception": OSError(24, "x")})
        assert caplog.records[-1].message.startswith("something else")
