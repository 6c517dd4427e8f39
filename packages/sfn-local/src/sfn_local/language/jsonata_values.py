"""Values on their way into JSONata and out of it: null, numbers, text.

The library takes Python's None for "nothing" and has a null of its own; the service reads whole numbers as integers
within Java's long and as doubles beyond, and writes a number that is not finite as a text.
"""

import json
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.parser import Parser
from jsonata.utils import Utils

from sfn_local.language import Json
from sfn_local.language.json_text import compact

_LONG = range(-(2**63), 2**63)
_FIRST_EXPONENT = 1e21  # a whole number is written in full below it


class NothingError(Exception):
    """An expression returned nothing."""


class UnsupportedError(Exception):
    """An expression returned something that JSON doesn't have."""


def to_jsonata(value: Json) -> Any:
    """The value with the library's null for None; shared as it is where it holds none."""
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict | list) and "null" in compact(value):
        return _with_nulls(value)
    return value


def _with_nulls(value: Json) -> Any:
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _with_nulls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_nulls(item) for item in value]
    return value


def from_jsonata(value: Any) -> Json:
    """An expression's value as plain JSON, in objects of its own.

    Raises
    ------
    NothingError
        If there is none.
    UnsupportedError
        If it is, or holds, a function.
    """
    if value is None:
        raise NothingError
    return _plain(value)


def _plain(value: Any) -> Json:
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if value in _LONG else _plain(big_double(value))
    if isinstance(value, float):
        return from_double(value) if math.isfinite(value) else _not_finite(value)
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    raise UnsupportedError


def big_double(value: int) -> float:
    """An integer as the nearest double."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def from_double(value: float) -> int | float:
    """A whole double within long as an integer: 1.0 is 1."""
    return int(value) if value.is_integer() and int(value) in _LONG else value


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def sequence(items: Iterable[Any]) -> Any:
    """A JSONata sequence: one item stands for itself, none for nothing."""
    return Utils.create_sequence_from_iter(items)


def number_text(value: int | float) -> str:
    """A number as ``$string`` writes it: JavaScript's notation, 15 digits for a fraction."""
    if isinstance(value, int):
        if value in _LONG:
            return str(value)
        value = big_double(value)
    if not math.isfinite(value):
        raise JException("D3001", -1)
    if value.is_integer() and abs(value) < _FIRST_EXPONENT:
        return str(int(Decimal(repr(value))))  # the shortest digits that mean this double: 2**63 is 9223372036854776000
    short = float(f"{value:.15g}")
    if math.isinf(short):  # the largest doubles round up beyond the largest
        short = value
    if 1e-6 <= abs(short) < 1e-4:
        return format(Decimal(repr(short)), "f")
    mantissa, exponent, power = repr(short).partition("e")
    return mantissa + exponent + power[:1] + power[1:].lstrip("0")


def value_text(value: Any, *, is_pretty: bool = False) -> str:
    """A value as ``$string`` writes it: a text as it is, a function as nothing, everything else as JSON."""
    if isinstance(value, str):
        return value
    if _is_function(value):
        return ""
    try:
        return _json_text(value, "\n" if is_pretty else "")
    except JException as error:
        # Within a value it is the number that is out of range, not the argument.
        raise (JException("D1001", -1) if isinstance(value, dict | list) else error) from None


def _is_function(value: Any) -> bool:
    return isinstance(value, Jsonata.JFunctionCallable | Parser.Symbol)


def _json_text(value: Any, line: str) -> str:
    """JSON; `line` is a line break and the indentation of the enclosing value, or empty for one line."""
    if value is None or value is Utils.NULL_VALUE:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return number_text(value)
    inner = line and line + "  "
    if isinstance(value, dict):
        colon = ": " if line else ":"
        parts = [_quoted(name) + colon + _json_text(member, inner) for name, member in value.items()]
        return _enclosed("{", parts, "}", inner, line)
    if isinstance(value, list):
        return _enclosed("[", [_json_text(item, inner) for item in value], "]", inner, line)
    return _quoted(value if isinstance(value, str) else "")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _enclosed(opening: str, parts: list[str], closing: str, inner: str, line: str) -> str:
    return opening + inner + ("," + inner).join(parts) + line + closing if parts else opening + closing
