"""A network between a command and the services that first disturbs every operation, then lets it pass."""

import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

# More than botocore's own tries of a request, of which there are 8.
TIMES = 10
# Of AWS Batch and Lambda.
JSON_PATHS = ("/v1/", "/2015-03-31/functions/")
HOP_HEADERS = {"connection", "transfer-encoding", "content-length"}


@dataclass
class Network:
    """The disturbance of a network, and how often it happened.

    Attributes
    ----------
    fault : str
        throttled, failed, expired, lost or none.
    counts : Counter
        Requests that were disturbed, by operation: of Step Functions and AWS Batch by name, of S3 by method.
    """

    fault: str = "none"
    counts: Counter[str] = field(default_factory=Counter)

    def disturbs(self, operation: str) -> bool:
        if self.fault == "none" or self.counts[operation] == TIMES:
            return False
        self.counts[operation] += 1
        return True


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    network: Network
    upstream: str

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        operation = target.rpartition(".")[2] if target else f"{self.command} {self.path.partition('?')[0]}"
        if self.network.disturbs(operation):
            self._disturb(is_json=bool(target) or self.path.startswith(JSON_PATHS))
            return
        connection = http.client.HTTPConnection(urlsplit(self.upstream).netloc)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_HEADERS:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        self._answer(answer.status, answer.getheaders(), answer.read(), length=answer.getheader("Content-Length"))
        connection.close()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._pass_on
        raise AttributeError(name)

    def _disturb(self, *, is_json: bool) -> None:
        if self.network.fault == "lost":
            self.close_connection = True
            return
        status, json_code, xml_code = {
            "throttled": (400 if is_json else 503, "ThrottlingException", "SlowDown"),
            "failed": (500, "InternalServerError", "InternalError"),
            "expired": (400, "ExpiredTokenException", "ExpiredToken"),
        }[self.network.fault]
        headers = [("x-amzn-ErrorType", json_code)]
        text = (
            f'{{"__type": "{json_code}", "message": "no"}}'
            if is_json
            else f"<?xml version='1.0'?><Error><Code>{xml_code}</Code><Message>no</Message></Error>"
        )
        self._answer(status, headers, text.encode())

    def _answer(self, status: int, headers: Any, body: bytes, *, length: str | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's stderr for the test."""


@contextmanager
def between(upstream: str, network: Network | None = None) -> Iterator[tuple[str, Network]]:
    """Serve a network, or the given one, in front of an endpoint; yield its own endpoint, and the network."""
    network = network or Network()
    handler = type("Handler", (_Proxy,), {"network": network, "upstream": upstream})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", network
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
