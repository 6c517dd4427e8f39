"""The message of a run's end, about runs of a served stack; the topic is a list."""

import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_commands import OnAws, deployed
from hpc_commands import assembly, result_of

from hpc import notices


@pytest.fixture(scope="module")
def on_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAws]:
    with deployed(tmp_path_factory.mktemp("deployed"), assembly()) as stack:
        yield stack


@pytest.fixture
def published(on_aws: OnAws, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let the handler see the stack as its function does, and publish to a list."""
    sent: list[dict[str, Any]] = []
    make_client = boto3.client

    class Topic:
        def publish(self, **given: Any) -> None:
            sent.append(given)

    on_aws.set_up(monkeypatch)
    monkeypatch.setenv("TOPIC_ARN", "topic")
    monkeypatch.setenv("STACK_NAME", "HpcStack")
    monkeypatch.setenv("STATE_MACHINE_ARN", on_aws.served.outputs["StateMachineArn"])
    monkeypatch.setenv("RESULTS_BUCKET", on_aws.served.outputs["ResultsBucketName"])
    monkeypatch.setattr(boto3, "client", lambda name, **given: Topic() if name == "sns" else make_client(name, **given))
    return sent


def told(
    on_aws: OnAws, published: list[dict[str, Any]], capture: pytest.CaptureFixture[str], *options: str
) -> tuple[str, list[str]]:
    """Run to an end, and return the name and what is told of it."""
    arn = result_of(on_aws.call(capture, "run", *options, "--output", "json"))["execution_arn"]
    name = str(arn).rpartition(":")[2]
    status = boto3.client("stepfunctions").describe_execution(executionArn=arn)["status"]
    notices.handler({"detail": {"executionArn": arn, "name": name, "status": status}}, None)
    [sent] = published
    assert (sent["TopicArn"], sent["Subject"]) == ("topic", f"{status}: {name}")
    return name, sent["Message"].splitlines()


def next_commands(name: str, *commands: str) -> list[str]:
    return ["next:", *(f"  hpc {command} {name} --aws --stack-name HpcStack" for command in commands)]


def test_run_that_succeeded(on_aws: OnAws, published: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    name, lines = told(on_aws, published, capsys, "--size", "10", "--workload", "squares")
    assert lines[0].startswith(f"{name} has ended: SUCCEEDED after ")
    assert lines[1] == "items: 10, all with a result"
    assert lines[2].startswith("cost so far: about $0.0")
    assert lines[3:] == next_commands(name, "result", "report")


def test_run_that_failed_says_how_far_it_came_and_why(
    on_aws: OnAws, published: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--size", "4", "--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "1")
    name, lines = told(on_aws, published, capsys, *options, "--max-concurrency", "1")
    assert lines[0].startswith(f"{name} has ended: FAILED after ")
    assert lines[1] in ("items: 4; 2 of 4 batches succeeded", "items: 4; 3 of 4 batches succeeded")
    assert lines[2].startswith("cost so far: about $0.0")
    assert lines[3].startswith("error: States.ExceedToleratedFailureThreshold")
    assert lines[4:] == next_commands(name, "failures", "redrive")


def test_run_without_some_of_its_items_is_partial(
    on_aws: OnAws, published: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--size", "4", "--workload", "rehearsal", "--params", '{"raise": [2]}')
    name, lines = told(on_aws, published, capsys, *options, "--tolerated-failure-percentage", "50")
    assert lines[0].startswith(f"{name} has ended: PARTIAL after ")
    assert lines[1] == "items: 4, 1 of them failed"
    assert lines[-4:] == next_commands(name, "failures", "redrive", "result")


def test_run_that_ended_in_start_has_no_items(
    on_aws: OnAws, published: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    name, lines = told(on_aws, published, capsys, "--input", '{"size": -1}')
    assert lines[0].startswith(f"{name} has ended: FAILED")
    assert lines[1] == "items: none were formed"
    assert lines[3].startswith("error: InvalidInputError: size must be")


def test_end_is_told_of_where_nothing_else_can_be_found_out(on_aws: OnAws, published: list[dict[str, Any]]) -> None:
    arn = f"{os.environ['STATE_MACHINE_ARN'].replace('stateMachine', 'execution')}:gone-\N{SNOWMAN}"
    notices.handler({"detail": {"executionArn": arn, "name": "gone-\N{SNOWMAN}", "status": "TIMED_OUT"}}, None)
    [sent] = published
    assert sent["Subject"] == "TIMED_OUT: gone-?"
    lines = sent["Message"].splitlines()
    assert lines[0] == "gone-\N{SNOWMAN} has ended: TIMED_OUT."
    assert lines[1].startswith("items and cost so far: not known (")
    assert lines[2:] == next_commands("gone-\N{SNOWMAN}", "status", "redrive")
