"""The fault spec: rules from JSON or from the short form of a command line, checked before anything starts.

::

    {"seed": 7, "rules": [{"kind": "throttle", "state": "Compute", "percentage": 5},
                          {"kind": "crash", "state": "Compute", "item": [3], "times": 1}]}
    throttle Compute 5%; crash Compute item=3; seed=7
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sfn_local.faults.text_form import TextFormError, quoted, read_text
from sfn_local.language import Json
from sfn_local.language.json_text import parse

# kind: what happens.  The order is that of the documentation.
KINDS: Mapping[str, str] = {
    "throttle": "the service refuses the call because there are too many",
    "service_error": "the service fails",
    "crash": "the process that computes is killed",
    "timeout": "the process that computes is killed as one whose time is up; the time itself is not waited for",
    "slow": "the task begins so many seconds late, within its own TimeoutSeconds",
    "s3_500": "S3 answers InternalError to requests of what computes",
    "s3_503": "S3 answers SlowDown to requests of what computes",
    "wrong_output": "the task's result is replaced",
    "duplicate": "the task's work is done twice, and the second answer counts",
    "kill_runner": "this runner is killed",
}
S3_KINDS = ("s3_500", "s3_503")
PROCESS_KINDS = ("crash", "timeout", *S3_KINDS)
ALWAYS = "always"
MAX_SECONDS = 99_999_999  # as of TimeoutSeconds in Amazon States Language
_RULE_FIELDS = ("kind", "state", "percentage", "item", "times", "seconds", "output")
_SHOWN_CHARACTERS = 80


class FaultSpecError(ValueError):
    """A spec that can't be rehearsed; the message says what is wrong, what was given and what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes
    ----------
    percentage : float or None
        Share of the attempts that are hit; for S3 kinds, of the requests.
    items : tuple of int or None
        Indexes that are hit, where the rule names some.
    times : int or None
        How many attempts (S3 kinds: requests) of each are hit; None for all of them.
    """

    kind: str
    state: str
    percentage: float | None = None
    items: tuple[int, ...] | None = None
    times: int | None = None
    seconds: float = 0.0
    output: Json = None

    def to_json(self) -> dict[str, Any]:
        """Return the rule as JSON has it, what it leaves to a default filled in."""
        shown: dict[str, Any] = {"kind": self.kind, "state": self.state}
        if self.percentage is not None:
            shown["percentage"] = self.percentage
        else:
            shown |= {} if self.items is None else {"item": list(self.items)}
            shown["times"] = ALWAYS if self.times is None else self.times
        if self.kind == "slow":
            shown["seconds"] = self.seconds
        if self.kind == "wrong_output":
            shown["output"] = self.output
        return shown

    def __str__(self) -> str:
        shown = self.to_json()
        words = [shown.pop("kind"), quoted(shown.pop("state"))]
        if "percentage" in shown:
            words.append(f"{shown.pop('percentage')}%")
        if "item" in shown:
            words.append(f"item={','.join(map(str, shown.pop('item')))}")
        if shown.get("times") == 1:
            del shown["times"]
        if "output" in shown:
            shown["output"] = "'" + json.dumps(shown["output"]).replace("'", "\\u0027") + "'"
        return " ".join([*words, *(f"{name}={value}" for name, value in shown.items())])


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """Rules, numbered from 1, and the seed of all draws."""

    rules: tuple[Rule, ...]
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> "FaultSpec":
        """Read JSON, or the short form if the text does not begin with a brace.

        Raises
        ------
        FaultSpecError
        """
        if text.lstrip().startswith("{"):
            return cls.from_json(_load(text))
        try:
            return cls.from_json(read_text(text))
        except TextFormError as error:
            raise FaultSpecError(str(error)) from error

    @classmethod
    def from_json(cls, value: Any) -> "FaultSpec":
        """Check a spec.

        Raises
        ------
        FaultSpecError
        """
        if not isinstance(value, dict):
            raise FaultSpecError(f'a fault spec must be an object {{"seed", "rules"}}, got {shown(value)}')
        _check_names(value, ("seed", "rules"), "a fault spec")
        seed = value.get("seed", 0)
        if not _is_integer(seed):
            raise FaultSpecError(f"seed must be an integer, got {shown(seed)}")
        rules = value.get("rules")
        if not isinstance(rules, list) or not rules:
            raise FaultSpecError(f"rules must be a list of at least one rule, got {shown(rules)}")
        return cls(tuple(_rule(number, rule) for number, rule in enumerate(rules, start=1)), seed)

    def to_json(self) -> dict[str, Any]:
        return {"seed": self.seed, "rules": [rule.to_json() for rule in self.rules]}

    def __str__(self) -> str:
        return "; ".join([*map(str, self.rules), f"seed={self.seed}"])


def _rule(number: int, value: Any) -> Rule:
    where = f"rule {number}"
    if not isinstance(value, dict):
        raise FaultSpecError(f"{where} must be an object, got {shown(value)}")
    _check_names(value, _RULE_FIELDS, where)
    kind, state = value.get("kind"), value.get("state")
    if not isinstance(kind, str) or kind not in KINDS:
        raise FaultSpecError(f"{where}: kind must be one of {', '.join(KINDS)}, got {shown(kind)}")
    if not isinstance(state, str) or not state:
        raise FaultSpecError(f"{where}: state must be the name of a state, got {shown(state)}")
    _check_together(where, kind, value)
    percentage = _percentage(where, value["percentage"]) if "percentage" in value else None
    return Rule(
        kind=kind,
        state=state,
        percentage=percentage,
        items=_items(where, value["item"]) if "item" in value else None,
        times=None if percentage is not None else _times(where, value.get("times", 1)),
        seconds=_seconds(where, value["seconds"]) if kind == "slow" else 0.0,
        output=value.get("output", {}) if kind == "wrong_output" else None,
    )


def _check_together(where: str, kind: str, value: Mapping[str, Any]) -> None:
    """Refuse options that would have no effect, and a slow without its seconds."""
    for name in ("item", "times"):
        if "percentage" in value and name in value:
            raise FaultSpecError(f"{where}: give either a percentage or {name}, got both")
    for name, only in (("seconds", "slow"), ("output", "wrong_output")):
        if name in value and kind != only:
            raise FaultSpecError(f"{where}: {name} is for {only}, got {kind}")
    if kind == "slow" and "seconds" not in value:
        raise FaultSpecError(f"{where}: slow needs seconds, how late the task begins")


def _percentage(where: str, value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= 100:
        raise FaultSpecError(f"{where}: a percentage must be 0 to 100, got {shown(value)}")
    return _plain(value)


def _items(where: str, value: Any) -> tuple[int, ...]:
    items = value if isinstance(value, list) else [value]
    if not items or not all(_is_integer(item) and item >= 0 for item in items) or len(set(items)) < len(items):
        raise FaultSpecError(f"{where}: item must be an index from 0, or a list of different ones, got {shown(value)}")
    return tuple(items)


def _times(where: str, value: Any) -> int | None:
    if value == ALWAYS:
        return None
    if not _is_integer(value) or value < 1:
        raise FaultSpecError(f"{where}: times must be an integer from 1, or {ALWAYS}, got {shown(value)}")
    return int(value)


def _seconds(where: str, value: Any) -> float:
    if not _is_number(value) or not 0 < value <= MAX_SECONDS:
        raise FaultSpecError(f"{where}: seconds must be a number above 0, at most {MAX_SECONDS}, got {shown(value)}")
    return _plain(value)


def _plain(number: float) -> float:
    """Return an integer as one, as a person would write it."""
    return int(number) if number == int(number) else number


def _check_names(value: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    unknown = [name for name in value if name not in allowed]
    if unknown:
        raise FaultSpecError(f"{where} has no {shown(unknown[0])}: allowed are {', '.join(allowed)}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def shown(value: Any) -> str:
    """Return a value as a message shows it: JSON on one line, bounded."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _load(text: str) -> Any:
    try:
        return parse(text, unique_names=True)
    except ValueError as error:
        raise FaultSpecError(f"a fault spec that begins with a brace must be JSON: {error}") from error
