"""Roles of an assembly bind what runs: a right that is taken away is missed as it would be on AWS."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from assemblies import copied
from botocore.config import Config
from botocore.exceptions import ClientError
from sfn_local.assembly.read import AssemblyError
from sfn_local.iam.evaluator import Decision, Request
from sfn_local.server import Connection, LocalServer

Change = Callable[[dict[str, Any]], None]


def changed_assembly(folder: Path, change: Change) -> Path:
    """Return a copy of the assembly whose template was changed."""
    made = copied(folder)
    [path] = made.glob("*.template.json")
    template = json.loads(path.read_text())
    change(template["Resources"])
    path.write_text(json.dumps(template))
    return made


def without(action: str, role: str) -> Change:
    """Take an action away from the roles whose logical ids begin so, as far as their policies have it."""

    def change(resources: dict[str, Any]) -> None:
        taken = 0
        for policy in resources.values():
            if policy["Type"] != "AWS::IAM::Policy":
                continue
            if not all(each["Ref"].startswith(role) for each in policy["Properties"]["Roles"]):
                continue
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                rest = [each for each in actions if each != action]
                taken += len(actions) - len(rest)
                statement["Action"] = rest or "none:None"
        assert taken, f"no role {role} has {action}"

    return change


def client(connection: Connection, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=connection.endpoint_url,
        region_name=connection.region,
        aws_access_key_id=connection.access_key_id,
        aws_secret_access_key=connection.secret_access_key,
        config=Config(retries={"max_attempts": 1}),
    )


@contextmanager
def served(
    folder: Path, change: Change, decisions: list[tuple[Request, Decision]] | None = None
) -> Iterator[Connection]:
    note = None if decisions is None else lambda request, decision: decisions.append((request, decision))
    with LocalServer(folder / "home", changed_assembly(folder, change), on_decision=note) as connection:
        yield connection


def run(connection: Connection, **run_input: Any) -> dict[str, Any]:
    """Run the pipeline; return how the execution ended."""
    states = client(connection, "stepfunctions")
    machine = connection.outputs["StateMachineArn"]
    return end_of(states, machine, input=json.dumps({"size": 2, **run_input}))


def end_of(states: Any, machine: str, **options: str) -> dict[str, Any]:
    """Run a state machine; return how the execution ended."""
    arn = states.start_execution(stateMachineArn=machine, **options)["executionArn"]
    while True:
        described: dict[str, Any] = states.describe_execution(executionArn=arn)
        if described["status"] != "RUNNING":
            return described
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("action", "role", "error", "cause"),
    [
        ("s3:PutObject", "Functions", "StorageAccessError", ".jsonl is missing, or access is denied"),
        (
            "states:StartExecution",
            "MapReduce",
            "StepFunctions.AWSStepFunctionsException",
            "is not authorized to perform: states:StartExecution on resource: arn:aws:states:us-east-1:",
        ),
        (
            "s3:GetObject",
            "MapReduce",
            "States.ItemReaderFailed",
            "is not authorized to perform: s3:GetObject on resource",
        ),
        (
            "s3:PutObject",
            "MapReduce",
            "States.ResultWriterFailed",
            "Failed to write a test manifest into the specified output bucket. AccessDenied",
        ),
    ],
)
def test_run_fails_as_on_aws_where_a_right_is_missing(
    tmp_path: Path, action: str, role: str, error: str, cause: str
) -> None:
    with served(tmp_path, without(action, role)) as connection:
        ended = run(connection)
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert cause in ended["cause"]


def test_whole_run_works_with_the_rights_that_roles_have(tmp_path: Path) -> None:
    decisions: list[tuple[Request, Decision]] = []
    with served(tmp_path, lambda _resources: None, decisions) as connection:
        assert run(connection)["status"] == "SUCCEEDED"
    # Whether a key is missing or forbidden makes no difference to a handler, which need not list keys for it.
    assert {request.action for request, decision in decisions if not decision.is_allowed} <= {"s3:ListBucket"}
    asked = {request.action for request, _decision in decisions}
    assert {"lambda:InvokeFunction", "s3:GetObject", "s3:PutObject", "states:StartExecution"} <= asked


def test_machine_without_the_rights_to_log_can_not_be_made(tmp_path: Path) -> None:
    with (
        pytest.raises(AssemblyError, match="not authorized to access the Log Destination"),
        served(tmp_path, without("logs:CreateLogDelivery", "MapReduce")),
    ):
        pass


def test_role_that_its_service_may_not_assume_is_refused(tmp_path: Path) -> None:
    def change(resources: dict[str, Any]) -> None:
        for name, each in resources.items():
            if each["Type"] == "AWS::IAM::Role" and name.startswith("FunctionsComputeRole"):
                each["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {
                    "Service": "ec2.amazonaws.com"
                }

    with pytest.raises(AssemblyError, match="cannot be assumed by Lambda"), served(tmp_path, change):
        pass


def test_bucket_policy_denies_though_a_role_allows(tmp_path: Path) -> None:
    def change(resources: dict[str, Any]) -> None:
        [policy] = [each for each in resources.values() if each["Type"] == "AWS::S3::BucketPolicy"]
        statements = policy["Properties"]["PolicyDocument"]["Statement"]
        statements.append({**statements[0], "Action": "s3:PutObject", "Condition": {}})

    with served(tmp_path, change) as connection:
        ended = run(connection)
        bucket = connection.outputs["ResultsBucketName"]
        client(connection, "s3").put_object(Bucket=bucket, Key="a", Body=b"")  # the person may do everything
    assert ended["error"] == "StorageAccessError"


def test_machine_of_an_unknown_role_may_do_everything_and_one_of_a_known_role_only_what_that_may(
    tmp_path: Path,
) -> None:
    with served(tmp_path, lambda _resources: None) as connection:
        states, bucket = client(connection, "stepfunctions"), connection.outputs["ResultsBucketName"]
        machine = connection.outputs["StateMachineArn"]
        known = states.describe_state_machine(stateMachineArn=machine)["roleArn"]
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
            "Parameters": {"Bucket": bucket, "Key": "other/key", "Body": "text"},
            "End": True,
        }
        definition = json.dumps({"StartAt": "Put", "States": {"Put": task}})
        ended = {}
        for name, role in (("unknown", "arn:aws:iam::000000000000:role/mine"), ("known", known)):
            arn = states.create_state_machine(name=name, roleArn=role, definition=definition)["stateMachineArn"]
            ended[name] = end_of(states, arn)
        assert ended["unknown"]["status"] == "SUCCEEDED"
        assert ended["known"]["error"] == "S3.S3Exception"
        assert "is not authorized to perform: s3:PutObject on resource: " in ended["known"]["cause"]
        sync = "arn:aws:states:::states:startExecution.sync"
        waiting = {**task, "Resource": sync, "Parameters": {"StateMachineArn": machine}}
        with pytest.raises(ClientError, match="is not authorized to create managed-rule") as refused:
            states.create_state_machine(
                name="waits", roleArn=known, definition=json.dumps({"StartAt": "Wait", "States": {"Wait": waiting}})
            )
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
