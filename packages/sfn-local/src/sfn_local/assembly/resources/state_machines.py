"""State machines in a template."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sfn_local.arns import state_machine_arn
from sfn_local.assembly.resource_types import Reading, ResourceType, check_properties, name

_PROPERTIES = frozenset(
    [
        "DefinitionString",
        "EncryptionConfiguration",
        "LoggingConfiguration",
        "RoleArn",
        "StateMachineName",
        "StateMachineType",
        "Tags",
        "TracingConfiguration",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMachine:
    """A state machine of the assembly; ``definition`` is the ASL text.

    Attributes
    ----------
    key_arn : str or None
        KMS key that encrypts its executions.
    log_group_arns : tuple of str
        Where its log goes.
    """

    arn: str
    name: str
    type: str
    role_arn: str
    definition: str
    is_logged: bool
    key_arn: str | None = None
    log_group_arns: tuple[str, ...] = ()


def _read(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> StateMachine:
    check_properties(logical_id, properties, _PROPERTIES)
    resolver = reading.resolver
    machine = resolver.physical_name(logical_id)
    logging = resolver.value(properties.get("LoggingConfiguration", {}))
    return StateMachine(
        arn=state_machine_arn(reading.account, machine),
        name=machine,
        type=properties.get("StateMachineType", "STANDARD"),
        role_arn=resolver.value(properties["RoleArn"]),
        definition=resolver.value(properties["DefinitionString"]),
        is_logged=logging.get("Level", "OFF") != "OFF",
        key_arn=resolver.value(properties.get("EncryptionConfiguration", {}).get("KmsKeyId")),
        log_group_arns=tuple(each["CloudWatchLogsLogGroup"]["LogGroupArn"] for each in logging.get("Destinations", ())),
    )


TYPES = {
    "AWS::StepFunctions::StateMachine": ResourceType(
        values={"Ref": state_machine_arn, "Arn": state_machine_arn, "Name": name},
        name_property="StateMachineName",
        read=_read,
    )
}
