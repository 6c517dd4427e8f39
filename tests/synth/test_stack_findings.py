"""cdk-nag's AwsSolutions rules: nothing is found but what is acknowledged with a reason."""

import re
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from app import make_app, read_context
from hpc_stack import pythons


def make_checked_app(outdir: Path, **settings: object) -> cdk.App:
    app = make_app(str(outdir), read_context() | {f"hpc:{name}": value for name, value in settings.items()})
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def stack_of(app: cdk.App) -> cdk.Stack:
    stack = app.node.find_child("HpcStack")
    assert isinstance(stack, cdk.Stack)
    return stack


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"source_buckets": ["data-1", "data.2"], "retain_results": True},
        {"child_type": "EXPRESS", "compute_timeout_seconds": 60},
        {"batch": True, "orchestrator": True, "source_buckets": ["data-1"]},
        {"batch": True, "orchestrator": True, "kms": True, "alarms": True, "notify_email": "a@example.org"},
        {"batch": True, "subnet_access": "private"},
        {
            "batch": True,
            "policies": ["arn:aws:iam::aws:policy/AmazonDynamoDBReadOnlyAccess", "arn:aws:iam::123456789012:policy/P"],
        },
        {
            "batch": True,
            "batch_image": "docker.io/team/hpc:1",
            "vpc_id": "vpc-01234567",
            "subnet_ids": "subnet-01234567",
        },
    ],
)
def test_nag_finds_nothing_that_is_not_acknowledged(settings: dict[str, object], tmp_path: Path) -> None:
    app = make_checked_app(tmp_path, **settings)
    assert AwsSolutionsChecks(app).validate_scope(app).violations == []
    app.synth()


@pytest.mark.parametrize("resource", ["*", "arn:aws:s3:::other/*"])
def test_nag_finds_a_wildcard_that_somebody_adds(resource: str, tmp_path: Path) -> None:
    app = make_checked_app(tmp_path)
    role = stack_of(app).node.find_child("Default").node.find_child("Functions").node.find_child("StartRole")
    assert isinstance(role, iam.Role)
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[resource]))
    with pytest.raises(RuntimeError, match=re.escape(f"IAM5[Resource::{resource}]")):
        app.synth()


def test_every_acknowledgement_has_its_own_reason(tmp_path: Path) -> None:
    app = make_checked_app(tmp_path, python=pythons.NEWEST)
    reasons = reasons_of(app)
    assert rules_of(reasons) == {"AwsSolutions-S1", "AwsSolutions-IAM5"}
    assert all(len(reason.split()) > 6 for reason in reasons.values())
    assert len(set(reasons.values())) == len(reasons)


def test_acknowledgements_of_jobs_have_reasons(tmp_path: Path) -> None:
    reasons = reasons_of(make_checked_app(tmp_path, batch=True, orchestrator=True, python=pythons.NEWEST))
    assert rules_of(reasons) == {"AwsSolutions-S1", "AwsSolutions-IAM5", "AwsSolutions-VPC7"}
    assert all(len(reason.split()) > 6 for reason in reasons.values())


def reasons_of(app: cdk.App) -> dict[str, str]:
    """Return why each finding stays, by its id."""
    return {
        rule_id: reason
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == cdk.Validations.ACKNOWLEDGED_RULES_METADATA_KEY
        for rule_id, reason in entry.data.items()
        # aws-cdk-lib acknowledges some of its own.
        if "AwsSolutions" in rule_id
    }


def rules_of(reasons: dict[str, str]) -> set[str]:
    return {re.sub(r"^.*?(AwsSolutions-\w+).*$", r"\1", rule_id) for rule_id in reasons}
