"""`--aws`: the same commands against a stack that CloudFormation describes.

The Step Functions and S3 endpoints are those of the local server; only CloudFormation is a stand-in, which answers
DescribeStacks over HTTP the way the service does.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import pytest
from hpc_commands import assembly, hpc, result_of

from hpc_local.server import Connection, LocalServer

NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


class CloudFormation(BaseHTTPRequestHandler):
    """DescribeStacks, for the stack HpcStack."""

    outputs: dict[str, str]

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        [action], [name] = body["Action"], body["StackName"]
        assert action == "DescribeStacks"
        if name == "HpcStack":
            status, answer = 200, self.stacks(self.outputs)
        elif name == "NoOutputs":
            status, answer = 200, self.stacks({})
        else:
            status, answer = 400, self.error("ValidationError", f"Stack with id {name} does not exist")
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with LocalServer(tmp_path_factory.mktemp("served"), assembly()) as connection:
        yield connection


@pytest.fixture(scope="module")
def cloudformation(served: Connection) -> Iterator[str]:
    handler = type("Handler", (CloudFormation,), {"outputs": dict(served.outputs)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def on_aws(served: Connection, cloudformation: str, tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """Run a command with the settings that boto3 reads; its HPC_HOME stays empty."""

    def run(*arguments: str) -> CompletedProcess[str]:
        return hpc(
            tmp_path / "home",
            *arguments,
            "--aws",
            HOME=str(tmp_path),
            AWS_ENDPOINT_URL_CLOUDFORMATION=cloudformation,
            AWS_ENDPOINT_URL=served.endpoint_url,
            AWS_ACCESS_KEY_ID=served.access_key_id,
            AWS_SECRET_ACCESS_KEY=served.secret_access_key,
            AWS_REGION=served.region,
            AWS_DEFAULT_REGION=served.region,
        )

    return run


def test_run_on_aws_gives_the_result_and_where_it_is(
    on_aws: Callable[..., CompletedProcess[str]], served: Connection, tmp_path: Path
) -> None:
    done = on_aws("run", "--size", "10", "--workload", "squares", "--output", "json")
    result = result_of(done)
    assert done.returncode == 0
    assert result["output"]["total_sum"] == "285"
    name = result["execution_arn"].rpartition(":")[2]
    assert result["results"] == f"s3://{served.outputs['ResultsBucketName']}/runs/{name}/"
    assert not (tmp_path / "home").exists()


def test_run_on_aws_uploads_local_data_first(on_aws: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("3\n4\n")
    done = on_aws("run", "--items", str(tmp_path / "items.jsonl"), "--workload", "squares", "--output", "json")
    assert result_of(done)["output"]["total_sum"] == "25"


def test_run_on_aws_names_the_failed_batches(on_aws: Callable[..., CompletedProcess[str]]) -> None:
    done = on_aws("run", "--size", "4", "--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "batch 1 (items 2 to 3): ItemFailedError: item 2" in done.stderr


def test_run_on_aws_is_redriven_and_fails_again_at_the_same_batch(on_aws: Callable[..., CompletedProcess[str]]) -> None:
    options = ("--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "2", "--output", "json")
    name = result_of(on_aws("run", "--size", "4", *options))["execution_arn"].rpartition(":")[2]
    done = on_aws("redrive", name, "--output", "json")
    assert (done.returncode, result_of(done)["status"]) == (1, "FAILED")
    assert f"redriven {name} (redrive 1)" in done.stderr
    assert "batch 1 (items 2 to 3): ItemFailedError: item 2" in done.stderr


@pytest.mark.parametrize("output", ["text", "json"])
def test_detached_run_is_stopped_by_name(
    on_aws: Callable[..., CompletedProcess[str]], served: Connection, output: str
) -> None:
    options = ["--size", "4", "--workload", "rehearsal", "--params", '{"seconds": 600}', "--detach", "--output", output]
    done = on_aws("run", *options)
    arn = done.stdout.strip() if output == "text" else json.loads(done.stdout)["execution_arn"]
    name = arn.rpartition(":")[2]
    assert done.returncode == 0
    assert f"hpc stop {name} --aws" in done.stderr
    assert f"aws stepfunctions describe-execution --execution-arn {arn}" in done.stderr
    stopped = on_aws("stop", name)
    assert (stopped.returncode, stopped.stderr) == (0, f"stopped {name}\n")
    again = on_aws("stop", arn)
    assert (again.returncode, again.stderr) == (0, f"{arn} has already ended: ABORTED\n")


@pytest.mark.parametrize("command", [("run", "--size", "3"), ("stop", "run-1")])
def test_missing_stack_is_named_with_the_remedy(
    on_aws: Callable[..., CompletedProcess[str]], command: tuple[str, ...]
) -> None:
    done = on_aws(*command, "--stack-name", "Nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no stack 'Nowhere' in us-east-1: deploy it (make deploy), or give --stack-name" in done.stderr
    assert done.stderr.count("\n") == 1


def test_stack_without_our_outputs_is_refused(on_aws: Callable[..., CompletedProcess[str]]) -> None:
    done = on_aws("run", "--size", "3", "--stack-name", "NoOutputs")
    assert done.returncode == 2
    assert "stack 'NoOutputs' has no output 'StateMachineArn'" in done.stderr


def test_refused_start_says_what_the_service_said(on_aws: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(json.dumps({"size": 3, "params": {"a": "x" * 300_000}}))
    done = on_aws("run", "--input", f"@{tmp_path / 'input.json'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the run was not started: ValidationException: Value at 'input'" in done.stderr
