"""Buckets in a template."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sfn_local.assembly.resource_types import Reading, ResourceType, name

BUCKET = "AWS::S3::Bucket"
BUCKET_POLICY = "AWS::S3::BucketPolicy"

_MAX_NAME_CHARACTERS = 63


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of the stack."""

    name: str


def _bucket_name(stack_name: str, logical_id: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", f"{stack_name}-{logical_id}".lower())[:_MAX_NAME_CHARACTERS].strip("-")


def _read(reading: Reading, logical_id: str, _properties: Mapping[str, Any]) -> Bucket:
    return Bucket(reading.resolver.physical_name(logical_id))


TYPES = {
    BUCKET: ResourceType(
        values={"Ref": name, "Arn": lambda _, bucket: f"arn:aws:s3:::{bucket}"},
        name_property="BucketName",
        default_name=_bucket_name,
        read=_read,
    ),
    # `sfn_local.assembly.iam_resources` reads it.
    BUCKET_POLICY: ResourceType(),
    # It empties the bucket when the stack is deleted.
    "Custom::S3AutoDeleteObjects": ResourceType(),
}
