"""Roles, policies and KMS keys in a template: `sfn_local.assembly.iam_resources` reads what they allow."""

from sfn_local.arns import Account
from sfn_local.assembly.resource_types import ResourceType, arn, name

ROLE = "AWS::IAM::Role"
POLICY = "AWS::IAM::Policy"
ROLE_POLICY = "AWS::IAM::RolePolicy"
MANAGED_POLICY = "AWS::IAM::ManagedPolicy"
KEY = "AWS::KMS::Key"


def _policy_arn(account: Account, name: str) -> str:
    return f"arn:aws:iam::{account.account_id}:policy/{name}"


TYPES = {
    ROLE: ResourceType(
        values={"Ref": name, "Arn": lambda account, role: f"arn:aws:iam::{account.account_id}:role/{role}"},
        name_property="RoleName",
    ),
    POLICY: ResourceType(),
    ROLE_POLICY: ResourceType(),
    MANAGED_POLICY: ResourceType(
        values=dict.fromkeys(("Ref", "PolicyArn"), _policy_arn), name_property="ManagedPolicyName"
    ),
    KEY: ResourceType(values={"Ref": name, "KeyId": name, "Arn": arn("kms", "key/")}),
}
