"""The comparison operators of Choice rules, on values.

Types are strict: a comparison with a value of another type is false, not an error (recorded).

Differs from AWS: not known to.
"""

import operator
import re
from collections.abc import Callable

from sfn_local.language import Json
from sfn_local.language.text_cache import cached_by_text
from sfn_local.language.timestamps import parse_timestamp

Comparison = Callable[[Json, Json], bool]


def is_number(value: Json) -> bool:
    """Whether a JSON value is a number (Python counts booleans as integers, JSON doesn't)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_timestamp(value: Json) -> bool:
    """Whether a JSON value is a text that holds a timestamp."""
    return isinstance(value, str) and parse_timestamp(value) is not None


def _of_strings(compare: Comparison) -> Comparison:
    def strings(left: Json, right: Json) -> bool:
        # by UTF-16 code unit, as Java compares
        return isinstance(left, str) and isinstance(right, str) and compare(_utf16(left), _utf16(right))

    return strings


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")


def _of_numbers(compare: Comparison) -> Comparison:
    def numbers(left: Json, right: Json) -> bool:
        return is_number(left) and is_number(right) and compare(left, right)

    return numbers


def _of_timestamps(compare: Comparison) -> Comparison:
    def timestamps(left: Json, right: Json) -> bool:
        if not (isinstance(left, str) and isinstance(right, str)):
            return False
        first, second = parse_timestamp(left), parse_timestamp(right)
        return first is not None and second is not None and compare(first, second)

    return timestamps


def _booleans_equal(left: Json, right: Json) -> bool:
    return isinstance(left, bool) and left is right


def string_matches(value: Json, pattern: Json) -> bool:
    r"""Whether a text matches a pattern: ``*`` stands for any text, ``\*`` for a star, ``\\`` for a backslash.

    Each part between two stars is taken at its leftmost place, so that no choice is ever tried again.
    """
    if not (isinstance(value, str) and isinstance(pattern, str)):
        return False
    first, *others = _parts(pattern)
    if not others:
        return value == first
    *middle, last = others
    if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
        return False
    position, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


@cached_by_text(256)
def _parts(pattern: str) -> tuple[str, ...]:
    """The literal texts between the stars of a pattern."""
    parts: list[list[str]] = [[]]
    for piece in _PATTERN_PIECE.findall(pattern):
        if piece == "*":
            parts.append([])
        else:
            parts[-1].append(piece[1:] if piece in _ESCAPES else piece)
    return tuple(map("".join, parts))


_PATTERN_PIECE = re.compile(r"\\[\\*]|[^\\*]+|.", re.DOTALL)
_ESCAPES = (r"\\", r"\*")

_ORDERS: dict[str, Comparison] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}

# operator: comparison of (the variable's value, the rule's or the path's value)
COMPARISONS: dict[str, Comparison] = {
    "BooleanEquals": _booleans_equal,
    **{f"Numeric{order}": _of_numbers(compare) for order, compare in _ORDERS.items()},
    **{f"String{order}": _of_strings(compare) for order, compare in _ORDERS.items()},
    **{f"Timestamp{order}": _of_timestamps(compare) for order, compare in _ORDERS.items()},
}

# operator: test of the variable's value, which has to equal the rule's boolean
TYPE_TESTS: dict[str, Callable[[Json], bool]] = {
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsNull": lambda value: value is None,
    "IsNumeric": is_number,
    "IsString": lambda value: isinstance(value, str),
    "IsTimestamp": is_timestamp,
}
