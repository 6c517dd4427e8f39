"""Fields that hold one number, time or text: a literal, a path (``SecondsPath``) or a JSONata expression.

What the service accepts and how it words what it refuses differs from field to field; the tables below hold it.

Differs from AWS: the wording is recorded for Seconds, Timestamp, MaxConcurrency, the tolerated failures and MaxItems;
for the others it follows the nearest of these.
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.errors import ItemReaderFailedError, QueryEvaluationError, StatesError, StatesRuntimeError
from sfn_local.language.intrinsics import compile_intrinsic, is_intrinsic
from sfn_local.language.json_text import compact
from sfn_local.language.jsonata import Expression, compile_expression, is_expression, states_of
from sfn_local.language.paths import Finder, MissingPathError, Path, compile_path
from sfn_local.language.scope import Scope
from sfn_local.language.timestamps import parse_timestamp

Setting = Callable[[Json, Scope], Json]  # (effective input, scope) -> checked value; raises only StatesError
Check = Callable[[str, Json], str | None]  # (field, number) -> what is wrong with it, or None

INTEGER, LONG, FLOAT, TIMESTAMP, TEXT = "integer", "long", "float", "timestamp", "text"


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of value that a field holds.

    Attributes
    ----------
    form : str
        ``long``: seconds; ``integer`` and ``float``: counts and percentages, also as text; ``timestamp``; ``text``.
    """

    form: str
    least: float = 0
    most: float = math.inf


# No count of AWS's documentation comes near; more than this, SQLite can't keep.
MAX_COUNT = 2**63 - 1

KINDS: Mapping[str, Kind] = {
    "Seconds": Kind(LONG, most=99_999_999),
    "TimeoutSeconds": Kind(LONG, least=1, most=99_999_999),
    "HeartbeatSeconds": Kind(LONG, least=1, most=99_999_999),
    "Timestamp": Kind(TIMESTAMP),
    "Error": Kind(TEXT),
    "Cause": Kind(TEXT),
    "MaxConcurrency": Kind(INTEGER, most=MAX_COUNT),
    "ToleratedFailureCount": Kind(INTEGER, most=MAX_COUNT),
    "ToleratedFailurePercentage": Kind(FLOAT, most=100),
    "MaxItems": Kind(INTEGER, most=MAX_COUNT),
    "MaxItemsPerBatch": Kind(INTEGER, least=1, most=MAX_COUNT),
    "MaxInputBytesPerBatch": Kind(INTEGER, least=1, most=262_144),
}


def compile_setting(fields: Mapping[str, Json], name: str, is_jsonata: bool) -> Setting | None:
    """Compile one field of `KINDS`; None if it is absent under both names.

    Notes
    -----
    The fields were checked already, so a literal is taken as it is.
    """
    kind = KINDS[name]
    if f"{name}Path" in fields:
        return _path_setting(name, kind, fields[f"{name}Path"])
    if name not in fields:
        return None
    value = fields[name]
    if is_jsonata and is_expression(value):
        return _jsonata_setting(name, kind, compile_expression(value, name))
    return lambda _document, _scope: value


def _path_setting(name: str, kind: Kind, text: str) -> Setting:
    field = f"{name}Path"
    if kind.form == TEXT:
        return _text_setting(field, text)
    path = compile_path(text)
    if kind.form == TIMESTAMP:
        return _timestamp_path(field, path)
    read = _read_long if kind.form == LONG else _read_number

    def setting(document: Json, scope: Scope) -> Json:
        return _checked(name, kind, read(field, kind, path, _selected(field, path, document, scope)), path)

    return setting


def _selected(field: str, path: Path, document: Json, scope: Scope) -> Json:
    if field != "SecondsPath":
        return path.select(document, scope)
    try:
        return path.find(document, scope)
    except MissingPathError:  # recorded: a Wait state has words of its own
        raise StatesRuntimeError(f"The {field} parameter does not reference an input value: {path.text}") from None


def _text_setting(field: str, text: str) -> Setting:
    find: Finder
    if is_intrinsic(text):
        find = compile_intrinsic(text)
    else:
        path = compile_path(text)

        def find(document: Json, scope: Scope) -> Json:
            return path.select_for(field, document, scope)

    def setting(document: Json, scope: Scope) -> Json:
        value = find(document, scope)
        if not isinstance(value, str):
            raise StatesRuntimeError(f"The {field} parameter does not reference a string: {text} == {compact(value)}")
        return value

    return setting


def _timestamp_path(field: str, path: Path) -> Setting:
    def setting(document: Json, scope: Scope) -> Json:
        value = path.select(document, scope)
        if not isinstance(value, str) or parse_timestamp(value) is None:
            raise StatesRuntimeError(
                f"The {field} parameter does not reference a valid ISO-8601 extended offset date-time format string:"
                f" {path.text} == {_show(value)}"
            )
        return value

    return setting


def _show(value: Json) -> str:
    return value if isinstance(value, str) else compact(value)


def _read_long(field: str, kind: Kind, path: Path, value: Json) -> Json:
    del kind
    try:
        return int(_show(value))
    except ValueError:
        raise StatesRuntimeError(
            f"The {field} parameter cannot be parsed as a long value: {path.text} == {_show(value)}"
        ) from None


def _read_number(field: str, kind: Kind, path: Path, value: Json) -> Json:
    """A count or percentage, also from a text such as "1" (recorded)."""
    text = _show(value)
    with contextlib.suppress(ValueError):
        if kind.form == INTEGER:
            return int(text)
        if not math.isnan(number := float(text)):
            return number
    raise StatesRuntimeError(
        f'The {field} field refers to value "{text}" which is not a valid {kind.form}: {path.text}'
    )


def _checked(name: str, kind: Kind, value: Json, path: Path | None = None) -> Json:
    if kind.least <= value <= kind.most:
        return value
    raise _out_of_range(name, kind, value, path)


def _out_of_range(name: str, kind: Kind, value: Json, path: Path | None) -> StatesError:
    if kind.most == MAX_COUNT and value > MAX_COUNT:
        reason = f"{name} must be at most {MAX_COUNT}, got {_show(value)[:80]}"
        return StatesRuntimeError(reason) if path is not None else QueryEvaluationError(reason)
    if name == "MaxItems":
        return ItemReaderFailedError("field MaxItems must be positive")
    if kind.form == LONG and path is not None and value < 0:
        return StatesRuntimeError(
            f"The {name}Path parameter references a negative value: {path.text} == {_show(value)}"
        )
    if name == "MaxConcurrency":
        reason = f"Expected non-negative integer for MaxConcurrency, got '{value}' instead."
    elif kind.most == MAX_COUNT and kind.least == 0:
        reason = f"{name} cannot be negative."
    else:
        reason = _range_text(name, kind)
    return StatesRuntimeError(reason) if path is not None else QueryEvaluationError(reason)


def _range_text(name: str, kind: Kind) -> str:
    if kind.most == MAX_COUNT:
        return f"{name} must be {kind.least:g} or more."
    return f"{name} must be between {kind.least:g} and {kind.most:.0f}."


def _jsonata_setting(name: str, kind: Kind, expression: Expression) -> Setting:
    if kind.form in (TEXT, TIMESTAMP):
        return _jsonata_text(name, kind, expression)

    def setting(document: Json, scope: Scope) -> Json:
        value = expression.expect("number", states_of(document, scope), scope)
        if kind.form != FLOAT and isinstance(value, float):
            if not value.is_integer():
                raise QueryEvaluationError(f"The {name} field must be an integer but was: {compact(value)}")
            value = int(value)
        return _checked(name, kind, value)

    return setting


def _jsonata_text(name: str, kind: Kind, expression: Expression) -> Setting:
    def setting(document: Json, scope: Scope) -> Json:
        value = expression.expect("string", states_of(document, scope), scope)
        if kind.form == TIMESTAMP and parse_timestamp(value) is None:
            raise QueryEvaluationError(
                f"The {name} field cannot be parsed as an ISO-8601 extended offset date-time format string: {value}"
            )
        return value

    return setting
