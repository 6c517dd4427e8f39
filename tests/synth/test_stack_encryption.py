"""The customer key: what it encrypts, and that everybody who needs it, and nobody else, may use it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from synthesis import as_text, resources_of

Template = dict[str, Any]
S3_ONLY = {"StringEquals": {"kms:ViaService": "s3.<AWS::Region>.<AWS::URLSuffix>"}}
LOGS = "arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:*"


@pytest.fixture(scope="module")
def encrypted(synthesize: Callable[..., Template]) -> Template:
    return synthesize(packages_layer=False, batch=True, orchestrator=True, kms=True)


def key_of(template: Template) -> str:
    [key] = resources_of(template, "AWS::KMS::Key")
    return f"<{key}.Arn>"


def texts(value: Any) -> Any:
    """Write every CloudFormation value below as text."""
    if isinstance(value, dict) and not any(name.startswith("Fn::") or name == "Ref" for name in value):
        return {name: texts(each) for name, each in value.items()}
    return [texts(each) for each in value] if isinstance(value, list) else as_text(value)


def key_statements(template: Template) -> Iterator[tuple[str, set[str], dict[str, Any]]]:
    """Yield role, actions and condition of every statement about the key."""
    for policy in resources_of(template, "AWS::IAM::Policy").values():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Resource"] == {"Fn::GetAtt": [key_of(template).strip("<>").split(".")[0], "Arn"]}:
                actions = statement["Action"]
                for role in policy["Properties"]["Roles"]:
                    given = {actions} if isinstance(actions, str) else set(actions)
                    yield role["Ref"], given, texts(statement["Condition"])


def test_stack_has_no_key_unless_asked(template: Template) -> None:
    assert resources_of(template, "AWS::KMS::Key") == {}


def test_one_key_with_rotation_encrypts_bucket_logs_and_machines(encrypted: Template) -> None:
    [key] = resources_of(encrypted, "AWS::KMS::Key").values()
    assert key["Properties"]["EnableKeyRotation"] is True
    assert (key["DeletionPolicy"], key["Properties"]["PendingWindowInDays"]) == ("Delete", 30)
    arn = key_of(encrypted)
    [bucket] = resources_of(encrypted, "AWS::S3::Bucket").values()
    [rule] = bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["BucketKeyEnabled"] is True
    assert texts(rule["ServerSideEncryptionByDefault"]) == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
    log_groups = resources_of(encrypted, "AWS::Logs::LogGroup").values()
    assert len(log_groups) == 13
    assert {as_text(each["Properties"]["KmsKeyId"]) for each in log_groups} == {arn}
    machines = resources_of(encrypted, "AWS::StepFunctions::StateMachine").values()
    assert len(machines) == 4
    for machine in machines:
        configuration = machine["Properties"]["EncryptionConfiguration"]
        assert configuration["Type"] == "CUSTOMER_MANAGED_KMS_KEY"
        assert as_text(configuration["KmsKeyId"]) == arn


def test_kept_results_keep_their_key(synthesize: Callable[..., Template]) -> None:
    [key] = resources_of(synthesize(packages_layer=False, kms=True, retain_results=True), "AWS::KMS::Key").values()
    assert key["DeletionPolicy"] == "Retain"


def test_policy_of_the_key_lets_the_services_of_logs_use_it(encrypted: Template) -> None:
    [key] = resources_of(encrypted, "AWS::KMS::Key").values()
    _account, logs, delivery = key["Properties"]["KeyPolicy"]["Statement"]
    assert as_text(logs["Principal"]["Service"]) == "logs.<AWS::Region>.<AWS::URLSuffix>"
    log_groups = "arn:<AWS::Partition>:logs:<AWS::Region>:<AWS::AccountId>:log-group:*"
    assert texts(logs["Condition"]) == {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}}
    assert {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"} < set(logs["Action"])
    assert delivery["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
    assert delivery["Action"] == "kms:Decrypt"
    assert texts(delivery["Condition"]) == {"StringLike": {"kms:EncryptionContext:SourceArn": LOGS}}


@pytest.mark.parametrize(
    ("role", "actions"),
    [
        ("FunctionsStartRole", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("FunctionsComputeRole", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("FunctionsSumRole", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("BatchJobsJobRole", {"kms:Decrypt", "kms:GenerateDataKey"}),
        ("OrchestratorCompareRole", {"kms:Decrypt"}),
        ("MapReduceStateMachineRole", {"kms:Decrypt", "kms:GenerateDataKey"}),
    ],
)
def test_who_reads_and_writes_objects_may_use_the_key_for_them(
    role: str, actions: set[str], encrypted: Template
) -> None:
    found = [given for name, given, condition in key_statements(encrypted) if role in name and condition == S3_ONLY]
    assert found == [actions]


def test_machines_and_who_answers_their_tasks_may_use_the_key_for_executions(encrypted: Template) -> None:
    context = "kms:EncryptionContext:aws:states:stateMachineArn"
    machines = {f"<{name}>" for name in resources_of(encrypted, "AWS::StepFunctions::StateMachine")}
    found = {
        role: actions
        for role, actions, condition in key_statements(encrypted)
        if set(condition.get("StringLike", {}).get(context, ())) == machines | {f"{each}/*" for each in machines}
    }
    assert set(map(frozenset, found.values())) == {frozenset({"kms:Decrypt", "kms:GenerateDataKey"})}
    assert {role[: role.index("Role")] for role in found} == {
        "MapReduceStateMachine",
        "OrchestratorCallbackNotifyStateMachine",
        "OrchestratorSyncNestedStateMachine",
        "OrchestratorComplexOrchestratorStateMachine",
        "OrchestratorNotify",
        "BatchJobsJob",
        "JobEventsFunction",
    }


def test_machines_may_use_the_key_for_their_logs(encrypted: Template) -> None:
    of_logs = {"StringLike": {"kms:EncryptionContext:SourceArn": LOGS}}
    found = [(role, actions) for role, actions, condition in key_statements(encrypted) if condition == of_logs]
    assert len({role for role, _ in found}) == 4
    assert all(actions == {"kms:GenerateDataKey"} for _, actions in found)
