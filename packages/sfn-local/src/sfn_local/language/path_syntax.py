"""The text of a JSONPath to its steps, as the library that the service uses reads it (Jayway JsonPath).

What that library refuses is refused, but for what the service was seen to take: a space at the end,
``[(@.length-1)]``, calls of functions (which then have no value: the service documents that it has none) and texts
without quotes in a filter.
"""

import re

from sfn_local.language.path_filters import compile_filter, find_closing
from sfn_local.language.path_steps import Filter, FromEnd, Indices, Member, Members, PathStep, Scan, Slice, Wildcard

_QUOTED = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*""", re.DOTALL)
_INDICES = re.compile(r"\[ *(-?\d+(?: *, *-?\d+)*) *\]", re.ASCII)
_SLICE = re.compile(r"\[ *(-?\d+)?:(-?\d+)?(?::[-\d:]*)? *\]", re.ASCII)
_STAR = re.compile(r"\[ *\* *\]")
_FROM_END = re.compile(r"\[ *\( *@\.length *- *(\d+) *\) *\]", re.ASCII)
_FILTER = re.compile(r"\[ *\? *\(")
_NAME = re.compile(r"[^ .\[(*][^ .\[(]*")
_INTEGERS = range(-(2**31), 2**31)  # a Java int


class PathSyntaxError(ValueError):
    """The text is not a path that the language has."""


# Each filter is read once for each that it stands in; with a bound on these, reading takes linear time.
MAX_FILTER_DEPTH = 32


def parse_steps(text: str, filter_depth: int = 0) -> tuple[PathStep, ...]:
    """Read the steps after the root; `text` is empty, or begins with ``.`` or ``[``.

    Parameters
    ----------
    filter_depth : int
        How many filters the path stands in.

    Raises
    ------
    PathSyntaxError
        If it is not a path.
    """
    return _Parser(text, filter_depth).steps()


class _Parser:
    def __init__(self, text: str, filter_depth: int) -> None:
        self.text = text
        self.filter_depth = filter_depth
        self.position = 0

    def steps(self) -> tuple[PathStep, ...]:
        if self.text[:1] not in ("", ".", "["):
            raise self.error("expected . or [")
        steps: list[PathStep] = []
        while self.position < len(self.text):
            steps.append(self.step(follows_scan=bool(steps) and isinstance(steps[-1], Scan)))
        if steps and isinstance(steps[-1], Scan):
            raise self.error("a name, a * or a [ has to follow")
        return tuple(steps)

    def step(self, *, follows_scan: bool) -> PathStep:
        if self.text.startswith("..", self.position) and not follows_scan:
            self.position += 2
            return Scan()
        if self.text.startswith(".", self.position) and not follows_scan:
            self.position += 1
        if self.text.startswith("[", self.position):
            return self.bracket()
        if self.text.startswith("*", self.position):
            self.position += 1
            return Wildcard()
        return self.name()

    def name(self) -> Member:
        match = _NAME.match(self.text, self.position)
        if match is None:
            raise self.error("expected a name, a * or a [")
        start, self.position = self.position, match.end()
        if self.text.startswith(" ", self.position):
            raise self.error("a name with a space stands in brackets: ['my name']")
        if self.text.startswith("(", self.position):
            self.position = self.closing(self.position) + 1
        return Member(self.text[start : self.position])

    def bracket(self) -> PathStep:
        if match := self.take(_INDICES):
            return Indices(tuple(self.integer(number) for number in match[1].split(",")))
        if match := self.take(_SLICE):
            start, end = (None if number is None else self.integer(number) for number in match.groups())
            if start is None and end is None:
                raise self.error("a slice has a start or an end")
            return Slice(start, end)
        if self.take(_STAR):
            return Wildcard()
        if match := self.take(_FROM_END):
            return FromEnd(self.integer(match[1]))
        if match := _FILTER.match(self.text, self.position):
            return self.filter(match.end() - 1)
        return self.members()

    def filter(self, opening: int) -> PathStep:
        if self.filter_depth >= MAX_FILTER_DEPTH:
            raise self.error(f"filters stand in each other {MAX_FILTER_DEPTH} deep at most")
        closing = self.closing(opening)
        end = re.compile(" *]").match(self.text, closing + 1)
        if end is None:
            raise self.error("a filter ends with )]")
        try:
            holds = compile_filter(self.text[opening + 1 : closing], self.inner_steps)
        except PathSyntaxError:
            raise
        except ValueError as error:
            raise self.error(str(error)) from None
        self.position = end.end()
        return Filter(holds)

    def inner_steps(self, text: str) -> tuple[PathStep, ...]:
        return parse_steps(text, self.filter_depth + 1)

    def members(self) -> PathStep:
        names: list[str] = []
        quote = self.text[self.position + 1 :].lstrip(" ")[:1]
        while not names or self.text.startswith(",", self.position):
            self.position += 1
            match = self.take(_QUOTED)
            if match is None or match[0].strip()[0] != quote:
                raise self.error("expected a name in quotes, an index, a slice, a * or a filter")
            names.append(_unescaped(match[1], "'") if match[1] is not None else _unescaped(match[2], '"'))
        if not self.text.startswith("]", self.position):
            raise self.error("expected ]")
        self.position += 1
        return Member(names[0]) if len(names) == 1 else Members(tuple(names))

    def closing(self, opening: int) -> int:
        try:
            return find_closing(self.text, opening, "()", skips_patterns=True)
        except ValueError as error:
            raise self.error(str(error)) from None

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def integer(self, text: str) -> int:
        if len(text) > len(str(_INTEGERS.start)) + 20 or int(text) not in _INTEGERS:
            raise self.error(f"an index is between {_INTEGERS.start} and {_INTEGERS.stop - 1}, got {text.strip()[:40]}")
        return int(text)

    def error(self, reason: str) -> PathSyntaxError:
        return PathSyntaxError(f"{reason}, at {self.text[self.position : self.position + 40]!r}")


def _unescaped(text: str, quote: str) -> str:
    # recorded: a backslash before the other quote stays
    return re.sub(rf"\\([\\{quote}])", r"\1", text) if "\\" in text else text
