"""Checks of single values in a definition: texts, numbers, names, paths, templates, expressions."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.comparisons import is_number, is_timestamp
from sfn_local.language.intrinsics import IntrinsicSyntaxError, compile_intrinsic, is_intrinsic
from sfn_local.language.invalid import InvalidDefinition
from sfn_local.language.json_text import compact, has_half
from sfn_local.language.jsonata import JsonataSyntaxError, compile_expression, is_expression
from sfn_local.language.jsonata import compile_template as compile_jsonata
from sfn_local.language.paths import PathSyntaxError, compile_path
from sfn_local.language.settings import FLOAT, KINDS, MAX_COUNT, TEXT, TIMESTAMP
from sfn_local.language.templates import TemplateSyntaxError, compile_template

# Source: AWS documentation, "Step Functions service quotas" and "Passing data between states with variables"
MAX_NAME_CHARACTERS = 80
MAX_LABEL_CHARACTERS = 40
MAX_INTERVAL_SECONDS = 99_999_999
MAX_DELAY_SECONDS = 31_622_399
MAX_ATTEMPTS = 99_999_999

_LABEL = re.compile(r"[^\s?*<>{}\[\]:;,\\|^~$#%&`\"/\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Where:
    """Place of a value in a definition, and what it stands in.

    Attributes
    ----------
    place : str
        JSON pointer.
    field : str
        Name of the field, for checks that depend on it.
    """

    place: str
    field: str
    is_jsonata: bool

    def at(self, key: str | int) -> "Where":
        """The place one level down."""
        return Where(f"{self.place}/{key}", str(key), self.is_jsonata)


Check = Callable[[Json, Where], None]


def refuse(where: Where, expected: str, value: Json) -> InvalidDefinition:
    """The error of a value that is not what its field takes."""
    text = compact(value)
    return InvalidDefinition(where.place, f"must be {expected}, got {text if len(text) <= 80 else text[:77] + '...'}")


def check_any(_value: Json, _where: Where) -> None:
    """Any JSON value."""


def check_text(value: Json, where: Where) -> None:
    """A string."""
    if not isinstance(value, str):
        raise refuse(where, "a string", value)


def check_texts(value: Json, where: Where) -> None:
    """A non-empty array of strings."""
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise refuse(where, "a non-empty array of strings", value)


def check_boolean(value: Json, where: Where) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise refuse(where, "true or false", value)


def check_name(name: str, where: Where) -> None:
    """A state's name."""
    if not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise refuse(where, f"a name of 1 to {MAX_NAME_CHARACTERS} characters", name)
    if has_half(name):
        raise refuse(where, "a name without halves of surrogate pairs, which are not Unicode", name)


def check_label(value: Json, where: Where) -> None:
    """A Map Run's label."""
    if not isinstance(value, str) or len(value) > MAX_LABEL_CHARACTERS or not _LABEL.fullmatch(value):
        raise refuse(
            where, f"a label of 1 to {MAX_LABEL_CHARACTERS} characters without space, wildcard or special ones", value
        )


def one_of(*allowed: str) -> Check:
    """A check for one of a few strings."""

    def check(value: Json, where: Where) -> None:
        if value not in allowed or not isinstance(value, str):
            raise refuse(where, f"one of {', '.join(allowed)}", value)

    return check


def check_integer(value: Json, where: Where, least: float, most: float) -> None:
    """A whole number in a range."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise refuse(where, f"an integer {_range(least, most)}", value)


def check_number(value: Json, where: Where, least: float, most: float) -> None:
    """A number in a range."""
    if not is_number(value) or not least <= value <= most:
        raise refuse(where, f"a number {_range(least, most)}", value)


def _range(least: float, most: float) -> str:
    return f"of {least:g} or more" if most in (float("inf"), MAX_COUNT) else f"from {least:g} to {most:.0f}"


def integer_between(least: int, most: int) -> Check:
    """A check for a whole number in a range."""
    return lambda value, where: check_integer(value, where, least, most)


def number_from(least: float) -> Check:
    """A check for a number that is not less."""
    return lambda value, where: check_number(value, where, least, float("inf"))


def check_path(value: Json, where: Where) -> None:
    """A JSONPath."""
    check_text(value, where)
    try:
        compile_path(value)
    except PathSyntaxError as error:
        raise InvalidDefinition(where.place, str(error)) from None


def check_path_or_null(value: Json, where: Where) -> None:
    """A JSONPath, or null for an empty object."""
    if value is not None:
        check_path(value, where)


def check_reference_path_or_null(value: Json, where: Where) -> None:
    """A path that names one place in the input, or null."""
    if value is None:
        return
    check_path(value, where)
    if not compile_path(value).is_reference:
        raise refuse(where, "a reference path ($ followed by members and indices) or null", value)


def check_template(value: Json, where: Where) -> None:
    """A payload template."""
    try:
        compile_template(value)
    except TemplateSyntaxError as error:
        raise InvalidDefinition(where.place + error.place, error.reason) from None


def check_jsonata(value: Json, where: Where) -> None:
    """A JSON value with JSONata in it."""
    try:
        compile_jsonata(value, where.field)
    except JsonataSyntaxError as error:
        raise InvalidDefinition(where.place + error.place, error.reason) from None


def check_by_language(value: Json, where: Where) -> None:
    """A template in JSONPath; a value with expressions in JSONata."""
    (check_jsonata if where.is_jsonata else check_template)(value, where)


def check_items(value: Json, where: Where) -> None:
    """Items of a JSONata Map state: an array, or an expression that gives one."""
    if not isinstance(value, list) and not is_expression(value):
        raise refuse(where, "an array or a JSONata expression between {% and %}", value)
    check_jsonata(value, where)


def check_condition(value: Json, where: Where) -> None:
    """A JSONata rule's Condition."""
    if isinstance(value, bool):
        return
    if not is_expression(value):
        raise refuse(where, "a boolean or a JSONata expression between {% and %}", value)
    check_jsonata(value, where)


def check_assign(value: Json, where: Where) -> None:
    """Variables and their values."""
    if not isinstance(value, dict):
        raise refuse(where, "an object of variables", value)
    for key in value:
        name = key.removesuffix(".$") if not where.is_jsonata else key
        if not name.isidentifier() or len(name) > MAX_NAME_CHARACTERS:
            raise refuse(where.at(key), f"a variable name (letters, digits, _; at most {MAX_NAME_CHARACTERS})", name)
        if name == "states":
            raise refuse(where.at(key), "a name other than the reserved states", name)
    check_by_language(value, where)


def check_setting(value: Json, where: Where) -> None:
    """A literal of `KINDS`, or in JSONata an expression."""
    if where.is_jsonata and is_expression(value):
        try:
            compile_expression(value, where.field)
        except JsonataSyntaxError as error:
            raise InvalidDefinition(where.place, error.reason) from None
        return
    kind = KINDS[where.field]
    if kind.form == TEXT:
        check_text(value, where)
    elif kind.form == TIMESTAMP:
        if not is_timestamp(value):
            raise refuse(where, "a timestamp such as 2016-03-14T01:59:00Z", value)
    elif kind.form == FLOAT:
        check_number(value, where, kind.least, kind.most)
    else:
        check_integer(value, where, kind.least, kind.most)


def check_setting_path(value: Json, where: Where) -> None:
    """The path form of a setting; Error and Cause may also call an intrinsic function."""
    if isinstance(value, str) and is_intrinsic(value) and KINDS[where.field.removesuffix("Path")].form == TEXT:
        try:
            compile_intrinsic(value)
        except IntrinsicSyntaxError as error:
            raise InvalidDefinition(where.place, str(error)) from None
        return
    check_path(value, where)


def check_json_pointer(value: Json, where: Where) -> None:
    """Check the JSON pointer to the array in a reader's file."""
    if not isinstance(value, str) or not re.fullmatch(r"(?:/(?:[^~/]|~[01])*)*", value):
        raise refuse(where, "a JSON pointer such as /data/items", value)


def check_exclusive(fields: Mapping[str, Json], names: Sequence[str], is_required: bool, where: Where) -> None:
    """At most, or exactly, one of these fields."""
    given = [name for name in names if name in fields]
    if len(given) > 1:
        raise InvalidDefinition(where.place, f"must have only one of {', '.join(names)}, got {', '.join(given)}")
    if is_required and not given:
        raise InvalidDefinition(where.place, f"must have one of {', '.join(names)}, got none")
