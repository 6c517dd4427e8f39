"""Acknowledges findings of cdk-nag, each with its reason."""

import json
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledge findings on a construct and all below it: rule id -> why it stays."""
    for rule_id, reason in reasons.items():
        cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=rule_id, reason=reason))


def acknowledge_wildcards(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Acknowledge resources with a wildcard in the policies of a construct: ARN -> why it can't be narrower.

    Any other wildcard, one that somebody adds later for example, is a finding still.
    """
    stack = cdk.Stack.of(construct)
    acknowledge(
        construct,
        {f"AwsSolutions-IAM5[Resource::{flatten(stack.resolve(arn))}]": reason for arn, reason in reasons.items()},
    )


def flatten(value: Any) -> str:
    """Write a resolved CloudFormation value as cdk-nag does in the ids of its findings."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(flatten, parts))
        case {"Fn::GetAtt": [resource, attribute]}:
            return f"<{resource}.{attribute}>"
        case {"Ref": name}:
            return f"<{name}>"
        case _:
            return json.dumps(value, separators=(",", ":"))
