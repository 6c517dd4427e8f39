"""JSONPath as the service evaluates it: input (``$``), context object (``$$``) and variables (``$name``).

Plain paths (members and indices only) are compiled to loops, since a run evaluates tens of thousands a second; the
rest (wildcards, slices, filters, ``..``) goes to python-jsonpath.  A path that can select several values always
gives a list, empty where nothing matches; a plain path without a value is an error.

Differs from AWS: path functions (``$.a.length()``) and several names in one bracket (``$['a','b']``) are refused; a
filter never takes a text for the number it holds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpc_local.language import Json
from hpc_local.language.errors import StatesRuntimeError
from hpc_local.language.json_text import compact
from hpc_local.language.scope import Scope
from hpc_local.language.text_cache import cached_by_text

Step = str | int
Finder = Callable[[Json, Scope], Json]
Walk = Callable[[Json], Json]

_ROOT = re.compile(r"\$(?:(?P<context>\$)|(?P<variable>[^\W\d]\w*))?(?P<rest>.*)", re.DOTALL)
_STEP = re.compile(
    r"""\.(?P<member>[^\s.\[\]()*?@,'"]+)
      | \[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]
      | \[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]
      | \[\s*(?P<index>-?\d+)\s*\]""",
    re.VERBOSE,
)
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
# What python-jsonpath has beyond the service's library (bare names in brackets, keys, filters without parentheses,
# slices with a step), and several names in one bracket, which there give an object.
_FOREIGN = re.compile(r"\[\s*[^\W\d]|(?<!=)~|\#|\?\s*(?!\()|(?<![\s(,])\[\s*''\s*,|\[[^\]]*:[^\]]*:")


class PathSyntaxError(ValueError):
    """The text is not a path that the language has."""


class MissingPathError(LookupError):
    """A path has no value; the text says where it ended, as the service words it.

    Attributes
    ----------
    is_past_end : bool
        Whether it ended at an index that its array doesn't have.
    """

    def __init__(self, reason: str, *, is_past_end: bool = False) -> None:
        super().__init__(reason)
        self.is_past_end = is_past_end


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
                f" in the input '{compact(document)}'"
            ) from None


@cached_by_text(4096)
def compile_path(text: str) -> Path:
    """Compile a path once; later calls with the same text are a dictionary look-up.

    Raises
    ------
    PathSyntaxError
        If the text is not a path.
    """
    parts = _ROOT.fullmatch(text)
    if parts is None:
        raise PathSyntaxError(f"a path starts with $, got {text!r}")
    variable, is_context, rest = parts["variable"], parts["context"] is not None, parts["rest"]
    if variable == "states":
        raise PathSyntaxError(f"$states exists in JSONata only, got {text!r}")
    steps = _plain_steps(rest)
    walk = _query(text, rest) if steps is None else _walk(steps)
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


def _plain_steps(rest: str) -> tuple[Step, ...] | None:
    steps: list[Step] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            return None
        position = match.end()
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["member"] is not None:
            steps.append(match["member"])
        elif match["single"] is not None:
            steps.append(match["single"].replace("\\'", "'"))  # recorded: \" keeps its backslash between '...'
        else:
            steps.append(match["double"].replace('\\"', '"'))
    return tuple(steps)


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
            if not isinstance(current, container):
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
                found = "null" if current is None else _JAVA_NAMES[type(current)]
                return MissingPathError(
                    f"Expected to find an object with property ['{step}'] in path {where} but found '{found}'."
                )
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
            if not -len(current) <= step < len(current):
                return MissingPathError(f"No results for path: {fragments(steps)}", is_past_end=True)
            where += f"[{step}]"
            current = current[step]
    raise AssertionError(f"{fragments(steps)} has a value")


_JAVA_NAMES = {
    str: "java.lang.String",
    bool: "java.lang.Boolean",
    int: "java.lang.Integer",
    float: "java.lang.Double",
    list: "java.util.ArrayList",
}


def fragments(steps: tuple[Step, ...]) -> str:
    """The path in bracket notation: ``$['a'][0]``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in steps)


def _query(text: str, rest: str) -> Walk:
    from jsonpath import JSONPath, JSONPathError, compile  # noqa: A004, PLC0415  50 ms that plain paths don't need

    try:
        query = compile("$" + rest)
    except (JSONPathError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise PathSyntaxError(f"not a JSONPath: {text!r}: {reason}") from None
    if not isinstance(query, JSONPath) or query.singular_query() or _FOREIGN.search(_QUOTED.sub("''", rest)):
        raise PathSyntaxError(f"not a JSONPath: {text!r}: the service has no such path")

    def walk(value: Json) -> Json:
        if not isinstance(value, dict | list):
            return []  # the library would take a text for JSON and parse it
        try:
            return query.findall(value)
        except (JSONPathError, TypeError, RecursionError):
            return []

    return walk
