"""Executions of the state machine in cdk.out, on this machine: the real definition, the real function, no mock."""

import json
import time
from pathlib import Path

import boto3
import pytest
from sfn_local.server import LocalServer

ASSEMBLY = Path(__file__).parent / "cdk.out"


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """Serve the assembly; return a Step Functions client and the ARN of the state machine."""
    with LocalServer(tmp_path_factory.mktemp("home"), ASSEMBLY) as connection:
        client = boto3.client(
            "stepfunctions",
            endpoint_url=connection.endpoint_url,
            region_name=connection.region,
            aws_access_key_id=connection.access_key_id,
            aws_secret_access_key=connection.secret_access_key,
        )
        yield client, connection.outputs["MachineArn"]


def execute(machine, *orders):
    """Start an execution and return its description when it has ended."""
    client, arn = machine
    started = client.start_execution(stateMachineArn=arn, input=json.dumps({"orders": orders}))
    while (execution := client.describe_execution(executionArn=started["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.1)
    return execution


def test_a_large_order_is_flagged(machine):
    small = {"order": 1, "lines": [{"count": 2, "cents": 999}]}
    large = {"order": 2, "lines": [{"count": 3, "cents": 50_000}]}
    execution = execute(machine, small, large)
    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"]) == [
        {"order": 1, "cents": 1998},
        {"order": 2, "cents": 150_000, "review": True},
    ]


def test_an_empty_order_fails_the_execution_with_the_functions_own_error(machine):
    execution = execute(machine, {"order": 3, "lines": []})
    assert (execution["status"], execution["error"]) == ("FAILED", "EmptyOrderError")
