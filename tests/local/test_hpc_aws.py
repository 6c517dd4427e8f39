"""`--aws`: the same commands against a stack that CloudFormation describes.

The Step Functions and S3 endpoints are those of the local server; only CloudFormation is a stand-in, which answers
DescribeStacks over HTTP the way the service does.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_commands import OnAws, deployed
from hpc_commands import assembly, result_of


@pytest.fixture(scope="module")
def on_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnAws]:
    with deployed(tmp_path_factory.mktemp("deployed"), assembly()) as stack:
        yield stack


def test_run_on_aws_gives_the_result_and_where_it_is(on_aws: OnAws, tmp_path: Path) -> None:
    done = on_aws("run", "--size", "10", "--workload", "squares", "--output", "json")
    result = result_of(done)
    assert done.returncode == 0
    assert result["output"]["total_sum"] == "285"
    name = result["execution_arn"].rpartition(":")[2]
    assert result["results"] == f"s3://{on_aws.served.outputs['ResultsBucketName']}/runs/{name}/"
    assert not (on_aws.folder / "home").exists()


def test_run_on_aws_uploads_local_data_first(on_aws: OnAws, tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("3\n4\n")
    done = on_aws("run", "--items", str(tmp_path / "items.jsonl"), "--workload", "squares", "--output", "json")
    assert result_of(done)["output"]["total_sum"] == "25"


def test_run_on_aws_names_the_failed_batches(on_aws: OnAws) -> None:
    done = on_aws("run", "--size", "4", "--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "batch 1 (items 2 to 3): ItemFailedError: item 2" in done.stderr


def test_run_on_aws_is_redriven_and_fails_again_at_the_same_batch(on_aws: OnAws) -> None:
    options = ("--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "2", "--output", "json")
    name = result_of(on_aws("run", "--size", "4", *options))["execution_arn"].rpartition(":")[2]
    done = on_aws("redrive", name, "--output", "json")
    assert (done.returncode, result_of(done)["status"]) == (1, "FAILED")
    assert f"redriven {name} (redrive 1)" in done.stderr
    assert "batch 1 (items 2 to 3): ItemFailedError: item 2" in done.stderr


@pytest.mark.parametrize("output", ["text", "json"])
def test_detached_run_is_stopped_by_name(on_aws: OnAws, output: str) -> None:
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
    assert (again.returncode, again.stderr) == (0, f"{name} has already ended: ABORTED\n")


@pytest.mark.parametrize("command", [("run", "--size", "3"), ("stop", "run-1")])
def test_missing_stack_is_named_with_the_remedy(on_aws: OnAws, command: tuple[str, ...]) -> None:
    done = on_aws(*command, "--stack-name", "Nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no stack 'Nowhere' in us-east-1: deploy it (make deploy), or give --stack-name" in done.stderr
    assert done.stderr.count("\n") == 1


def test_stack_without_our_outputs_is_refused(on_aws: OnAws) -> None:
    done = on_aws("run", "--size", "3", "--stack-name", "NoOutputs")
    assert done.returncode == 2
    assert "stack 'NoOutputs' has no outputs StateMachineArn and ResultsBucketName" in done.stderr


def test_refused_start_says_what_the_service_said(on_aws: OnAws, tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text(json.dumps({"size": 3, "params": {"a": "x" * 300_000}}))
    done = on_aws("run", "--input", f"@{tmp_path / 'input.json'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the run was not started: ValidationException: 1 validation error detected: Value '" in done.stderr
    assert "at 'input' failed to satisfy constraint" in done.stderr
