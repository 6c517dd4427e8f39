"""What a cloud assembly (``cdk.out``) deploys, read for this machine: buckets, functions, machines, jobs, outputs.

**Differs from AWS:** log groups and tracing have no effect here; functions of other runtimes than
Python are not made (the one that empties the bucket when a stack is deleted, for example), nor are resources of other
services, which are named; they are an error where something that runs refers to them; layers are not unpacked,
because they are for the functions' processor: handlers import the packages of this Python environment.
"""

import contextlib
import json
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

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

Part = TypeVar("Part")


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
    """What the stacks of the assembly mean on this machine.

    Attributes
    ----------
    outputs : mapping
        Those that have a value here; ``Stack.Output`` where the assembly has several stacks.
    not_made : tuple of str
        Resources that are not made here, like ``Alarm (AWS::CloudWatch::Alarm)``.
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
    not_made: tuple[str, ...]


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
    """Read the stacks of an assembly as one.

    Raises
    ------
    AssemblyError
        If the folder is no assembly, holds no stack, or something that runs here has no counterpart; names it.
    """
    try:
        manifest = json.loads((assembly / "manifest.json").read_text())
    except (OSError, ValueError) as error:
        raise AssemblyError(f"{assembly} is not a cloud assembly: {error}") from error
    try:
        assets = read_assets(assembly)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise AssemblyError(f"{assembly} has an asset manifest that can't be read: {error!r}") from error
    read = []
    for name, artifact in manifest["artifacts"].items():
        if artifact["type"] == "aws:cloudformation:stack":
            file = assembly / artifact["properties"]["templateFile"]
            try:
                stack_name = artifact["properties"].get("stackName", name)
                read.append(_read_stack(json.loads(file.read_text()), stack_name, assets, account))
            except TemplateError as error:
                raise AssemblyError(f"{file}: {error}") from error
    if not read:
        raise AssemblyError(f"{assembly} must hold a stack, it holds none")
    return read[0] if len(read) == 1 else _merged(read)


def _merged(stacks: Sequence[Stack]) -> Stack:
    policies = [stack.policies for stack in stacks]
    return Stack(
        name=", ".join(stack.name for stack in stacks),
        buckets=_all(stack.buckets for stack in stacks),
        functions=_all(stack.functions for stack in stacks),
        state_machines=_all(stack.state_machines for stack in stacks),
        job_queues=_all(stack.job_queues for stack in stacks),
        job_definitions=_all(stack.job_definitions for stack in stacks),
        rules=_all(stack.rules for stack in stacks),
        policies=Policies(
            roles=dict(ChainMap(*(dict(each.roles) for each in policies))),
            of_resources=dict(ChainMap(*(dict(each.of_resources) for each in policies))),
            bucket_keys=dict(ChainMap(*(dict(each.bucket_keys) for each in policies))),
        ),
        log_keys=dict(ChainMap(*(dict(stack.log_keys) for stack in stacks))),
        outputs={f"{stack.name}.{name}": value for stack in stacks for name, value in stack.outputs.items()},
        not_made=_all(stack.not_made for stack in stacks),
    )


def _all(parts: Iterable[tuple[Part, ...]]) -> tuple[Part, ...]:
    return tuple(chain.from_iterable(parts))


def _read_stack(template: Mapping[str, Any], stack_name: str, assets: Assets, account: Account) -> Stack:
    template = {"Resources": {}, **template}
    resolver = Resolver(template, stack_name, account)
    # A right on something that is not made here harms nothing.
    rights = Resolver(template, stack_name, account, has_stand_ins=True)
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
    not_made = []
    for logical_id, resource in template["Resources"].items():
        resource_type = resource["Type"]
        properties = resource.get("Properties", {})
        if resource_type == RULE and not jobs.calls_functions(properties):
            not_made.append(f"{logical_id} ({resource_type})")
        elif resource_type in read:
            made = read[resource_type](logical_id, properties)
            if made is not None:
                found[resource_type].append(made)
        elif resource_type not in _OF_RIGHTS and resource_type not in _WITHOUT_EFFECT:
            not_made.append(f"{logical_id} ({resource_type})")
    return Stack(
        name=stack_name,
        buckets=tuple(found[BUCKET]),
        functions=tuple(found[_FUNCTION]),
        state_machines=tuple(found[_MACHINE]),
        job_queues=tuple(found[JOB_QUEUE]),
        job_definitions=tuple(found[JOB_DEFINITION]),
        rules=tuple(found[RULE]),
        policies=read_policies(template, rights, account),
        log_keys=_log_keys(template, resolver),
        outputs=dict(_outputs(template, resolver)),
        not_made=tuple(not_made),
    )


def _outputs(template: Mapping[str, Any], resolver: Resolver) -> Iterator[tuple[str, str]]:
    """Yield the outputs but those of resources that are not made here."""
    for name, output in template.get("Outputs", {}).items():
        with contextlib.suppress(TemplateError):
            yield name, resolver.value(output["Value"])


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
