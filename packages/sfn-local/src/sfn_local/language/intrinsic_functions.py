"""The 18 intrinsic functions, on values.

Numbers round half up as Java's ``Math.round`` does; texts inside ``States.Format`` read as Java prints them.

Differs from AWS: not known to.
"""

import base64
import binascii
import hashlib
import json
import math
import re
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.java_random import JavaRandom
from sfn_local.language.json_text import compact, parse

# Source: AWS documentation, "Intrinsic functions for JSONPath states"
MAX_RANGE_ITEMS = 1_000
MAX_TEXT_CHARACTERS = 10_000
# Longer integers are neither read nor written here.
_MAX_DIGITS = sys.int_info.default_max_str_digits
_TOO_LONG = 10**_MAX_DIGITS
HASHES = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}

Implementation = Callable[..., Json]

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FORMAT_PART = re.compile(r"\{\}|\\.", re.DOTALL)
_canonical = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class ArgumentError(ValueError):
    """A function can't take this argument; the text says why."""


class ArgumentTypeError(ArgumentError):
    """The argument is of a type that the function doesn't take."""


class Literal(str):
    """A text that stands in the call itself, with its escapes; States.Format has to see them."""

    __slots__ = ()


def unescape(text: str) -> str:
    """Resolve ``\\'``, ``\\{``, ``\\}`` and ``\\\\``."""

    def resolve(match: re.Match[str]) -> str:
        if match[1] not in "'{}\\":
            raise ArgumentError(f"a backslash escapes only ' {{ }} and itself, got {match[0]!r}")
        return match[1]

    return _ESCAPE.sub(resolve, text)


def _plain(value: Json) -> Json:
    return unescape(value) if isinstance(value, Literal) else value


def _array(value: Json, position: str = "first") -> list[Json]:
    if isinstance(value, list):
        return value
    raise ArgumentTypeError(f"the {position} argument must be an array, got {_show(value)}")


def _text(value: Json, position: str) -> str:
    if isinstance(value, str):
        return value
    raise ArgumentTypeError(f"the {position} argument must be a string, got {_show(value)}")


def _integer(value: Json, position: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return math.floor(value + 0.5)
    raise ArgumentTypeError(f"the {position} argument must be a number, got {_show(value)}")


def _show(value: Json) -> str:
    text = compact(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _array_of(*values: Json) -> Json:
    return list(values)


def _array_partition(values: Json, size: Json) -> Json:
    array, chunk = _array(values), _integer(size, "second")
    if chunk < 1:
        raise ArgumentError(f"the chunk size must be 1 or more, got {chunk}")
    return [array[start : start + chunk] for start in range(0, len(array), chunk)]


def _array_contains(values: Json, wanted: Json) -> Json:
    key = _canonical(wanted)
    return any(_canonical(value) == key for value in _array(values))


def _array_range(first: Json, last: Json, step: Json) -> Json:
    start, end, stride = _integer(first, "first"), _integer(last, "second"), _integer(step, "third")
    if stride == 0:
        raise ArgumentError("the step must not be 0")
    numbers = range(start, end + (1 if stride > 0 else -1), stride)
    if numbers[MAX_RANGE_ITEMS:]:  # they may be too many to be counted
        raise ArgumentError(f"a range has at most {MAX_RANGE_ITEMS} items, got more from {start} to {end} by {stride}")
    return list(numbers)


def _array_get_item(values: Json, index: Json) -> Json:
    array, position = _array(values), _integer(index, "second")
    if not 0 <= position < len(array):
        raise ArgumentError(f"the index must be from 0 to {len(array) - 1}, got {position}")
    return array[position]


def _array_length(values: Json) -> Json:
    return len(_array(values))


def _array_unique(values: Json) -> Json:
    kept: dict[str, Json] = {}
    for value in _array(values):
        kept.setdefault(_canonical(value), value)
    return list(kept.values())


def _base64_encode(value: Json) -> Json:
    return base64.b64encode(_short_text(value).encode("utf-8", "surrogatepass")).decode("ascii")


def _base64_decode(value: Json) -> Json:
    try:
        return base64.b64decode(_short_text(value), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        raise ArgumentError(f"the argument must be Base64 of UTF-8 text, got {_show(value)}") from None


def _short_text(value: Json) -> str:
    text = _text(value, "first")
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ArgumentError(f"the text must have at most {MAX_TEXT_CHARACTERS} characters, got {len(text)}")
    return text


def _hash(value: Json, algorithm: Json) -> Json:
    name = HASHES.get(_text(algorithm, "second"))
    if name is None:
        raise ArgumentError(f"the algorithm must be one of {', '.join(HASHES)}, got {_show(algorithm)}")
    text = value if isinstance(value, str) else compact(value)
    return hashlib.new(name, _short_text(text).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _json_merge(first: Json, second: Json, deep: Json) -> Json:
    if deep is not False:
        raise ArgumentError(f"the third argument must be false (shallow merge), got {_show(deep)}")
    for value, position in ((first, "first"), (second, "second")):
        if not isinstance(value, dict):
            raise ArgumentTypeError(f"the {position} argument must be an object, got {_show(value)}")
    return {**first, **second}


def _string_to_json(value: Json) -> Json:
    text = _text(value, "first")
    if not text.strip():
        return None  # recorded: an empty text is null
    try:
        return parse(text)
    except ValueError:
        raise ArgumentError(f"the argument must be JSON text, got {_show(value)}") from None


def _math_random(start: Json, end: Json, seed: Json = None) -> Json:
    low, high = _integer(start, "first"), _integer(end, "second")
    if low >= high:
        raise ArgumentError(f"the start must be less than the end, got {low} and {high}")
    if high - low >= 2**63:
        raise ArgumentError(f"the range must hold less than 2^63 numbers, got {low} and {high}")
    return JavaRandom(None if seed is None else _integer(seed, "third")).between(low, high)


def _math_add(first: Json, second: Json) -> Json:
    total = _integer(first, "first") + _integer(second, "second")
    if abs(total) >= _TOO_LONG:
        raise ArgumentError(f"the sum has more than {_MAX_DIGITS} digits")
    return total


def _string_split(value: Json, delimiters: Json) -> Json:
    text, splitters = _text(value, "first"), set(_text(delimiters, "second"))
    # recorded: every character of the second argument splits, and empty parts are dropped
    parts, part = [], ""
    for character in text:
        if character in splitters:
            parts.append(part)
            part = ""
        else:
            part += character
    return [found for found in [*parts, part] if found]


def _uuid() -> Json:
    return str(uuid.uuid4())


def _format(template: Json, *values: Json) -> Json:
    remaining = iter(values)
    used = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal used
        if match[0] != "{}":
            return unescape(match[0])
        used += 1
        try:
            return java_text(_plain(next(remaining)))
        except StopIteration:
            raise ArgumentError(f"the template has more {{}} than arguments ({len(values)})") from None

    text = _FORMAT_PART.sub(fill, _text(template, "first"))
    if used != len(values):
        raise ArgumentError(f"the template has {used} {{}} but there are {len(values)} arguments")
    return text


def java_text(value: Json) -> str:
    """The value as Java's ``toString`` prints it: texts bare, objects ``{key=value}`` (recorded)."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java_text(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(java_text(item) for item in value) + "]"
    return compact(value)


@dataclass(frozen=True, slots=True)
class Function:
    """An intrinsic function and how many arguments it takes."""

    implementation: Implementation
    at_least: int
    at_most: int

    @property
    def arity_text(self) -> str:
        """For example ``2``, or ``2 to 3``."""
        return str(self.at_least) if self.at_least == self.at_most else f"{self.at_least} to {self.at_most}"


def _unescaped(implementation: Implementation, at_least: int, at_most: int | None = None) -> Function:
    return Function(
        lambda *values: implementation(*map(_plain, values)), at_least, at_least if at_most is None else at_most
    )


FUNCTIONS: dict[str, Function] = {
    "Array": _unescaped(_array_of, 0, 10_000),
    "ArrayContains": _unescaped(_array_contains, 2),
    "ArrayGetItem": _unescaped(_array_get_item, 2),
    "ArrayLength": _unescaped(_array_length, 1),
    "ArrayPartition": _unescaped(_array_partition, 2),
    "ArrayRange": _unescaped(_array_range, 3),
    "ArrayUnique": _unescaped(_array_unique, 1),
    "Base64Decode": _unescaped(_base64_decode, 1),
    "Base64Encode": _unescaped(_base64_encode, 1),
    "Format": Function(_format, 1, 10_000),  # unescapes itself: \{\} in a template is no place holder
    "Hash": _unescaped(_hash, 2),
    "JsonMerge": _unescaped(_json_merge, 3),
    "JsonToString": _unescaped(compact, 1),
    "MathAdd": _unescaped(_math_add, 2),
    "MathRandom": _unescaped(_math_random, 2, 3),
    "StringSplit": _unescaped(_string_split, 2),
    "StringToJson": _unescaped(_string_to_json, 1),
    "UUID": _unescaped(_uuid, 0),
}
