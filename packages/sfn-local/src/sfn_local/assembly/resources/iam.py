"""Roles, policies and KMS keys in a template: `sfn_local.assembly.iam_resources` reads what they allow."""

from sfn_local.assembly.resource_types import ResourceType, arn, name

ROLE = "AWS::IAM::Role"
POLICY = "AWS::IAM::Policy"
KEY = "AWS::KMS::Key"

TYPES = {
    ROLE: ResourceType(
        values={"Ref": name, "Arn": lambda account, role: f"arn:aws:iam::{account.account_id}:role/{role}"},
        name_property="RoleName",
    ),
    POLICY: ResourceType(),
    KEY: ResourceType(values={"Ref": name, "KeyId": name, "Arn": arn("kms", "key/")}),
}
