"""The customer key of an assembly is asked for as on AWS: by roles that use objects, by machines and by logs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assemblies import copied
from sfn_local.assembly.read import AssemblyError
from sfn_local.server import LocalServer
from test_roles import client, end_of, run

from hpc.targets.synthesis import WITH_JOBS, Variant

ENCRYPTED = Variant({"hpc:kms": True})
# With all else that is watched and tagged, which has no effect here.
WATCHED = {"hpc:tags": {"team": "ice"}, "hpc:alarms": True, "hpc:notify_email": "team@example.org"}
ENCRYPTED_JOBS = Variant({**WITH_JOBS.context, "hpc:kms": True, **WATCHED})
Change = Callable[[dict[str, Any]], None]


def changed_assembly(folder: Path, change: Change, variant: Variant = ENCRYPTED) -> Path:
    made = copied(folder, variant)
    [path] = made.glob("*.template.json")
    template = json.loads(path.read_text())
    change(template["Resources"])
    path.write_text(json.dumps(template))
    return made


def without(action: str, role: str, condition: str) -> Change:
    """Take an action away from the statements of a role's policies that have a condition on this key."""

    def change(resources: dict[str, Any]) -> None:
        taken = 0
        for policy in resources.values():
            if policy["Type"] != "AWS::IAM::Policy":
                continue
            if not any(each["Ref"].startswith(role) for each in policy["Properties"]["Roles"]):
                continue
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                if condition in json.dumps(statement.get("Condition", {})) and action in actions:
                    statement["Action"] = [each for each in actions if each != action] or ["none:None"]
                    taken += 1
        assert taken, f"no statement of {role} on {condition} has {action}"

    return change


def without_statements_of(service: str) -> Change:
    """Take the statements of a service out of the policy of the key."""

    def change(resources: dict[str, Any]) -> None:
        [key] = [each for each in resources.values() if each["Type"] == "AWS::KMS::Key"]
        statements = key["Properties"]["KeyPolicy"]["Statement"]
        kept = [each for each in statements if service not in json.dumps(each["Principal"])]
        assert len(kept) < len(statements)
        key["Properties"]["KeyPolicy"]["Statement"] = kept

    return change


def unchanged(_resources: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize("back_end", ["lambda", "batch", "batch_callback"])
def test_whole_run_works_with_the_rights_on_the_key_that_roles_have(tmp_path: Path, back_end: str) -> None:
    decisions: list[Any] = []
    variant = ENCRYPTED if back_end == "lambda" else ENCRYPTED_JOBS
    with LocalServer(
        tmp_path / "home",
        changed_assembly(tmp_path, unchanged, variant),
        on_decision=lambda request, decision: decisions.append((request, decision)),
    ) as connection:
        ended = run(connection, workload="squares", back_end=back_end)
    assert ended["status"] == "SUCCEEDED"
    of_objects = {
        request.action: decision.is_allowed
        for request, decision in decisions
        if "kms:ViaService" in dict(request.context)
    }
    assert of_objects == {"kms:Decrypt": True, "kms:GenerateDataKey": True}


def test_orchestration_works_with_the_rights_on_the_key_that_roles_have(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "home", changed_assembly(tmp_path, unchanged, ENCRYPTED_JOBS)) as connection:
        states, machine = client(connection, "stepfunctions"), connection.outputs["OrchestratorArn"]
        ended = end_of(
            states, machine, input='{"input": {"entries": [{"name": "a", "size": 2, "workload": "squares"}]}}'
        )
    assert ended["status"] == "SUCCEEDED", ended.get("cause")


@pytest.mark.parametrize(
    ("action", "role", "error", "cause"),
    [
        ("kms:GenerateDataKey", "FunctionsStart", "StorageAccessError", "access is denied"),
        ("kms:Decrypt", "FunctionsCompute", "States.ExceedToleratedFailureThreshold", ""),
        ("kms:Decrypt", "FunctionsSum", "StorageAccessError", "access is denied"),
        (
            "kms:Decrypt",
            "MapReduce",
            "States.ItemReaderFailed",
            "is not authorized to perform: kms:Decrypt on resource",
        ),
        (
            "kms:GenerateDataKey",
            "MapReduce",
            "States.ResultWriterFailed",
            "is not authorized to perform: kms:GenerateDataKey on resource",
        ),
    ],
)
def test_run_fails_as_on_aws_where_a_right_on_the_key_is_missing(
    tmp_path: Path, action: str, role: str, error: str, cause: str
) -> None:
    changed = changed_assembly(tmp_path, without(action, role, "kms:ViaService"))
    with LocalServer(tmp_path / "home", changed) as connection:
        ended = run(connection)
    assert (ended["status"], ended["error"]) == ("FAILED", error)
    assert cause in ended["cause"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without("kms:GenerateDataKey", "MapReduce", "aws:states:stateMachineArn"),
            "executions of state machine .* would fail: its role .* may not kms:GenerateDataKey",
        ),
        (
            without("kms:Decrypt", "MapReduce", "aws:states:stateMachineArn"),
            "executions of state machine .* would fail: its role .* may not kms:Decrypt",
        ),
        (
            without("kms:GenerateDataKey", "MapReduce", "EncryptionContext:SourceArn"),
            "executions of state machine .* would fail: its role .* may not kms:GenerateDataKey",
        ),
        (without_statements_of("delivery.logs"), "can't be delivered: delivery.logs.amazonaws.com may not kms:Decrypt"),
        (without_statements_of("AWS::URLSuffix"), "can't be made: logs.us-east-1.amazonaws.com may not kms:Encrypt"),
        (without_statements_of(":root"), "may not kms:Decrypt"),
    ],
)
def test_stack_whose_machines_or_logs_could_not_be_encrypted_is_refused(
    tmp_path: Path, change: Change, message: str
) -> None:
    with (
        pytest.raises(AssemblyError, match=message),
        LocalServer(tmp_path / "home", changed_assembly(tmp_path, change)),
    ):
        pass
