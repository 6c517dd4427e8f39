"""Types of resources that the runner makes: a `ResourceType` for each, in ``resources/<service>.py``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sfn_local.arns import Account
from sfn_local.assets import Assets

if TYPE_CHECKING:
    from sfn_local.assembly.cloudformation import Resolver


class TemplateError(Exception):
    """The template uses something that has no counterpart on this machine."""


class NotMadeError(Exception):
    """The runner knows the type of this resource, and does not make this one."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One stack's template while it is read.

    Attributes
    ----------
    resources : mapping
        The template's ``Resources``.
    resolver : Resolver
        Resolves intrinsic functions.
    """

    resources: Mapping[str, Any]
    resolver: Resolver
    assets: Assets
    account: Account


# From the account and the physical name of a resource.
Value = Callable[[Account, str], str]
# From a resource's logical id and its properties as they stand in the template.  None makes nothing, and says nothing.
Read = Callable[[Reading, str, Mapping[str, Any]], object | None]


def stack_name_of(stack_name: str, logical_id: str) -> str:
    return f"{stack_name}-{logical_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceType:
    """A type of resource in a CloudFormation template.

    Attributes
    ----------
    values : mapping
        What ``Ref`` and the attributes of ``Fn::GetAtt`` give.  An attribute that is missing here is an error where
        something that runs refers to it.
    name_property : str
        The property by which a template may give the physical name.
    default_name : callable
        The physical name of a resource without a name of its own, from the name of its stack and its logical id.
    read : callable or None
        Returns what `sfn_local.engine` makes of the resource.  None for a type that changes nothing on this machine.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    name_property: str = ""
    default_name: Callable[[str, str], str] = stack_name_of
    read: Read | None = None


def name(_account: Account, physical_name: str) -> str:
    """Give the physical name as the value."""
    return physical_name


def arn(service: str, prefix: str) -> Value:
    """Give an ARN whose last part is ``prefix`` and the physical name."""
    return lambda account, physical_name: account.arn(service, prefix + physical_name)


def check_properties(logical_id: str, properties: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse a property that the runner would drop; raises :class:`TemplateError`."""
    unknown = sorted(set(properties) - known)
    if unknown:
        raise TemplateError(
            f"{logical_id}: property {', '.join(unknown)} has no meaning here; known are {', '.join(sorted(known))}"
        )
