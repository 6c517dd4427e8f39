"""Policy documents of IAM, parsed: who may or may not do what, on what, when.

Source: IAM user guide, "IAM JSON policy element reference".

**Differs from AWS:** policy variables and NotPrincipal are refused by name when the assembly is loaded.  IAM's own
documentation leaves open whom NotPrincipal excepts when the caller is a session of a role.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sfn_local.iam.conditions import KEYS, OPERATORS, Condition, Context, is_known_key, matches_action, matches_resource

_ELEMENTS = frozenset(["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"])
_OF_DOCUMENT = frozenset(["Version", "Id", "Statement"])
_VERSIONS = ("2012-10-17", "2008-10-17")
_KINDS_OF_PRINCIPAL = ("AWS", "Service")
_VARIABLE = "${"
# Source: what IAM answers to documents of another form: "Actions/Conditions must be prefaced by a vendor", "Resource
# must be in ARN format".
_ACTION, _RESOURCE = re.compile(r"\*|[\w-]+:.+", re.DOTALL), re.compile(r"\*|arn:.+", re.DOTALL)
_FORMS = {"Action": _ACTION, "NotAction": _ACTION, "Resource": _RESOURCE, "NotResource": _RESOURCE}
_SHAPES = {"Action": "service:action or *", "Resource": "an ARN or *"}


class PolicyError(ValueError):
    """A policy document that can't be evaluated here; names the place."""


@dataclass(frozen=True, slots=True)
class Principal:
    """One element of Principal: ``kind`` is AWS or Service."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement of a policy.

    Attributes
    ----------
    name : str
        The policy and the statement's number in it, from 1: how people find it.
    actions, resources, principals
        Patterns; the ``except_`` fields hold those of NotAction and NotResource.  None where the statement has no such
        element.
    """

    name: str
    is_deny: bool
    actions: tuple[str, ...] | None
    except_actions: tuple[str, ...] | None
    resources: tuple[str, ...] | None
    except_resources: tuple[str, ...] | None
    principals: tuple[Principal, ...] | None
    conditions: tuple[Condition, ...]

    def covers(self, action: str, resource: str, context: Context) -> bool:
        """Whether the statement is about a request, whoever sends it."""
        return (
            (self.actions is None or any(matches_action(each, action) for each in self.actions))
            and not any(matches_action(each, action) for each in self.except_actions or ())
            and (self.resources is None or any(matches_resource(each, resource) for each in self.resources))
            and not any(matches_resource(each, resource) for each in self.except_resources or ())
            and all(condition.holds(context) for condition in self.conditions)
        )


def parse(document: Any, name: str) -> tuple[Statement, ...]:
    """Read a policy document.

    Parameters
    ----------
    name : str
        What the policy is called in messages.

    Raises
    ------
    PolicyError
        If it holds something that is not evaluated here.
    """
    if not isinstance(document, Mapping) or "Statement" not in document:
        raise PolicyError(f"{name}: must be an object with Statement, got {document!r}")
    unknown = sorted(set(document) - _OF_DOCUMENT)
    if unknown:
        raise PolicyError(f"{name}: {', '.join(unknown)} is no element of a policy; they are {_names(_OF_DOCUMENT)}")
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise PolicyError(f"{name}: Version must be {' or '.join(_VERSIONS)}, got {document['Version']!r}")
    statements = _listed(document["Statement"])
    _check_sids(statements, name)
    return tuple(_statement(each, f"{name}, statement {number}") for number, each in enumerate(statements, 1))


def _check_sids(statements: list[Any], name: str) -> None:
    """Refuse what a deployment would: "Statement IDs (SID) in a single policy must be unique"."""
    sids = [each["Sid"] for each in statements if isinstance(each, Mapping) and "Sid" in each]
    for sid in sids:
        if not isinstance(sid, str):
            raise PolicyError(f"{name}: Sid must be text, got {sid!r}")
        if sids.count(sid) > 1:
            raise PolicyError(f"{name}: Sid {sid} names {sids.count(sid)} statements, each needs its own")


def _statement(given: Any, name: str) -> Statement:
    if not isinstance(given, Mapping):
        raise PolicyError(f"{name}: must be an object, got {given!r}")
    unknown = sorted(set(given) - _ELEMENTS)
    if unknown:
        raise PolicyError(f"{name}: {', '.join(unknown)} is not evaluated here; known are {_names(_ELEMENTS)}")
    if given.get("Effect") not in ("Allow", "Deny"):
        raise PolicyError(f"{name}: Effect must be Allow or Deny, got {given.get('Effect')}")
    for element in ("Action", "Resource"):
        if element in given and f"Not{element}" in given:
            raise PolicyError(f"{name}: has both {element} and Not{element}, one is allowed")
    if "Action" not in given and "NotAction" not in given:
        raise PolicyError(f"{name}: has neither Action nor NotAction")
    for element, form in _FORMS.items():
        _check_form(given, element, form, name)
    return Statement(
        name=name,
        is_deny=given["Effect"] == "Deny",
        actions=_texts(given, "Action", name),
        except_actions=_texts(given, "NotAction", name),
        resources=_texts(given, "Resource", name),
        except_resources=_texts(given, "NotResource", name),
        principals=_principals(given, name),
        conditions=tuple(_conditions(given.get("Condition", {}), name)),
    )


def _names(elements: Iterable[str]) -> str:
    return ", ".join(sorted(elements))


def _check_form(given: Mapping[str, Any], element: str, form: re.Pattern[str], name: str) -> None:
    """Refuse what IAM calls a malformed policy document: an empty list, and texts of another form."""
    values = _texts(given, element, name)
    if values == ():
        raise PolicyError(f"{name}: {element} must have one value at least, got none")
    for value in values or ():
        if form.fullmatch(value) is None:
            raise PolicyError(f"{name}: {element} must be {_SHAPES[element.removeprefix('Not')]}, got {value}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(given: Mapping[str, Any], element: str, name: str) -> tuple[str, ...] | None:
    if element not in given:
        return None
    for value in _listed(given[element]):
        if not isinstance(value, str):
            raise PolicyError(f"{name}: {element} must be text, got {value!r}")
        _refuse_variables(value, name)
    return tuple(_listed(given[element]))


def _principals(given: Mapping[str, Any], name: str) -> tuple[Principal, ...] | None:
    if "Principal" not in given:
        return None
    named = {"AWS": "*"} if given["Principal"] == "*" else given["Principal"]
    if not isinstance(named, Mapping):
        raise PolicyError(f"{name}: Principal must be an object or *, got {named!r}")
    for kind in named:
        if kind not in _KINDS_OF_PRINCIPAL:
            raise PolicyError(
                f"{name}: Principal {kind} is not evaluated here; allowed are {', '.join(_KINDS_OF_PRINCIPAL)}"
            )
    return tuple(_principal(kind, value, name) for kind, values in named.items() for value in _listed(values))


def _principal(kind: str, value: Any, name: str) -> Principal:
    if not isinstance(value, str):
        raise PolicyError(f"{name}: Principal must be text, got {value!r}")
    _refuse_variables(value, name)
    if "*" in value and (kind, value) != ("AWS", "*"):
        raise PolicyError(f"{name}: Principal has no wildcards, only * for everybody, got {value}")
    return Principal(kind, value)


def _conditions(given: Any, name: str) -> Iterator[Condition]:
    if not isinstance(given, Mapping) or not all(isinstance(keys, Mapping) for keys in given.values()):
        raise PolicyError(f"{name}: Condition must be operators, each with an object of keys, got {given!r}")
    for operator, keys in given.items():
        if operator not in OPERATORS:
            raise PolicyError(
                f"{name}: condition operator {operator} is not evaluated here; known are {', '.join(OPERATORS)}"
            )
        for key, values in keys.items():
            if not is_known_key(key):
                raise PolicyError(
                    f"{name}: condition key {key} has no value on this machine; known are {', '.join(KEYS)}"
                )
            if not all(isinstance(value, str | bool | int | float) for value in _listed(values)):
                raise PolicyError(f"{name}: condition {key} must be texts, numbers or true and false, got {values!r}")
            texts = tuple(str(value).lower() if isinstance(value, bool) else str(value) for value in _listed(values))
            for text in texts:
                _refuse_variables(text, name)
            yield Condition(operator, key, texts)


def _refuse_variables(text: str, name: str) -> None:
    if _VARIABLE in text:
        raise PolicyError(f"{name}: policy variables are not evaluated here, got {text}")
