"""Parses and writes JSON with exact integers and without NaN; refuses values that JSON would change."""

import json
import math
import sys
import types
from typing import Any, NoReturn

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
SHOWN_CHARACTERS = 80
# Asked first, because it is asked for every item.
PLAIN_TYPES = frozenset({type(None), bool, int, str})
# 16 MiB of text, with two characters an element at least.
MAX_ELEMENTS = 8 * 1024 * 1024
# Type of a value that is returned by mistake -> hint for the message.
HINTS = {
    types.GeneratorType: ": a generator where a value is due (compute_batch is what yields)",
    types.CoroutineType: ": a coroutine, from a function that is async",
    types.FunctionType: ": a function that was not called",
    tuple: ": make it a list",
    bytes: ": make it text, such as value.hex()",
}


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
    return _decode(DECODER, text)


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    try:
        return decoder.decode(text)
    except json.JSONDecodeError as error:
        # Without json's own line number: most texts here are a line of a file, which has another one.
        raise ValueError(f"{error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def parse_input(text: str) -> Any:
    """Return the value of a JSON text that a person wrote: ``parse``, and nothing in it may change on its way.

    Raises
    ------
    ValueError
        As ``parse``; or for a number that a double can't hold, or a name that stands twice in one object.
    """
    return _decode(_INPUT_DECODER, text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{shortened(text, SHOWN_CHARACTERS)} is too large a number")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        for name, _value in pairs:
            if name in seen:
                raise ValueError(f"{shown(name)} stands twice in one object")
            seen.add(name)
    return members


_INPUT_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_unique)


def plain(value: Any) -> Any:
    """Return an item of a workload as JSON carries it: numpy's scalars and arrays as numbers and lists.

    What JSON would bend into something else is refused: a tuple would come back as a list, an integer key as text.

    Raises
    ------
    TypeError, ValueError
        Named with the offending type or number.
    """
    if type(value) in PLAIN_TYPES:
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        return float(value)
    if isinstance(value, int | str):
        return value
    if isinstance(value, list):
        return [plain(element) for element in value]
    if isinstance(value, dict):
        return {_plain_key(key): plain(element) for key, element in value.items()}
    # A value of numpy's comes from a workload that has imported it.
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return _plain_array(numpy, value)
    raise TypeError(
        f"a JSON value is None, bool, int, float, str, list or dict, or of numpy; got {type(value).__module__}."
        f"{type(value).__qualname__}{HINTS.get(type(value), '')}"
    )


def _plain_key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"JSON keys are text, got the key {shown(key)} of type {type(key).__name__}")
    return key


def _plain_array(numpy: Any, value: Any) -> Any:
    if value.size > MAX_ELEMENTS:
        raise ValueError(f"an array may have {MAX_ELEMENTS} elements, got {value.size} of shape {value.shape}")
    if value.dtype.kind not in "biufOU" or value.dtype == numpy.longdouble:
        raise TypeError(f"an array of {value.dtype} is not JSON: allowed are bool, int, float up to 64 bits, and str")
    if value.dtype.kind == "f" and not numpy.isfinite(value).all():
        raise ValueError(f"an array of shape {value.shape} has {value[~numpy.isfinite(value)].flat[0]}: it is not JSON")
    # Elements of type object may be anything.
    return plain(value.tolist()) if value.dtype.kind == "O" else value.tolist()


def checked_text(value: Any) -> str:
    """Return the text of a value that came from a workload.

    Raises
    ------
    TypeError, ValueError
        As ``plain``.
    """
    try:
        return to_text(plain(value))
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
    return shortened(text, SHOWN_CHARACTERS)


def counted(count: int, noun: str) -> str:
    """Return a number of things for a message: 1 item, 2 items."""
    return f"{count} {noun}{'s' * (count != 1)}"


def shortened(text: str, characters: int) -> str:
    """Return at most so many characters of a text, the last three of them dots where it is longer."""
    return text if len(text) <= characters else f"{text[: characters - 3]}..."
