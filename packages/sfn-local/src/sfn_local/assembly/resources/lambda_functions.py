"""Lambda functions in a template.

**Differs from AWS:** functions of other runtimes than Python are not made (the one that empties the bucket when a
stack is deleted, for example); layers are not unpacked, because they are for the functions' processor: handlers import
the packages of this Python environment.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfn_local.assembly.resource_types import Reading, ResourceType, TemplateError, arn, check_properties, name
from sfn_local.lambda_runtime.function import Function

PERMISSION = "AWS::Lambda::Permission"

_PROPERTIES = frozenset(
    [
        "Architectures",
        "Code",
        "Description",
        "Environment",
        "EphemeralStorage",
        "FunctionName",
        "Handler",
        "Layers",
        "LoggingConfig",
        "MemorySize",
        "Role",
        "Runtime",
        "Tags",
        "Timeout",
        "TracingConfig",
    ]
)
# Source: AWS::Lambda::Function in the CloudFormation reference.
_DEFAULT_TIMEOUT_SECONDS = 3
_DEFAULT_MEMORY_MIB = 128


def _read(reading: Reading, logical_id: str, properties: Mapping[str, Any]) -> Function | None:
    """Read a function; None if it is not in Python."""
    if not str(properties.get("Runtime", "")).startswith("python"):
        return None
    check_properties(logical_id, properties, _PROPERTIES)
    resolver = reading.resolver
    function = resolver.physical_name(logical_id)
    return Function(
        name=function,
        arn=reading.account.arn("lambda", f"function:{function}"),
        handler=properties["Handler"],
        code=_code(reading, logical_id, resolver.value(properties["Code"])),
        timeout_seconds=properties.get("Timeout", _DEFAULT_TIMEOUT_SECONDS),
        memory_mib=properties.get("MemorySize", _DEFAULT_MEMORY_MIB),
        environment=resolver.value(properties.get("Environment", {}).get("Variables", {})),
        runtime=properties["Runtime"],
        role_arn=resolver.value(properties.get("Role")),
    )


def _code(reading: Reading, logical_id: str, place: Mapping[str, Any]) -> Path:
    """Return the folder of a function's code."""
    key = place.get("S3Key")
    if key is None:
        raise TemplateError(f"{logical_id}: its code must be an asset of the assembly, got {', '.join(place)}")
    code = reading.assets.files.get(key)
    if code is None or not code.is_dir():
        raise TemplateError(f"{logical_id}: its code, {code or key}, is not a folder of the assembly")
    return code


TYPES = {
    "AWS::Lambda::Function": ResourceType(
        values={"Ref": name, "Arn": arn("lambda", "function:")}, name_property="FunctionName", read=_read
    ),
    # Workers import the packages of this Python environment.
    "AWS::Lambda::LayerVersion": ResourceType(),
    # `sfn_local.assembly.iam_resources` reads it.
    PERMISSION: ResourceType(),
}
