"""JSON values and their text: exact integers, no NaN, nothing that JSON would bend into something else."""

import json
import math
from typing import Any, NoReturn

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
SHOWN_CHARACTERS = 80
# Asked first, because it is asked for every item.
PLAIN_TYPES = frozenset({type(None), bool, int, str})


def to_text(value: Any) -> str:
    """Return compact ASCII JSON text.

    Raises
    ------
    ValueError, TypeError
        If ``value`` is not JSON (NaN and infinity are not).
    """
    return _ENCODER.encode(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def parse(text: str) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If it is not JSON, names NaN or an infinity, or is nested too deeply for Python's parser.
    """
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        # Without json's own line number: most texts here are a line of a file, which has another one.
        raise ValueError(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def check_value(value: Any) -> None:
    """Refuse what JSON cannot carry unchanged: a tuple would come back as a list, an integer key as text.

    Raises
    ------
    TypeError, ValueError
        Named with the offending type or number.
    """
    if type(value) in PLAIN_TYPES or isinstance(value, int | str):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
    elif isinstance(value, list):
        for element in value:
            check_value(element)
    elif isinstance(value, dict):
        for key, element in value.items():
            if not isinstance(key, str):
                raise TypeError(f"JSON keys are text, got the key {shown(key)} of type {type(key).__name__}")
            check_value(element)
    else:
        raise TypeError(
            f"a JSON value is None, bool, int, float, str, list or dict, got {type(value).__module__}."
            f"{type(value).__qualname__}"
        )


def checked_text(value: Any) -> str:
    """Return the text of a value that came from a workload.

    Raises
    ------
    TypeError, ValueError
        As ``check_value``.
    """
    try:
        check_value(value)
        return to_text(value)
    except RecursionError as error:
        raise ValueError("a JSON value is nested too deeply, or within itself") from error


def shown(value: Any) -> str:
    """Return a value for an error message: as JSON where it is JSON, shortened."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = object.__repr__(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
