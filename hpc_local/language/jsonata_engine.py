"""The JSONata library as the service runs it: its own functions, arithmetic on doubles, bounded depth and time.

Differs from AWS: the bound on memory (about 7 MB a value) is not enforced.
"""

import math
import time
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException

from hpc_local.language.jsonata_functions import functions
from hpc_local.language.jsonata_values import from_double, value_text

MAX_DEPTH = 100  # measured on the service by others: 100 evaluates, 101 doesn't
MAX_SECONDS = 5.0  # the library's own bound; without one a recursion in tail position never ends

_ELEMENT_TYPES = {"a": "arrays", "b": "booleans", "f": "functions", "n": "numbers", "o": "objects", "s": "strings"}


class _ServiceJsonata(Jsonata):  # type: ignore[misc]  # the library has no types
    """An expression with the service's arithmetic and text."""

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: str | None) -> Any:
        if not (_is_number(lhs) and _is_number(rhs)):
            return super().evaluate_numeric_expression(lhs, rhs, op)  # undefined, or the library's error
        result = _calculate(float(lhs), float(rhs), op)
        return from_double(result) if math.isfinite(result) else result

    def evaluate_string_concat(self, lhs: Any, rhs: Any) -> str:
        return "".join(value_text(side) for side in (lhs, rhs) if side is not None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _calculate(left: float, right: float, operator: str | None) -> float:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if right == 0:
        return math.nan if operator == "%" or left == 0 else math.copysign(math.inf, left) * math.copysign(1, right)
    return math.fmod(left, right) if operator == "%" else left / right


class _Bounds:
    """Counts how deep one evaluation nests, and how long it takes."""

    def __init__(self) -> None:
        self._depth = 0
        self._end = time.monotonic() + MAX_SECONDS

    def enter(self, _expression: Any, _input: Any, _frame: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise JException("D1011", -1)
        if time.monotonic() > self._end:
            raise JException("D1012", -1, int(MAX_SECONDS * 1000))

    def leave(self, _expression: Any, _input: Any, _frame: Any, _result: Any) -> None:
        self._depth -= 1


@lru_cache(maxsize=1024)
def parse(text: str) -> Jsonata:
    """Parse an expression once.

    Raises
    ------
    JException, RecursionError
        If it is not JSONata, or nests too deep to be parsed.
    """
    compiled = _ServiceJsonata(text)
    compiled.set_output_convert_nulls(False)  # keeps null apart from nothing
    for name, function in functions().items():
        compiled.register_function(name, function)
    return compiled


def run(compiled: Jsonata, bindings: dict[str, Any]) -> Any:
    """The raw value of an expression; raises whatever the library, or Python inside it, raises."""
    Jsonata.CURRENT.jsonata = compiled  # the library works on the one parsed last: $now() would be of another time
    bounds = _Bounds()
    return compiled.evaluate(None, {**bindings, "__evaluate_entry": bounds.enter, "__evaluate_exit": bounds.leave})


def describe(error: BaseException) -> str:
    """An error as JSONata words it: ``T2002: The right side of the "+" operator must evaluate to a number``."""
    if isinstance(error, RecursionError):
        return describe(JException("D1011", -1))
    if not isinstance(error, JException):
        return str(error)
    template = JException.error_codes.get(error.error)
    if template is None:
        return f"{error.error}: {error}"
    # the library's texts say "Object" where JSONata's say "function", and quote nothing
    text = template.replace("Object", "function")
    values = [error.current, error.expected, _ELEMENT_TYPES.get(str(error.extra), error.extra)]
    for value in values:
        opening = text.find("{{")
        if opening < 0:
            break
        is_raw = text.startswith("{{{", opening)
        closing = text.index("}}}" if is_raw else "}}", opening) + (3 if is_raw else 2)
        shown = str(value) if is_raw else _shown(value)
        text = text[:opening] + shown + text[closing:]
    return f"{error.error}: {text}"


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else value_text(value)
