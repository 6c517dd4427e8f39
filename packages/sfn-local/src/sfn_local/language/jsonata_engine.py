"""The JSONata library as the service runs it: its own functions, arithmetic on doubles, bounded depth.

Time and memory are bounded where it is evaluated, see `sfn_local.language.evaluation`.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException
from jsonata.parser import Parser
from jsonata.utils import Utils

from sfn_local.language import Json
from sfn_local.language.errors import QueryEvaluationError
from sfn_local.language.evaluation import (
    PROCESSOR_SECONDS,
    NotQuickError,
    OutOfTimeError,
    OverLimitError,
    elsewhere,
    is_in_thread,
    pause,
)
from sfn_local.language.evaluators import Answer
from sfn_local.language.json_text import bounded_json, has_half
from sfn_local.language.jsonata_errors import jsonata_message, library_error, syntax_error
from sfn_local.language.jsonata_functions import functions
from sfn_local.language.jsonata_quick import MAX_QUICK_CHARACTERS, is_quick
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
            if expr.type == "string" and has_half(expr.value):  # the escapes of one character, joined
                expr.value = expr.value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
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
        except (JException, RecursionError, MemoryError, QueryEvaluationError):
            raise
        except Exception as error:
            raise library_error(getattr(proc, "function_name", None), args, error) from error

    def evaluate_group_expression(self, expr: Any, input: Any, environment: Any) -> Any:  # noqa: A002
        # the library looks into the first tuple of a join that found none
        found = None if isinstance(input, Utils.JList) and input.tuple_stream and not input else input
        return super().evaluate_group_expression(expr, found, environment)

    def evaluate_partial_application(self, expr: Any, input: Any, environment: Any) -> Any:  # noqa: A002
        try:
            return super().evaluate_partial_application(expr, input, environment)
        except JException as error:
            procedure = expr.procedure
            if error.error == "T1008" and procedure.type == "path" and environment.lookup(procedure.steps[0].value):
                raise JException("T1007", -1, procedure.steps[0].value) from error  # without its dollar sign
            raise

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


class _Depth:
    """Counts how deep one evaluation nests."""

    def __init__(self) -> None:
        self._depth = 0

    def enter(self, _expression: Any, _input: Any, _frame: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise JException("D1011", -1)

    def leave(self, _expression: Any, _input: Any, _frame: Any, _result: Any) -> None:
        self._depth -= 1


class _DepthAndTime(_Depth):
    """On the event loop, counts the time too."""

    def enter(self, expression: Any, value: Any, frame: Any) -> None:
        super().enter(expression, value, frame)
        pause()


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
    pause()
    compiled = _compile_quick(text)

    def run(values: Mapping[str, Json]) -> Json:
        try:
            if compiled is not None and not is_in_thread():
                with contextlib.suppress(NotQuickError):
                    pause()
                    return _run(compiled, values, _DepthAndTime())
            named = {name: value for name, value in values.items() if f"${name}" in text}
            kind, answer = elsewhere("JSONata", text, named)
        except OutOfTimeError:
            reason = jsonata_message(JException("D1012", -1, int(PROCESSOR_SECONDS * 1000)))
            raise QueryEvaluationError(f"threw an error during evaluation. {reason}") from None
        except OverLimitError as error:
            raise QueryEvaluationError(f"threw an error during evaluation. {error.cause}") from None
        except RecursionError as error:
            raise QueryEvaluationError(f"threw an error during evaluation. {jsonata_message(error)}") from None
        if kind == _FAILED:
            raise QueryEvaluationError(answer)
        return json.loads(answer)

    return run


def _compile_quick(text: str) -> Jsonata | None:
    """Compile an expression that is quick; of any other it is only seen whether it can be parsed."""
    if len(text) > MAX_QUICK_CHARACTERS:
        if _has_too_many_tokens(text):
            raise ValueError(f"it has more than {MAX_TOKENS:,} names, values and operators")
        _check_elsewhere(text)
        return None
    compiled = _compile(text)
    return compiled if is_quick(compiled.ast) else None


def _has_too_many_tokens(text: str) -> bool:
    """Whether it would take long to parse an expression, which this sees at once: one text or comment is a token."""
    return next(itertools.islice(_TOKEN.finditer(text), MAX_TOKENS, None), None) is not None


def _check_elsewhere(text: str) -> None:
    """Parse a long expression where that can be ended."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    if digest not in _parsed_elsewhere:
        (reason,) = elsewhere("JSONata syntax", text, None, most_seconds=PARSE_SECONDS)
        if reason:
            raise ValueError(reason)
        _parsed_elsewhere[digest] = None
        while len(_parsed_elsewhere) > _MOST_REMEMBERED:
            _parsed_elsewhere.pop(next(iter(_parsed_elsewhere)), None)


# Digests of long expressions that can be parsed: a definition is checked and then compiled.
_parsed_elsewhere: dict[bytes, None] = {}
_MOST_REMEMBERED = 1_024
# To parse a token takes some 15 us; an expression whose parsing takes longer could hardly be evaluated either.
MAX_TOKENS = 20_000
PARSE_SECONDS = 0.5
# Only a parser can tell a pattern from a division; the words of a pattern are counted.
_TOKEN = re.compile(r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|`[^`]*`|/\*.*?\*/|\w+|[^\w\s]""", re.DOTALL)


@functools.cache
def function_names() -> frozenset[str]:
    """Return the names of all functions that an expression may call."""
    return frozenset({*Jsonata.static_frame.bindings, *functions()})


_VALUE, _FAILED = "value", "failed"


def evaluate_text(text: str, values: Mapping[str, Json]) -> Answer:
    """Evaluate in this process, which may be ended for it: the value's JSON text, or how the sentence ends."""
    try:
        return _VALUE, bounded_json(_run(_compile(text), values, _Depth()))
    except QueryEvaluationError as error:
        return _FAILED, error.cause
    except RecursionError as error:
        return _FAILED, f"threw an error during evaluation. {jsonata_message(error)}"


def parse_text(text: str, _nothing: None) -> Answer:
    """Parse in this process, which may be ended for it: why that can't be done, or an empty text."""
    try:
        _compile(text)
    except ValueError as error:
        return (str(error),)
    return ("",)


@cached_by_text(1024)
def _compile(text: str) -> Jsonata:
    compiled = _parse(text)
    compiled.set_output_convert_nulls(False)  # keeps null apart from nothing
    for name, function in functions().items():
        compiled.register_function(name, function)
    return compiled


def _parse(text: str) -> Jsonata:
    if not isinstance(getattr(Jsonata.PARSER, "parser", None), _Parser):
        Jsonata.PARSER.parser = _Parser()  # the library has one parser a thread
    try:
        return _ServiceJsonata(text + "\n")  # the library reads past a comment at the very end
    # The library reports what does not parse as its own exception or as whatever Python raised inside it.
    except Exception as error:
        raise ValueError(syntax_error(error, text)) from None


def _run(compiled: Jsonata, values: Mapping[str, Json], bounds: _Depth) -> Json:
    Jsonata.CURRENT.jsonata = compiled  # the library works on the one parsed last: $now() would be of another time
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
    except MemoryError:
        raise
    # The library reports failures as its own exception or as whatever Python raised inside it.
    except Exception as error:
        raise QueryEvaluationError(f"threw an error during evaluation. {jsonata_message(error)}") from error
