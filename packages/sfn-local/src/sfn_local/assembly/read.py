"""Reads a cloud assembly (``cdk.out``): the resources that this machine makes of it.

**Differs from AWS:** log groups and tracing have no effect here; resources of types that `sfn_local.assembly.resources`
does not have are not made: they are counted by type, and are an error where something that runs refers to them.  A
resource whose metadata has ``"sfn-local:not-made": true`` is not made either, and counted.
"""

import contextlib
import json
from collections import ChainMap, Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sfn_local.arns import Account
from sfn_local.assembly.cloudformation import Resolver
from sfn_local.assembly.iam_resources import read_policies
from sfn_local.assembly.resource_types import NotMadeError, Reading, TemplateError
from sfn_local.assembly.resources import RESOURCE_TYPES
from sfn_local.assets import Assets, read_assets
from sfn_local.iam.access import Policies

Made = TypeVar("Made")


class AssemblyError(Exception):
    """The folder is not a cloud assembly that can run here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The stacks of an assembly, as this machine makes them.

    Attributes
    ----------
    resources : tuple
        What the readers in `sfn_local.assembly.resources` return, such as state machines and job queues.
    outputs : mapping
        Outputs that have a value here; named ``Stack.Output`` if the assembly has several stacks.
    not_made : tuple of (str, str)
        Logical ids and types of the resources that are not made here.
    """

    name: str
    resources: tuple[object, ...]
    policies: Policies
    outputs: Mapping[str, str]
    not_made: tuple[tuple[str, str], ...]

    def not_made_by_type(self) -> dict[str, int]:
        """Return how many resources of each type are not made here, most first."""
        return dict(Counter(kind for _, kind in self.not_made).most_common())

    def all(self, kind: type[Made]) -> tuple[Made, ...]:
        """Return the resources of one kind, in the order of the template."""
        return tuple(resource for resource in self.resources if isinstance(resource, kind))


# Metadata of a resource that its app does not want on this machine, because it is of no use without others.
LEFT_OUT = "sfn-local:not-made"


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
        resources=tuple(resource for stack in stacks for resource in stack.resources),
        policies=Policies(
            roles=dict(ChainMap(*(dict(each.roles) for each in policies))),
            of_resources=dict(ChainMap(*(dict(each.of_resources) for each in policies))),
            bucket_keys=dict(ChainMap(*(dict(each.bucket_keys) for each in policies))),
        ),
        outputs={f"{stack.name}.{name}": value for stack in stacks for name, value in stack.outputs.items()},
        not_made=tuple(each for stack in stacks for each in stack.not_made),
    )


def _read_stack(template: Mapping[str, Any], stack_name: str, assets: Assets, account: Account) -> Stack:
    template = {"Resources": {}, **template}
    resolver = Resolver(template, stack_name, account)
    # A right on something that is not made here harms nothing.
    rights = Resolver(template, stack_name, account, has_stand_ins=True)
    reading = Reading(template["Resources"], resolver, assets, account)
    made, not_made = [], []
    for logical_id, resource in template["Resources"].items():
        try:
            made.append(_read(reading, logical_id, resource))
        except NotMadeError:
            not_made.append((logical_id, resource["Type"]))
    return Stack(
        name=stack_name,
        resources=tuple(resource for resource in made if resource is not None),
        policies=read_policies(template, rights, account),
        outputs=dict(_outputs(template, resolver)),
        not_made=tuple(not_made),
    )


def _read(reading: Reading, logical_id: str, resource: Mapping[str, Any]) -> object | None:
    resource_type = RESOURCE_TYPES.get(resource["Type"])
    if resource_type is None or resource.get("Metadata", {}).get(LEFT_OUT) is True:
        raise NotMadeError
    return resource_type.read(reading, logical_id, resource.get("Properties", {})) if resource_type.read else None


def _outputs(template: Mapping[str, Any], resolver: Resolver) -> Iterator[tuple[str, str]]:
    """Yield the outputs but those of resources that are not made here."""
    for name, output in template.get("Outputs", {}).items():
        with contextlib.suppress(TemplateError):
            yield name, resolver.value(output["Value"])
