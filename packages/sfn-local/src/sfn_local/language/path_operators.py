"""Operators of JSONPath filters: how the library that the service uses compares two values.

Differs from AWS: what the operators of words (``in``, ``subsetof`` ...) do there is not documented.
"""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _decimal(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _equal(left: Any, right: Any) -> bool:
    """Compare as the library does: a number equals its text, and a text the number that it writes."""
    if _is_number(left):
        return (_is_number(right) or isinstance(right, str)) and _decimal(left) == _decimal(right)
    if isinstance(left, str):
        return left == (str(right) if _is_number(right) else right)
    if isinstance(left, dict | list) and isinstance(right, dict | list):
        return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    return (left is None or isinstance(left, bool)) and left is right


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "json"
    return "number" if _is_number(value) else type(value).__name__


def _same(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and _equal(left, right)


def _ordered(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if _is_number(left) and _is_number(right):
            return holds(Decimal(str(left)), Decimal(str(right)))
        if isinstance(left, str) and isinstance(right, str):
            return holds(*(side.encode("utf-16-be", "surrogatepass") for side in (left, right)))
        return False

    return compare


def _matches(left: Any, right: Any) -> bool:
    pattern, value = (left, right) if isinstance(left, re.Pattern) else (right, left)
    if not isinstance(pattern, re.Pattern) or isinstance(value, re.Pattern):
        return False
    return any(pattern.fullmatch(_shown(item)) for item in (value if isinstance(value, list) else [value]))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str) or _is_number(value) else ""


def _is_in(value: Any, values: Any) -> bool:
    return isinstance(values, list) and any(_equal(item, value) for item in values)


def _contains(left: Any, right: Any) -> bool:
    return right in left if isinstance(left, str) and isinstance(right, str) else _is_in(right, left)


def _has_size(left: Any, right: Any) -> bool:
    return isinstance(left, str | list) and _is_number(right) and len(left) == int(right)


def _is_empty(left: Any, right: Any) -> bool:
    return isinstance(left, str | list | dict) and isinstance(right, bool) and (not left) is right


def _of_lists(holds: Callable[[Sequence[Any], Sequence[Any]], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: isinstance(left, list) and isinstance(right, list) and holds(left, right)


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "===": _same,
    "!==": lambda left, right: not _same(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "=~": _matches,
    "IN": _is_in,
    "NIN": lambda left, right: not _is_in(left, right),
    "CONTAINS": _contains,
    "SIZE": _has_size,
    "EMPTY": _is_empty,
    "ALL": _of_lists(lambda left, right: all(_is_in(item, left) for item in right)),
    "SUBSETOF": _of_lists(lambda left, right: all(_is_in(item, right) for item in left)),
    "ANYOF": _of_lists(lambda left, right: any(_is_in(item, right) for item in left)),
    "NONEOF": _of_lists(lambda left, right: not any(_is_in(item, right) for item in left)),
}
