"""Intrinsic function calls in JSONPath states: ``States.Format('{}', $.name)`` compiled to one callable.

Grammar: ``States.<Name>(argument, ...)`` where an argument is a text in single quotes (``\\'``, ``\\{``, ``\\}`` and
``\\\\`` escape), a number, ``true``, ``false``, ``null``, a path, or another call, at most ten deep.

Differs from AWS: the wording of what a function refuses is ours (no refusal was recorded).
"""

import re
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.errors import IntrinsicFailureError, StatesRuntimeError
from sfn_local.language.evaluation import pause
from sfn_local.language.intrinsic_functions import (
    FUNCTIONS,
    ArgumentError,
    ArgumentTypeError,
    Implementation,
    Literal,
    unescape,
)
from sfn_local.language.json_text import compact, parse
from sfn_local.language.paths import Finder, MissingPathError, Path, PathSyntaxError, compile_path
from sfn_local.language.scope import Scope
from sfn_local.language.sizes import FEW_VALUES, characters, check_characters
from sfn_local.language.text_cache import cached_by_text

MAX_NESTING = 10  # Source: AWS documentation, "Intrinsic functions for JSONPath states"

_CALL = re.compile(r"States\.(\w+)\(")
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"true|false|null")
_WORDS = {"true": True, "false": False, "null": None}
_SPACE = re.compile(r"\s*")
_PATH = re.compile(
    r"""\$(?: [^\[\](),'"\s]
          | \[ (?: [^\]'"] | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" )* \] )*""",
    re.VERBOSE,
)


class IntrinsicSyntaxError(ValueError):
    """The text is not a call that the language has."""


def is_intrinsic(text: str) -> bool:
    """Whether a template's text calls a function rather than naming a path."""
    return text.startswith("States.")


@cached_by_text(1024)
def compile_intrinsic(text: str) -> Finder:
    """Compile a call to ``find(document, scope)``, which raises only `StatesError`.

    Raises
    ------
    IntrinsicSyntaxError
        If the text is not a call, names an unknown function, or gives it the wrong number of arguments.
    """
    pause()
    parser = _Parser(text)
    call = parser.call(1)
    if parser.position != len(text):
        raise IntrinsicSyntaxError(f"unexpected text after the call in {text!r}: {text[parser.position :]!r}")
    return call


@dataclass(frozen=True, slots=True)
class _PathArgument:
    path: Path
    text: str  # the whole expression, which the error names

    def __call__(self, document: Json, scope: Scope) -> Json:
        try:
            return self.path.find(document, scope)
        except MissingPathError:
            raise StatesRuntimeError(
                f"The function '{self.text}' had the following error: The JsonPath argument for the field"
                f" '{self.path.text}' could not be found in the input '{compact(document)}'"
            ) from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.has_many_paths = text.count("$") > FEW_VALUES

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def call(self, depth: int) -> Finder:
        start = self.position
        match = self.take(_CALL)
        if match is None:
            raise IntrinsicSyntaxError(f"expected States.<function>(...), got {self.text[start:]!r}")
        if depth > MAX_NESTING:
            raise IntrinsicSyntaxError(f"calls nest at most {MAX_NESTING} deep, got more in {self.text!r}")
        name = match[1]
        function = FUNCTIONS.get(name)
        if function is None:
            allowed = ", ".join(f"States.{known}" for known in sorted(FUNCTIONS))
            raise IntrinsicSyntaxError(f"unknown function States.{name}; allowed: {allowed}")
        arguments = self.arguments(depth)
        if not function.at_least <= len(arguments) <= function.at_most:
            raise IntrinsicSyntaxError(
                f"States.{name} takes {function.arity_text} arguments, got {len(arguments)} in {self.text!r}"
            )
        call_text = self.text[start : self.position]
        return _caller(function.implementation, arguments, call_text, is_large=self.has_many_paths)

    def arguments(self, depth: int) -> list[Finder]:
        arguments: list[Finder] = []
        self.take(_SPACE)
        if self.text.startswith(")", self.position):
            self.position += 1
            return arguments
        while True:
            self.take(_SPACE)
            arguments.append(self.argument(depth))
            self.take(_SPACE)
            separator = self.text[self.position : self.position + 1]
            if separator not in (",", ")"):
                raise IntrinsicSyntaxError(f"expected , or ) at {self.text[self.position :]!r} in {self.text!r}")
            self.position += 1
            if separator == ")":
                return arguments

    def argument(self, depth: int) -> Finder:
        if self.text.startswith("States.", self.position):
            return self.call(depth + 1)
        if match := self.take(_TEXT):
            try:
                unescape(match[1])
            except ArgumentError as error:
                raise IntrinsicSyntaxError(f"{error} in {self.text!r}") from None
            return _constant(Literal(match[1]))
        if match := self.take(_NUMBER):
            try:
                return _constant(parse(match[0]))
            except ValueError as error:
                raise IntrinsicSyntaxError(f"{error} in {self.text!r}") from None
        if match := self.take(_WORD):
            return _constant(_WORDS[match[0]])
        if match := self.take(_PATH):
            try:
                return _PathArgument(compile_path(match[0]), self.text)
            except PathSyntaxError as error:
                raise IntrinsicSyntaxError(f"{error} in {self.text!r}") from None
        raise IntrinsicSyntaxError(f"expected an argument at {self.text[self.position :]!r} in {self.text!r}")


def _constant(value: Json) -> Finder:
    return lambda _document, _scope: value


def _caller(implementation: Implementation, arguments: list[Finder], text: str, *, is_large: bool) -> Finder:
    def call(document: Json, scope: Scope) -> Json:
        pause()
        values = [argument(document, scope) for argument in arguments]
        if is_large:
            check_characters(characters(values), "The list of the arguments")
        try:
            return implementation(*values)
        except ArgumentTypeError as error:
            raise StatesRuntimeError(f"The function '{text}' had the following error: {error}") from None
        except ArgumentError as error:
            raise IntrinsicFailureError(f"The function '{text}' had the following error: {error}") from None
        except RecursionError:
            raise IntrinsicFailureError(f"The function '{text}' had the following error: nested too deep") from None

    return call
