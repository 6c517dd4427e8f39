"""Objects of S3 whose answers break off, by a server that sends a part of what it was asked for."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, IncompleteReadError

from hpc.targets import downloads
from hpc.targets.downloads import resume_downloads

DATA = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(250))  # 8,000 bytes
ETAG = '"one"'


class Store(BaseHTTPRequestHandler):
    """One object; of each answer only a part is sent."""

    sent_bytes = 3_000
    ranges: list[str | None]
    etag = ETAG

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.ranges.append(asked)
        if self.headers.get("If-Match", self.etag) != self.etag:
            self.send_response_only(412)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, _, last = (asked or "bytes=0-").removeprefix("bytes=").partition("-")
        rest = DATA[int(first) : int(last) + 1 if last else None]
        self.send_response_only(206 if asked else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", self.etag)
        self.end_headers()
        self.wfile.write(rest[: self.sent_bytes])

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's stderr for the test."""


class Clock:
    """Time that only passes when somebody sleeps."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def store() -> Iterator[tuple[type[Store], str]]:
    handler = type("Handler", (Store,), {"ranges": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(downloads, "time", made)
    return made


def make_client(endpoint_url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(proxies={}, s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def get(endpoint_url: str, **given: str) -> Any:
    client = make_client(endpoint_url)
    resume_downloads(client, lambda: make_client(endpoint_url))
    return client.get_object(Bucket="bucket", Key="key", **given)["Body"]


READ: dict[str, Callable[[Any], bytes]] = {
    "whole": lambda body: body.read(),
    "chunks": lambda body: b"".join(body.iter_chunks(700)),
    "lines": lambda body: b"".join(body.iter_lines(700, keepends=True)),
}


@pytest.mark.parametrize("how", READ)
def test_object_is_read_to_its_end(store: tuple[type[Store], str], clock: Clock, how: str) -> None:
    handler, endpoint_url = store
    body = get(endpoint_url)
    assert READ[how](body) == DATA
    assert handler.ranges[0] is None
    assert all(str(each).startswith("bytes=") for each in handler.ranges[1:])
    assert clock.now == len(handler.ranges) - 1


def test_range_stays_within_what_was_asked_for(store: tuple[type[Store], str], clock: Clock) -> None:
    handler, endpoint_url = store
    body = get(endpoint_url, Range="bytes=1000-6999")
    assert b"".join(body.iter_chunks(500)) == DATA[1_000:7_000]
    assert handler.ranges == ["bytes=1000-6999", "bytes=4000-6999"]
    assert clock.now == 1


def test_object_that_changes_in_between_is_not_mixed(store: tuple[type[Store], str], clock: Clock) -> None:
    handler, endpoint_url = store
    chunks = get(endpoint_url).iter_chunks(500)
    next(chunks)
    handler.etag = '"two"'
    with pytest.raises(ClientError, match="412"):
        list(chunks)
    assert clock.now == 1


def test_answers_that_break_off_again_and_again_are_given_up_after_minutes(
    store: tuple[type[Store], str], clock: Clock
) -> None:
    handler, endpoint_url = store
    chunks = get(endpoint_url).iter_chunks(500)
    next(chunks)
    handler.sent_bytes = 0
    with pytest.raises(IncompleteReadError):
        list(chunks)
    assert 240 < clock.now <= 300
