"""JSONPath as the service evaluates it: input (``$``), context object (``$$``) and variables (``$name``).

Plain paths (members and indices only) are compiled to loops, since a run evaluates tens of thousands a second; the
rest (wildcards, slices, filters, ``..``) goes step by step, see `sfn_local.language.path_steps`.  A path that can
select several values always gives a list, empty where nothing matches; a path that names one place without a value is
an error.  Where neither a recording nor a report says otherwise, paths are read and evaluated as Jayway JsonPath does,
the library whose sentences the service's errors are.

Differs from AWS: not known to.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sfn_local.language import Json
from sfn_local.language.errors import StatesRuntimeError
from sfn_local.language.evaluation import elsewhere, pause
from sfn_local.language.evaluators import Answer
from sfn_local.language.json_text import bounded_json, compact
from sfn_local.language.path_steps import (
    Indices,
    Member,
    MissingPathError,
    PathStep,
    UnusablePathError,
    evaluate,
    is_definite,
    no_object,
)
from sfn_local.language.path_syntax import PathSyntaxError, parse_steps
from sfn_local.language.scope import Scope
from sfn_local.language.text_cache import cached_by_text

__all__ = ["Finder", "MissingPathError", "Path", "PathSyntaxError", "Step", "compile_path", "fragments"]

Step = str | int
Finder = Callable[[Json, Scope], Json]
Walk = Callable[[Json], Json]

_ROOT = re.compile(r"\$(?:(?P<context>\$)|(?P<variable>[^\W\d]\w*))?(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Path:
    """A compiled path.

    Attributes
    ----------
    find : callable
        ``find(document, scope)`` gives the value (shared, not copied) or raises `MissingPathError`.
    steps : tuple or None
        Members and indices of a plain path; None where the path needs a query.
    """

    text: str
    variable: str | None
    is_context: bool
    steps: tuple[Step, ...] | None
    find: Finder

    @property
    def is_reference(self) -> bool:
        """Whether it names one place in the input, as ResultPath has to."""
        return self.steps is not None and self.variable is None and not self.is_context

    def select(self, document: Json, scope: Scope) -> Json:
        """The value, for fields such as InputPath.

        Raises
        ------
        StatesRuntimeError
            If there is none.
        """
        try:
            return self.find(document, scope)
        except MissingPathError as error:
            raise StatesRuntimeError(f"Invalid path '{self.text}' : {error}") from None

    def select_for(self, field: str, document: Json, scope: Scope) -> Json:
        """The value, for a field whose error names it (``value.$``, ``CausePath``).

        Raises
        ------
        StatesRuntimeError
            If there is none.
        """
        try:
            return self.find(document, scope)
        except MissingPathError:
            raise StatesRuntimeError(
                f"The JSONPath '{self.text}' specified for the field '{field}' could not be found"
                f" in the input '{compact(scope.context if self.is_context else document)}'"
            ) from None


@cached_by_text(4096)
def compile_path(text: str) -> Path:
    """Compile a path once; later calls with the same text are a dictionary look-up.

    Raises
    ------
    PathSyntaxError
        If the text is not a path.
    """
    pause()
    parts = _ROOT.fullmatch(text.rstrip(" "))  # the service takes "$$.Execution.Name "
    if parts is None:
        raise PathSyntaxError(f"a path starts with $, got {text!r}")
    variable, is_context = parts["variable"], parts["context"] is not None
    if variable == "states":
        raise PathSyntaxError(f"$states exists in JSONata only, got {text!r}")
    try:
        parsed = parse_steps(parts["rest"])
    except (PathSyntaxError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise PathSyntaxError(f"not a JSONPath: {text!r}: {reason}") from None
    steps = _plain_steps(parsed)
    walk = _query(parts["rest"], parsed) if steps is None else _walk(steps)
    return Path(text, variable, is_context, steps, _rooted(walk, variable, is_context))


def _rooted(walk: Walk, variable: str | None, is_context: bool) -> Finder:
    if is_context:
        return lambda _document, scope: walk(scope.context)
    if variable is None:
        return lambda document, _scope: walk(document)

    def find(_document: Json, scope: Scope) -> Json:
        try:
            value = scope.variables[variable]
        except KeyError:
            raise MissingPathError(f"Variable '{variable}' is not defined") from None
        return walk(value)

    return find


def _plain_steps(steps: tuple[PathStep, ...]) -> tuple[Step, ...] | None:
    plain: list[Step] = []
    for step in steps:
        if isinstance(step, Member):
            plain.append(step.name)
        elif isinstance(step, Indices) and step.is_definite:
            plain.append(step.indices[0])
        else:
            return None
    return tuple(plain)


def _walk(steps: tuple[Step, ...]) -> Walk:
    if not steps:
        return lambda value: value
    if all(isinstance(step, str) for step in steps):
        return _walk_members(steps)

    def walk(value: Json) -> Json:
        current: Json = value
        for step in steps:
            # a list takes only indices, an object only members: "abc"[0] and [..]["a"] have no value
            container: type[Any] = list if isinstance(step, int) else dict
            if not isinstance(current, container) or (isinstance(step, int) and step < 0):
                raise _missing(steps, value)
            try:
                current = current[step]
            except (KeyError, IndexError):
                raise _missing(steps, value) from None
        return current

    return walk


def _walk_members(steps: tuple[Step, ...]) -> Walk:
    def walk(value: Json) -> Json:
        current = value
        try:
            for step in steps:
                current = current[step]
        except (KeyError, TypeError):  # TypeError: a list, text, number or null has no members
            raise _missing(steps, value) from None
        return current

    return walk


def _missing(steps: tuple[Step, ...], value: Json) -> MissingPathError:
    """Say where a plain path ends, in the words of the JSONPath library that the service uses (Jayway JsonPath)."""
    current, where = value, "$"
    for number, step in enumerate(steps, 1):
        if isinstance(step, str):
            if not isinstance(current, dict):
                return MissingPathError(no_object([step], current, where))
            where += f"['{step}']"
            if step not in current:
                return MissingPathError(
                    f"No results for path: {where}" if number == len(steps) else f"Missing property in path {where}"
                )
            current = current[step]
        else:
            if current is None:
                return MissingPathError(f"The path {where} is null")
            if not isinstance(current, list):
                return MissingPathError(
                    f"Filter: [{step}] can only be applied to arrays. Current context is: {compact(current)}"
                )
            if not 0 <= step < len(current):
                return MissingPathError(f"No results for path: {fragments(steps)}", is_past_end=True)
            where += f"[{step}]"
            current = current[step]
    raise AssertionError(f"{fragments(steps)} has a value")


def fragments(steps: tuple[Step, ...]) -> str:
    """The path in bracket notation: ``$['a'][0]``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in steps)


_MAX_QUICK_STEPS = 64


def _query(text: str, steps: tuple[PathStep, ...]) -> Walk:
    if len(steps) <= _MAX_QUICK_STEPS and all(step.is_quick for step in steps):

        def walk_here(value: Json) -> Json:
            pause()
            return _evaluate(steps, value)

        return walk_here

    def walk(value: Json) -> Json:
        kind, *answer = elsewhere("JSONPath", text, value)
        if kind == _MISSING:
            raise MissingPathError(*answer)
        if kind == _TOO_DEEP:
            raise RecursionError
        return json.loads(answer[0])

    return walk


_VALUE, _MISSING, _TOO_DEEP = "value", "missing", "too deep"


def evaluate_query(text: str, value: Json) -> Answer:
    """Evaluate the steps after the root in this process, which may be ended for it."""
    try:
        return _VALUE, bounded_json(_evaluate(_parsed(text), value))
    except MissingPathError as error:
        return _MISSING, str(error)
    except RecursionError:
        return (_TOO_DEEP,)


_parsed = cached_by_text(256)(parse_steps)


def _evaluate(steps: tuple[PathStep, ...], value: Json) -> Json:
    if is_definite(steps):
        return _only(evaluate(steps, value, value))
    try:
        return evaluate(steps, value, value)
    except UnusablePathError:
        raise
    except MissingPathError:
        return []  # recorded: $.no[*] of an empty object


def _only(values: list[Json]) -> Json:
    if not values:
        raise MissingPathError("No results for path")
    return values[0]
