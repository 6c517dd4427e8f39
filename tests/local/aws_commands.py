"""Commands with `--aws`, against a local server and stand-ins that answer over HTTP the way the services do."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import zip_longest
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest
from hpc_commands import call_with, hpc
from sfn_local.server import Connection, LocalServer

EVENTS_OF_PAGE = 20
NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


class StandIn(BaseHTTPRequestHandler):
    """DescribeStacks of the stack HpcStack; the configuration of each function: 10,240 MB, so that seconds cost.

    FilterLogEvents answers with the local server's own log files: a file is a stream, whose lines alternate with those
    of the others.
    """

    outputs: dict[str, str]
    logs: Path | None

    def do_GET(self) -> None:
        assert self.path.endswith("/configuration"), self.path
        assert "/functions/" in self.path
        answer = json.dumps({"MemorySize": 10_240, "Architectures": ["x86_64"], "Timeout": 900}).encode()
        self.answer(200, "application/json", answer)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "X-Amz-Target" in self.headers:
            self.answer(200, "application/x-amz-json-1.1", self.events(json.loads(content)))
            return
        body = parse_qs(content)
        [action], [name] = body["Action"], body["StackName"]
        assert action == "DescribeStacks"
        if name == "HpcStack":
            status, answer = 200, self.stacks(self.outputs)
        elif name == "NoOutputs":
            status, answer = 200, self.stacks({})
        else:
            status, answer = 400, self.error("ValidationError", f"Stack with id {name} does not exist")
        self.answer(status, "text/xml", answer)

    def events(self, asked: dict[str, Any]) -> bytes:
        assert self.headers["X-Amz-Target"] == "Logs_20140328.FilterLogEvents"
        assert self.logs is not None
        function = asked["logGroupName"].removeprefix("/aws/lambda/")
        files = {path.name: path.read_text().splitlines() for path in sorted(self.logs.glob(f"{function}.*log"))}
        wanted = asked.get("logStreamNames", files)
        events = [
            {"eventId": f"{name}-{place}", "logStreamName": name, "timestamp": asked["startTime"], "message": line}
            for place, lines in enumerate(zip_longest(*files.values()))
            for name, line in zip(files, lines, strict=True)
            if name in wanted and line and asked.get("filterPattern", "").strip('"') in line
        ]
        begin = int(asked.get("nextToken", 0))
        end = begin + EVENTS_OF_PAGE
        more = {"nextToken": str(end)} if end < len(events) else {}
        return json.dumps({"events": events[begin:end], **more}).encode()

    def answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def stacks(self, outputs: dict[str, str]) -> bytes:
        members = "".join(
            f"<member><OutputKey>{key}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
            for key, value in outputs.items()
        )
        return (
            f'<DescribeStacksResponse xmlns="{NAMESPACE}"><DescribeStacksResult><Stacks><member><StackName>HpcStack'
            "</StackName><CreationTime>2026-11-22T00:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus>"
            f"<Outputs>{members}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>"
        ).encode()

    def error(self, code: str, message: str) -> bytes:
        return (
            f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{message}</Message></Error></ErrorResponse>"
        ).encode()

    def log_message(self, *_arguments: object) -> None:
        """Keep the test's stderr for the test."""


@contextmanager
def stand_ins(outputs: dict[str, str], logs: Path | None = None) -> Iterator[str]:
    """Serve the stand-ins for a stack with these outputs and a folder of logs; yield their address."""
    known = {"outputs": outputs, "logs": logs}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (StandIn,), known))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class OnAws:
    """Runs commands with `--aws`; their HPC_HOME, ``folder``/home, stays empty."""

    served: Connection
    stand_in: str
    folder: Path
    # Of Step Functions, S3 and AWS Batch, where that is not the server's own.
    endpoint_url: str = ""
    # Of Lambda and CloudWatch Logs, where that is not the stand-in itself.
    stand_in_between: str = ""

    def __call__(self, *arguments: str) -> CompletedProcess[str]:
        return hpc(self.folder / "home", *arguments, "--aws", **self.settings())

    def call(self, capture: pytest.CaptureFixture[str], *arguments: str) -> CompletedProcess[str]:
        """Run a command in this process, which takes a tenth of the time."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HPC_HOME", str(self.folder / "home"))
            self.set_up(patch)
            return call_with(capture, *arguments, "--aws")

    def set_up(self, patch: pytest.MonkeyPatch) -> None:
        """Let commands of this process see the stack, and nothing of AWS besides."""
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for variable, value in self.settings().items():
            patch.setenv(variable, value)

    def settings(self) -> dict[str, str]:
        """Return what boto3 reads."""
        return {
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL_CLOUDFORMATION": self.stand_in,
            "AWS_ENDPOINT_URL_LAMBDA": self.stand_in_between or self.stand_in,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.stand_in_between or self.stand_in,
            "AWS_ENDPOINT_URL": self.endpoint_url or self.served.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.served.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.served.secret_access_key,
            "AWS_REGION": self.served.region,
            "AWS_DEFAULT_REGION": self.served.region,
        }


@contextmanager
def deployed(folder: Path, assembly: Path) -> Iterator[OnAws]:
    """Serve an assembly as if it were deployed."""
    with (
        LocalServer(folder / "served", assembly) as served,
        stand_ins(dict(served.outputs), folder / "served/logs") as stand_in,
    ):
        yield OnAws(served, stand_in, folder)
