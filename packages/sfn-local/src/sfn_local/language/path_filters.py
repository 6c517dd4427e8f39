"""Filters of a JSONPath, as the library that the service uses has them (Jayway JsonPath): ``@.price < 10 && @.name``.

Grammar: comparisons joined by ``&&``, ``||``, ``!`` and parentheses; a comparison is a value, an operator and a value,
or a path alone, which asks whether it exists.  A value is a path (``@`` the tested value, ``$`` the document), a
number, a text, true, false, null, JSON or a pattern between slashes.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sfn_local.language import Json
from sfn_local.language.path_operators import OPERATORS
from sfn_local.language.path_steps import MissingPathError, PathStep, evaluate, is_definite

Holds = Callable[[Json, Json], bool]  # (tested value, document)
ParsePath = Callable[[str], tuple[PathStep, ...]]

_SYMBOLS = "<>=~!"
_WORD = re.compile(r"[^\s()\[\]{}'\"<>=~!&|,]+")
_PATTERN_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_PATTERN = re.compile(r"/((?:[^/\\]|\\.)*)/([dimsuxU]*)", re.DOTALL)
_TEXT = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class _Missing:
    """The value of a path that has none; nothing equals it."""


@dataclass(frozen=True, slots=True)
class _FilterPath:
    """A path in a filter; `is_wanted` is false where it stands behind ``!``."""

    steps: tuple[PathStep, ...]
    is_of_document: bool
    is_wanted: bool

    def value(self, tested: Json, root: Json) -> Any:
        try:
            found = evaluate(self.steps, root if self.is_of_document else tested, root)
        except MissingPathError:
            return _Missing
        if not is_definite(self.steps):
            return found
        return found[0] if found else _Missing

    def exists(self, tested: Json, root: Json) -> bool:
        try:
            found = evaluate(self.steps, root if self.is_of_document else tested, root, has_to_exist=True)
        except MissingPathError:
            return not self.is_wanted
        return (bool(found) or not is_definite(self.steps)) is self.is_wanted


Value = Callable[[Json, Json], Any]


def compile_filter(text: str, parse_path: ParsePath) -> Holds:
    """Compile what stands between ``[?(`` and ``)]``.

    Raises
    ------
    ValueError
        If it is not a filter.
    """
    parser = _Parser(text, parse_path)
    holds = parser.either()
    if parser.skip_spaces() < len(text):
        raise ValueError("the filter goes on behind its end")
    return holds


def find_closing(text: str, opening: int, pair: str, *, skips_patterns: bool) -> int:
    """The position of the bracket that closes the one at `opening`; those in texts and patterns don't count.

    Raises
    ------
    ValueError
        If a bracket, a text or a pattern is not closed.
    """
    skipped = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"" + (r"|/(?:[^/\\]|\\.)*/" if skips_patterns else "")
    depth = 0
    for match in re.compile(rf"{skipped}|['\"{'/' if skips_patterns else ''}{re.escape(pair)}]", re.DOTALL).finditer(
        text, opening
    ):
        if match[0] == pair[0]:
            depth += 1
        elif match[0] == pair[1]:
            depth -= 1
            if depth == 0:
                return match.start()
        elif len(match[0]) == 1:
            raise ValueError(f"{match[0]} is not closed")
    raise ValueError(f"{pair[0]} is not closed")


class _Parser:
    def __init__(self, text: str, parse_path: ParsePath) -> None:
        self.text = text
        self.position = 0
        self.parse_path = parse_path

    def either(self) -> Holds:
        parts = [self.both()]
        while self.take("||"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda value, root: any(part(value, root) for part in parts)

    def both(self) -> Holds:
        parts = [self.operand()]
        while self.take("&&"):
            parts.append(self.operand())
        return parts[0] if len(parts) == 1 else lambda value, root: all(part(value, root) for part in parts)

    def operand(self) -> Holds:
        start = self.skip_spaces()
        if self.take("!"):
            if not self.text.startswith(("@", "$"), self.skip_spaces()):
                inner = self.operand()
                return lambda value, root: not inner(value, root)
            self.position = start
        if self.take("("):
            inner = self.either()
            if not self.take(")"):
                raise ValueError("expected )")
            return inner
        return self.comparison()

    def comparison(self) -> Holds:
        left = self.value(is_right=False)
        after_left = self.position
        try:
            compare = self.operator()
            right = self.value(is_right=True)
        except ValueError:
            self.position = after_left
            if isinstance(left, _FilterPath):
                return left.exists
            raise
        first, second = _getter(left), _getter(right)
        return lambda value, root: compare(first(value, root), second(value, root))

    def operator(self) -> Callable[[Any, Any], bool]:
        start = self.skip_spaces()
        is_symbol = self.text[start : start + 1] in tuple(_SYMBOLS)
        end = start
        while end < len(self.text) and (self.text[end] in _SYMBOLS if is_symbol else self.text[end] != " "):
            end += 1
        self.position = end
        try:
            return OPERATORS[self.text[start:end].upper()]
        except KeyError:
            raise ValueError(f"unknown operator {self.text[start:end]!r}") from None

    def value(self, *, is_right: bool) -> Any:
        """A constant, or a `_FilterPath`."""
        start = self.skip_spaces()
        is_wanted = not self.take("!")
        begin = self.skip_spaces()
        first = self.text[begin : begin + 1]
        if first and first in "$@":
            return self.path(is_wanted)
        if not is_wanted:
            raise ValueError("a path has to follow !")
        self.position = start
        if first and first in "[{":
            return self.json(first)
        if match := self.match(_TEXT):
            return _unescaped(match[0][1:-1])
        if match := self.match(_PATTERN):
            return _compile_pattern(match[1], match[2])
        if match := self.match(_WORD):
            return _word(match[0], is_right=is_right)
        raise ValueError("expected a value")

    def path(self, is_wanted: bool) -> _FilterPath:
        start = self.position
        self.position += 1
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "[":
                self.position = find_closing(self.text, self.position, "[]", skips_patterns=False) + 1
            elif character == "(":
                self.position = find_closing(self.text, self.position, "()", skips_patterns=False) + 1
            elif character in _SYMBOLS or character in " )":
                break
            else:
                self.position += 1
        steps = self.parse_path(self.text[start + 1 : self.position])
        return _FilterPath(steps, self.text[start] == "$", is_wanted)

    def json(self, opening: str) -> Json:
        start = self.position
        closing = find_closing(self.text, start, "[]" if opening == "[" else "{}", skips_patterns=False)
        self.position = closing + 1
        text = self.text[start : self.position]
        return json.loads(_TEXT.sub(lambda match: json.dumps(_unescaped(match[0][1:-1])), text))

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def take(self, token: str) -> bool:
        is_there = self.text.startswith(token, self.skip_spaces())
        if is_there:
            self.position += len(token)
        return is_there

    def skip_spaces(self) -> int:
        while self.text.startswith(" ", self.position):
            self.position += 1
        return self.position


def _getter(value: Any) -> Value:
    return value.value if isinstance(value, _FilterPath) else lambda _tested, _root: value


def _word(word: str, *, is_right: bool) -> Any:
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    try:
        return Decimal(word)
    except InvalidOperation:
        if is_right and re.match(r"[^\W\d]", word):
            return word  # reported of the service: a text without quotes
        raise ValueError(f"expected a value, got {word!r}") from None


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPED.get(code, code)

    return _ESCAPE.sub(character, text)


def _compile_pattern(pattern: str, flags: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, sum(_PATTERN_FLAGS.get(flag, 0) for flag in set(flags)))
    except re.error:
        raise ValueError(f"/{pattern}/ is not a regular expression") from None
