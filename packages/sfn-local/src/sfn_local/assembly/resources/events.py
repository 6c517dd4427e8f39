"""EventBridge rules in a template.

**Differs from AWS:** a rule calls functions only; a rule that has other targets besides them is refused.
"""

from collections.abc import Mapping
from typing import Any

from sfn_local.assembly.resource_types import (
    NotMadeError,
    Reading,
    ResourceType,
    TemplateError,
    arn,
    check_properties,
    name,
)
from sfn_local.eventbridge.rules import Rule

_PROPERTIES = frozenset(["Description", "EventPattern", "Name", "State", "Tags", "Targets"])
_TARGET_PROPERTIES = frozenset(["Arn", "Id", "RetryPolicy"])


def _read(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> Rule | None:
    """Read a rule; None if it is disabled."""
    if "EventPattern" not in properties or not any(
        _is_function(reading, each["Arn"]) for each in properties.get("Targets", ())
    ):
        raise NotMadeError
    check_properties(logical_id, properties, _PROPERTIES)
    if properties.get("State", "ENABLED") != "ENABLED":
        return None
    resolver = reading.resolver
    targets = resolver.value(properties["Targets"])
    others = [each for each in targets if ":lambda:" not in each["Arn"]]
    if others:
        raise TemplateError(f"{logical_id}: target {others[0]['Id']} must be a Lambda function, got {others[0]['Arn']}")
    for target in targets:
        check_properties(f"{logical_id}: target {target['Id']}", target, _TARGET_PROPERTIES)
    rule = resolver.physical_name(logical_id)
    try:
        return Rule(
            name=rule,
            arn=reading.account.arn("events", f"rule/{rule}"),
            pattern=resolver.value(properties["EventPattern"]),
            targets=tuple(target["Arn"] for target in targets),
        )
    except ValueError as error:
        raise TemplateError(f"{logical_id}: {error}") from error


def _is_function(reading: Reading, target: Any) -> bool:
    try:
        return ":lambda:" in reading.resolver.value(target)
    except TemplateError:
        return False


TYPES = {
    "AWS::Events::Rule": ResourceType(
        values={"Ref": name, "Arn": arn("events", "rule/")}, name_property="Name", read=_read
    )
}
