"""Log groups in a template.  Logs are files here; what counts is the KMS key that would encrypt them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sfn_local.assembly.resource_types import Reading, ResourceType, name


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group with a KMS key."""

    arn: str
    key_arn: str


def _read(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> LogGroup | None:
    if "KmsKeyId" not in properties:
        return None
    arn = str(reading.resolver.value({"Fn::GetAtt": [logical_id, "Arn"]}))
    return LogGroup(arn, str(reading.resolver.value(properties["KmsKeyId"])))


TYPES = {
    "AWS::Logs::LogGroup": ResourceType(
        values={"Ref": name, "Arn": lambda account, group: account.arn("logs", f"log-group:{group}:*")},
        name_property="LogGroupName",
        read=_read,
    )
}
