"""JSONata as the service evaluates it: ``{% ... %}`` texts, ``$states``, variables and six functions of its own.

Thin over jsonata-python.  Values go in with its own null (it takes Python's None for "nothing") and come out as
plain JSON; integers beyond Java's long come out as doubles do.

Differs from AWS: the text of an evaluation error is the library's; ``$random`` with a seed gives other numbers.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException
from jsonata.utils import Utils

from hpc_local.language import Json
from hpc_local.language.errors import QueryEvaluationError
from hpc_local.language.json_text import compact
from hpc_local.language.jsonata_functions import FUNCTIONS
from hpc_local.language.scope import Scope

States = Mapping[str, Json]  # {"input": ..., "result"?: ..., "errorOutput"?: ..., "context": ...}
Filler = Callable[[States, Scope], Json]

_OPEN, _CLOSE = "{%", "%}"
_LONG = range(-(2**63), 2**63)  # recorded on the service: integers beyond print as doubles
_JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


class JsonataSyntaxError(ValueError):
    """A text between ``{%`` and ``%}`` is not JSONata; `place` is where, as a JSON pointer inside the field."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class _NothingError(Exception):
    pass


class _UnsupportedError(Exception):
    pass


def is_expression(value: Json) -> bool:
    """Whether a value is a text wholly between ``{%`` and ``%}``; a space outside makes it a plain text (recorded)."""
    return isinstance(value, str) and value.startswith(_OPEN) and value.endswith(_CLOSE) and len(value) >= 4


def states_of(state_input: Json, scope: Scope, **more: Json) -> States:
    """``$states`` for an expression; `more` holds ``result`` or ``errorOutput`` where the field has one."""
    return {"input": state_input, **more, "context": scope.context}


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression.

    Attributes
    ----------
    text : str
        What stands between the marks, as errors quote it.
    field : str
        Where it stands, as errors name it: ``Output/result``.
    """

    text: str
    field: str
    _compiled: Any

    def evaluate(self, states: States, scope: Scope) -> Json:
        """The expression's value as plain JSON.

        Raises
        ------
        QueryEvaluationError
            If it fails, returns nothing, or returns something that is not JSON (a function).
        """
        bindings = {name: _to_jsonata(value) for name, value in scope.variables.items()}
        bindings["states"] = {name: _to_jsonata(value) for name, value in states.items()}
        try:
            return _from_jsonata(self._compiled.evaluate(None, bindings))
        except _NothingError:
            raise QueryEvaluationError(f"{self._subject} returned nothing (undefined).") from None
        except _UnsupportedError:
            raise QueryEvaluationError(f"{self._subject} returned an unsupported result type.") from None
        # The library reports failures as its own exception or as whatever Python raised inside it.
        except Exception as error:
            raise QueryEvaluationError(
                f"{self._subject} threw an error during evaluation. {_describe(error)}"
            ) from error

    def expect(self, kind: str, states: States, scope: Scope) -> Json:
        """The value, which must be of one JSON type (``array``, ``number``, ``boolean``, ``string``, ``object``).

        Raises
        ------
        QueryEvaluationError
            If it is of another type.
        """
        value = self.evaluate(states, scope)
        found = json_type(value)
        if found != kind:
            raise QueryEvaluationError(
                f"{self._subject} returned an unexpected result type."
                f" Expected '{kind}', but was '{found}' for value: {compact(value)}"
            )
        return value

    @property
    def _subject(self) -> str:
        return f"The JSONata expression '{self.text}' specified for the field '{self.field}'"


def json_type(value: Json) -> str:
    """The JSON type of a value, as errors name it."""
    return "null" if value is None else _JSON_TYPES[type(value)]


def compile_expression(value: str, field: str) -> Expression:
    """Compile one ``{% ... %}`` text.

    Raises
    ------
    JsonataSyntaxError
        If what stands between the marks is not JSONata.
    """
    text = value[len(_OPEN) : -len(_CLOSE)].strip()
    try:
        return Expression(text, field, _parse(text))
    except (JException, RecursionError) as error:
        raise JsonataSyntaxError("", f"not JSONata: {text!r}: {_describe(error)}") from None


@dataclass(frozen=True, slots=True)
class JsonataTemplate:
    """A JSON value with expressions anywhere in it (Arguments, Output, Assign, Items ...)."""

    source: Json
    fill: Filler
    is_constant: bool


def compile_template(source: Json, field: str) -> JsonataTemplate:
    """Compile every expression of a value once.

    Raises
    ------
    JsonataSyntaxError
        If one of them is not JSONata.
    """
    filler = _compile(source, field, "")
    if filler is None:
        return JsonataTemplate(source, lambda _states, _scope: source, True)
    return JsonataTemplate(source, filler, False)


def _compile(source: Json, field: str, place: str) -> Filler | None:
    if is_expression(source):
        try:
            return compile_expression(source, field).evaluate
        except JsonataSyntaxError as error:
            raise JsonataSyntaxError(place, error.reason) from None
    if not isinstance(source, dict | list):
        return None
    keys = source.keys() if isinstance(source, dict) else range(len(source))
    dynamic: list[tuple[Any, Filler]] = []
    for key in keys:
        name = f"{field}/{key}" if isinstance(source, dict) else f"{field}[{key}]"
        if filler := _compile(source[key], name, f"{place}/{key}"):
            dynamic.append((key, filler))
    if not dynamic:
        return None
    items = tuple(dynamic)

    def fill(states: States, scope: Scope) -> Json:
        filled = source.copy()
        for key, find in items:
            filled[key] = find(states, scope)
        return filled

    return fill


@lru_cache(maxsize=1024)
def _parse(text: str) -> Any:
    compiled = Jsonata(text)
    compiled.set_output_convert_nulls(False)  # keeps null apart from nothing
    for name, function in FUNCTIONS.items():
        compiled.register_lambda(name, function)
    return compiled


def _describe(error: BaseException) -> str:
    if isinstance(error, JException):
        return f"{error.error}: {error}"
    if isinstance(error, RecursionError):
        return "D1011: Stack overflow"
    if isinstance(error, ZeroDivisionError):
        return "D1001: Number out of range: Infinity"
    return str(error)


def _to_jsonata(value: Json) -> Json:
    """The value with the library's null for None; shared as it is where it holds none."""
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict | list) and "null" in compact(value):
        return _with_nulls(value)
    return value


def _with_nulls(value: Json) -> Json:
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _with_nulls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_with_nulls(item) for item in value]
    return value


def _from_jsonata(value: Any) -> Json:
    if value is None:
        raise _NothingError
    return _plain(value)


def _plain(value: Any) -> Json:
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if value in _LONG else _double(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _UnsupportedError
        return value
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(value[index]) for index in range(len(value))]  # a lazy range iterates one item short
    raise _UnsupportedError


def _double(value: int) -> Json:
    """An integer beyond long as a double prints: 2**63 is 9223372036854776000."""
    try:
        rounded = float(value)
    except OverflowError:
        raise _UnsupportedError from None
    return int(Decimal(repr(rounded))) if abs(rounded) < 1e21 else rounded
