"""The JSONata library as the service runs it: its own functions, arithmetic on doubles, bounded depth and time.

Differs from AWS: the bound on memory (about 7 MB a value) is not enforced.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.parser import Parser

from sfn_local.language import Json
from sfn_local.language.errors import QueryEvaluationError
from sfn_local.language.jsonata_errors import describe, library_error, syntax_error
from sfn_local.language.jsonata_functions import functions
from sfn_local.language.jsonata_values import (
    NothingError,
    UnsupportedError,
    from_double,
    from_jsonata,
    to_jsonata,
    value_text,
)
from sfn_local.language.text_cache import cached_by_text

MAX_DEPTH = 100  # measured on the service by others: 100 evaluates, 101 doesn't
MAX_SECONDS = 5.0  # the library's own bound; without one a recursion in tail position never ends


class _Parser(Parser):  # type: ignore[misc]
    """A parser that works on each node once: ``?:`` and ``??`` share one, and negating it twice undoes it."""

    def parse(self, *arguments: Any) -> Any:
        self._done: dict[int, tuple[Any, Any]] = {}
        try:
            return super().parse(*arguments)
        finally:
            self._done = {}

    def process_ast(self, expr: Any) -> Any:
        known = self._done.get(id(expr))
        if known is None:
            known = self._done[id(expr)] = (expr, super().process_ast(expr))  # keeps the node, so that its id stays
        return known[1]


class _ServiceJsonata(Jsonata):  # type: ignore[misc]  # the library has no types
    """An expression with the service's arithmetic and text."""

    def evaluate_numeric_expression(self, lhs: Any, rhs: Any, op: str | None) -> Any:
        if not (_is_number(lhs) and _is_number(rhs)):
            return super().evaluate_numeric_expression(lhs, rhs, op)  # undefined, or the library's error
        result = _calculate(float(lhs), float(rhs), op)
        return from_double(result) if math.isfinite(result) else result

    def apply_inner(self, proc: Any, args: Any, input: Any, environment: Any) -> Any:  # noqa: A002  the library's name
        # the library reports this on standard output, where a command's result goes
        if not (isinstance(proc, Jsonata.JFunctionCallable) or Functions.is_lambda(proc) or Functions.is_regex(proc)):
            raise JException("T1006", -1)
        try:
            return super().apply_inner(proc, args, input, environment)
        except (JException, RecursionError, QueryEvaluationError):
            raise
        except Exception as error:
            raise library_error(getattr(proc, "function_name", None), args, error) from error

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


@cached_by_text(1024)
def compile_text(text: str) -> Callable[[Mapping[str, Json]], Json]:
    """Compile an expression once.

    Returns
    -------
    callable
        ``run(values)``: from the values by name (``states`` and the variables) to the expression's; raises
        `QueryEvaluationError`, whose cause is how the sentence about the expression ends.

    Raises
    ------
    ValueError
        If it is not JSONata, or nests too deep to be parsed.
    """
    compiled = _parse(text)
    compiled.set_output_convert_nulls(False)  # keeps null apart from nothing
    for name, function in functions().items():
        compiled.register_function(name, function)
    return lambda values: _run(compiled, values)


def _parse(text: str) -> Jsonata:
    if not isinstance(getattr(Jsonata.PARSER, "parser", None), _Parser):
        Jsonata.PARSER.parser = _Parser()  # the library has one parser a thread
    try:
        return _ServiceJsonata(text + "\n")  # the library reads past a comment at the very end
    # The library reports what does not parse as its own exception or as whatever Python raised inside it.
    except Exception as error:
        raise ValueError(syntax_error(error, text)) from None


def _run(compiled: Jsonata, values: Mapping[str, Json]) -> Json:
    Jsonata.CURRENT.jsonata = compiled  # the library works on the one parsed last: $now() would be of another time
    bounds = _Bounds()
    try:
        bindings = {name: to_jsonata(value) for name, value in values.items()}
        bindings |= {"__evaluate_entry": bounds.enter, "__evaluate_exit": bounds.leave}
        return from_jsonata(compiled.evaluate(None, bindings))
    except QueryEvaluationError:
        raise
    except NothingError:
        raise QueryEvaluationError("returned nothing (undefined).") from None
    except UnsupportedError:
        raise QueryEvaluationError("returned an unsupported result type.") from None
    # The library reports failures as its own exception or as whatever Python raised inside it.
    except Exception as error:
        raise QueryEvaluationError(f"threw an error during evaluation. {describe(error)}") from error
