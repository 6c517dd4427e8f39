"""The short form of a fault spec: rules between semicolons, words between spaces, quoted where they hold either.

::

    KIND STATE [P%] [item=I[,I...]] [times=N|always] [seconds=S] [output=JSON]; ... [; seed=N]
"""

import re
from typing import Any

from sfn_local.language.json_text import parse

_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_TOKEN = re.compile(rf"""\s*(;|(?:[^\s;'"]|{_QUOTED.pattern})+)""", re.DOTALL)
_OPTIONS = ("item", "times", "seconds", "output")


class TextFormError(ValueError):
    """Text that is no spec."""


def read_text(text: str) -> dict[str, Any]:
    """Return the spec as JSON has it; what it says is not checked here.

    Raises
    ------
    TextFormError
        If it can't be read.
    """
    spec: dict[str, Any] = {"rules": []}
    for words in _clauses(text):
        if len(words) == 1 and words[0].startswith("seed="):
            if "seed" in spec:
                raise TextFormError("seed is given twice")
            spec["seed"] = _value(words[0].removeprefix("seed="))
        else:
            spec["rules"].append(_rule(words))
    return spec


def _clauses(text: str) -> list[list[str]]:
    clauses: list[list[str]] = [[]]
    text, position = text.strip(), 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        if match[1] == ";":
            clauses.append([])
        else:
            clauses[-1].append(_unquoted(match[1]))
    if position < len(text):
        raise TextFormError(f"a quotation is not closed: {text[position:]!r}")
    return [words for words in clauses if words]


def quoted(word: str) -> str:
    """Return a word as it stands in the short form."""
    return word if re.fullmatch(r"[^\s;'\"]+", word) else '"' + word.replace('"', "'") + '"'


def _unquoted(word: str) -> str:
    """Take quotation marks off; the double ones of an output are JSON's own."""
    marks = "'" if word.startswith("output=") else "'\""
    return _QUOTED.sub(lambda part: part[0][1:-1] if part[0][0] in marks else part[0], word)


def _rule(words: list[str]) -> dict[str, Any]:
    kind, *rest = words
    if not rest:
        raise TextFormError(f"a rule is KIND STATE [options], got {kind!r}")
    rule: dict[str, Any] = {"kind": kind, "state": rest[0]}
    for word in rest[1:]:
        name, value = _option(word)
        if name in rule:
            raise TextFormError(f"{name} is given twice in {' '.join(words)!r}")
        rule[name] = value
    return rule


def _option(word: str) -> tuple[str, Any]:
    if word.endswith("%"):
        return "percentage", _value(word.removesuffix("%"))
    name, separator, text = word.partition("=")
    if not separator or name not in _OPTIONS:
        allowed = ", ".join(["P%", *(f"{option}=" for option in _OPTIONS)])
        raise TextFormError(f"options of a rule are {allowed}, got {word!r}")
    if name == "item":
        return name, [_value(part) for part in text.split(",")]
    return name, _output(text) if name == "output" else _value(text)


def _value(text: str) -> Any:
    """Return a number; what is none stays text, as ``always``, and whoever checks the spec says what is allowed."""
    try:
        return parse(text)
    except ValueError:
        return text


def _output(text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise TextFormError(f"output must be JSON, got {text!r}") from error
