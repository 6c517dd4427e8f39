"""What a cloud assembly (``cdk.out``) deploys, read for this machine: buckets, functions, machines, jobs, outputs.

**Differs from AWS:** log groups and tracing have no effect here; functions of other runtimes than
Python are not made (the one that empties the bucket when a stack is deleted, for example); layers are not unpacked,
because they are for the functions' processor: handlers import the packages of this Python environment.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfn_local.arns import Account, state_machine_arn
from sfn_local.assembly.cloudformation import Resolver, TemplateError, check_properties
from sfn_local.assembly.iam_resources import BUCKET, BUCKET_POLICY, KEY, PERMISSION, POLICY, ROLE, read_policies
from sfn_local.assembly.job_resources import JOB_DEFINITION, JOB_QUEUE, RULE, JobResources
from sfn_local.assembly.job_resources import WITHOUT_EFFECT as JOBS_WITHOUT_EFFECT
from sfn_local.assets import Assets, read_assets
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.eventbridge.rules import Rule
from sfn_local.iam.access import Policies
from sfn_local.lambda_runtime.function import Function


class AssemblyError(Exception):
    """The folder is not a cloud assembly that can run here."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What one stack of the assembly means on this machine.

    Attributes
    ----------
    log_keys : mapping
        ARN of the KMS key of each log group that has one, by the ARN of the log group.
    """

    name: str
    buckets: tuple[str, ...]
    functions: tuple[Function, ...]
    state_machines: tuple[StateMachine, ...]
    job_queues: tuple[JobQueue, ...]
    job_definitions: tuple[JobDefinition, ...]
    rules: tuple[Rule, ...]
    policies: Policies
    log_keys: Mapping[str, str]
    outputs: Mapping[str, str]


_FUNCTION = "AWS::Lambda::Function"
_LOG_GROUP = "AWS::Logs::LogGroup"
_MACHINE = "AWS::StepFunctions::StateMachine"
_OF_RIGHTS = frozenset([BUCKET_POLICY, KEY, PERMISSION, POLICY, ROLE])
# Resources that change nothing on this machine, each with the reason.
_WITHOUT_EFFECT = {
    "AWS::Lambda::LayerVersion": "workers import the packages of this Python environment, for this processor",
    _LOG_GROUP: "logs are files here",
    "AWS::CDK::Metadata": "describes the construct library",
    "Custom::S3AutoDeleteObjects": "empties the bucket when the stack is deleted",
    **JOBS_WITHOUT_EFFECT,
}
_FUNCTION_PROPERTIES = frozenset(
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
_MACHINE_PROPERTIES = frozenset(
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
# Source: AWS::Lambda::Function in the CloudFormation reference.
_DEFAULT_TIMEOUT_SECONDS = 3
_DEFAULT_MEMORY_MIB = 128


def load(assembly: Path, account: Account) -> Stack:
    """Read the only stack of an assembly.

    Raises
    ------
    AssemblyError
        If the folder is no assembly, holds several stacks, or a resource has no counterpart here; names it.
    """
    try:
        manifest = json.loads((assembly / "manifest.json").read_text())
    except (OSError, ValueError) as error:
        raise AssemblyError(f"{assembly} is not a cloud assembly: {error}") from error
    try:
        assets = read_assets(assembly)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise AssemblyError(f"{assembly} has an asset manifest that can't be read: {error!r}") from error
    stacks = {
        name: artifact
        for name, artifact in manifest["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    if len(stacks) != 1:
        raise AssemblyError(
            f"{assembly} must hold exactly one stack, it holds {len(stacks)}: {', '.join(stacks) or 'none'}"
        )
    ((name, artifact),) = stacks.items()
    template = json.loads((assembly / artifact["properties"]["templateFile"]).read_text())
    try:
        return _read_stack(template, artifact["properties"].get("stackName", name), assets, account)
    except TemplateError as error:
        raise AssemblyError(f"{assembly / artifact['properties']['templateFile']}: {error}") from error


def _read_stack(template: Mapping[str, Any], stack_name: str, assets: Assets, account: Account) -> Stack:
    resolver = Resolver(template, stack_name, account)
    jobs = JobResources(template, resolver, assets.images, account)
    read: dict[str, Callable[[str, Mapping[str, Any]], Any]] = {
        BUCKET: lambda logical_id, _: resolver.physical_name(logical_id),
        _FUNCTION: lambda logical_id, properties: _function(logical_id, properties, resolver, assets, account),
        _MACHINE: lambda logical_id, properties: _state_machine(logical_id, properties, resolver, account),
        JOB_QUEUE: jobs.queue,
        JOB_DEFINITION: jobs.definition,
        RULE: jobs.rule,
    }
    found: dict[str, list[Any]] = {resource_type: [] for resource_type in read}
    for logical_id, resource in template["Resources"].items():
        resource_type = resource["Type"]
        if resource_type in read:
            made = read[resource_type](logical_id, resource.get("Properties", {}))
            if made is not None:
                found[resource_type].append(made)
        elif resource_type not in _OF_RIGHTS and resource_type not in _WITHOUT_EFFECT:
            raise TemplateError(f"{logical_id}: resources of type {resource_type} can't be run on this machine")
    return Stack(
        name=stack_name,
        buckets=tuple(found[BUCKET]),
        functions=tuple(found[_FUNCTION]),
        state_machines=tuple(found[_MACHINE]),
        job_queues=tuple(found[JOB_QUEUE]),
        job_definitions=tuple(found[JOB_DEFINITION]),
        rules=tuple(found[RULE]),
        policies=read_policies(template, resolver, account),
        log_keys=_log_keys(template, resolver),
        outputs={name: resolver.value(output["Value"]) for name, output in template.get("Outputs", {}).items()},
    )


def _function(
    logical_id: str, properties: Mapping[str, Any], resolver: Resolver, assets: Assets, account: Account
) -> Function | None:
    """Read a function; None if it is not in Python."""
    if not str(properties.get("Runtime", "")).startswith("python"):
        return None
    check_properties(logical_id, properties, _FUNCTION_PROPERTIES)
    name = resolver.physical_name(logical_id)
    code = _code(logical_id, resolver.value(properties["Code"]), assets)
    return Function(
        name=name,
        arn=account.arn("lambda", f"function:{name}"),
        handler=properties["Handler"],
        code=code,
        timeout_seconds=properties.get("Timeout", _DEFAULT_TIMEOUT_SECONDS),
        memory_mib=properties.get("MemorySize", _DEFAULT_MEMORY_MIB),
        environment=resolver.value(properties.get("Environment", {}).get("Variables", {})),
        runtime=properties["Runtime"],
        role_arn=resolver.value(properties.get("Role")),
    )


def _code(logical_id: str, place: Mapping[str, Any], assets: Assets) -> Path:
    """Return the folder of a function's code."""
    key = place.get("S3Key")
    if key is None:
        raise TemplateError(f"{logical_id}: its code must be an asset of the assembly, got {', '.join(place)}")
    code = assets.files.get(key)
    if code is None or not code.is_dir():
        raise TemplateError(f"{logical_id}: its code, {code or key}, is not a folder of the assembly")
    return code


def _state_machine(
    logical_id: str, properties: Mapping[str, Any], resolver: Resolver, account: Account
) -> StateMachine:
    check_properties(logical_id, properties, _MACHINE_PROPERTIES)
    name = resolver.physical_name(logical_id)
    logging = resolver.value(properties.get("LoggingConfiguration", {}))
    return StateMachine(
        arn=state_machine_arn(account, name),
        name=name,
        type=properties.get("StateMachineType", "STANDARD"),
        role_arn=resolver.value(properties["RoleArn"]),
        definition=resolver.value(properties["DefinitionString"]),
        is_logged=logging.get("Level", "OFF") != "OFF",
        key_arn=resolver.value(properties.get("EncryptionConfiguration", {}).get("KmsKeyId")),
        log_group_arns=tuple(each["CloudWatchLogsLogGroup"]["LogGroupArn"] for each in logging.get("Destinations", ())),
    )


def _log_keys(template: Mapping[str, Any], resolver: Resolver) -> dict[str, str]:
    return {
        resolver.value({"Fn::GetAtt": [logical_id, "Arn"]}): resolver.value(resource["Properties"]["KmsKeyId"])
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == _LOG_GROUP and "KmsKeyId" in resource.get("Properties", {})
    }
