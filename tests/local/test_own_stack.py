"""The example of an own CDK app: its assembly runs here as it is, whatever else is in it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

PROJECT = Path(__file__).parents[2]
EXAMPLE = PROJECT / "examples/own_stack"
PROGRAMS = Path(sys.executable).parent


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HPC_HOME": str(folder / "home")}


def synthesized(folder: Path, *, edit: tuple[str, str] = ("", "")) -> Path:
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("cdk.out", "__pycache__"), dirs_exist_ok=True)
    app = folder / "app.py"
    app.write_text(app.read_text().replace(*edit) if edit[0] else app.read_text())
    done = subprocess.run([sys.executable, "app.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [PROGRAMS / "hpc", "run", "--assembly", "cdk.out", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example with one more stack, of a topic alone."""
    edit = ("app.synth()", 'sns.Topic(cdk.Stack(app, "Second"), "More")\napp.synth()')
    return synthesized(tmp_path_factory.mktemp("own-stack"), edit=edit)


def test_example_is_short() -> None:
    assert len(EXAMPLE.joinpath("app.py").read_text().splitlines()) <= 15


def test_hpc_run_runs_a_workload_of_the_own_stack_and_counts_what_is_not_made(own_stack: Path) -> None:
    done = run(own_stack, "--workload", "triangle", "--size", "100")
    assert done.returncode == 0, done.stderr
    assert "total         4950" in done.stdout
    assert "not made here: 2 AWS::SNS::Topic, 1 AWS::CloudWatch::Alarm\n" in done.stderr


def test_bundled_workloads_are_there_as_well(own_stack: Path) -> None:
    done = run(own_stack, "--size", "4")
    assert "total         2634907" in done.stdout, done.stderr


@pytest.fixture
def served(own_stack: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give the variables of a server of `sfn-local serve`."""
    command = [PROGRAMS / "sfn-local", "serve", "--assembly", own_stack / "cdk.out", "--home", tmp_path / "home"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(6)]
        yield dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        server.terminate()
        assert server.wait() == 0


def test_sfn_local_serves_the_own_stack(served: dict[str, str]) -> None:
    client = boto3.client(
        "stepfunctions",
        endpoint_url=served["AWS_ENDPOINT_URL"],
        region_name=served["AWS_REGION"],
        aws_access_key_id=served["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=served["AWS_SECRET_ACCESS_KEY"],
    )
    [machine] = client.list_state_machines()["stateMachines"]
    given = json.dumps({"size": 10, "workload": "triangle"})
    started = client.start_execution(stateMachineArn=machine["stateMachineArn"], input=given)
    while (ran := client.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        pass
    assert json.loads(ran["output"])["total_sum"] == "45"


def test_a_function_that_refers_to_what_is_not_made_is_refused_by_name(tmp_path: Path) -> None:
    edit = (
        'sns.Topic(stack, "News")',
        'topic = sns.Topic(stack, "News")\nhpc.functions.start.add_environment("TOPIC", topic.topic_arn)',
    )
    done = run(synthesized(tmp_path, edit=edit), "--size", "4")
    assert done.returncode == 2
    assert "(AWS::SNS::Topic) has no value on this machine" in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("squares.py", "has the name of a bundled workload, squares: give it another name"),
        ("Not-A-Name.py", "must be named like my_model.py"),
    ],
)
def test_names_that_can_not_be_deployed_are_refused(name: str, message: str, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "my_workloads" / name).write_text("def compute(item):\n    return item\n")
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
