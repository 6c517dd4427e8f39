"""JSONata as the service evaluates it: ``{% ... %}`` texts, ``$states``, variables and six functions of its own.

Thin over jsonata-python: `sfn_local.language.jsonata_engine` runs an expression, here are the fields that hold them.

Differs from AWS: errors of the library that carry no JSONata code keep its own text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sfn_local.language import Json
from sfn_local.language.errors import QueryEvaluationError
from sfn_local.language.json_text import compact
from sfn_local.language.scope import Scope
from sfn_local.language.templates import fill_in

States = Mapping[str, Json]  # {"input": ..., "result"?: ..., "errorOutput"?: ..., "context": ...}
Filler = Callable[[States, Scope], Json]

_OPEN, _CLOSE = "{%", "%}"
_JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}


class JsonataSyntaxError(ValueError):
    """A text between ``{%`` and ``%}`` is not JSONata; `place` is where, as a JSON pointer inside the field."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


def is_expression(value: Json) -> bool:
    """Whether a value is a text wholly between ``{%`` and ``%}``; a space outside makes it a plain text (recorded)."""
    return isinstance(value, str) and value.startswith(_OPEN) and value.endswith(_CLOSE) and len(value) >= 4


def expression_text(value: str) -> str:
    """Return what stands between the marks of an expression."""
    return value[len(_OPEN) : -len(_CLOSE)].strip()


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
    _run: Callable[[Mapping[str, Json]], Json]

    def evaluate(self, states: States, scope: Scope) -> Json:
        """The expression's value as plain JSON.

        Raises
        ------
        QueryEvaluationError
            If it fails, returns nothing, or returns something that is not JSON (a function).
        """
        try:
            return self._run({**scope.variables, "states": states})
        except QueryEvaluationError as error:
            raise QueryEvaluationError(f"{self._subject} {error.cause}") from error.__cause__

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
    from sfn_local.language.jsonata_engine import compile_text  # noqa: PLC0415  50 ms that JSONPath doesn't need

    text = expression_text(value)
    try:
        return Expression(text, field, compile_text(text))
    except ValueError as error:
        raise JsonataSyntaxError("", f"not JSONata: {text!r}: {error}") from None


def compile_template(source: Json, field: str) -> Filler:
    """Compile a JSON value with expressions anywhere in it (Arguments, Output, Assign, Items ...).

    Raises
    ------
    JsonataSyntaxError
        If one of them is not JSONata.
    """
    return _compile(source, field, "") or (lambda _states, _scope: source)


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
    return fill_in(source, dynamic)
