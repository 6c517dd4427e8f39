"""JSON values as the compact text whose bytes the service counts, and the payload limit."""

import json
import math
import re
import sys
from collections.abc import Iterable

from sfn_local.language import Json
from sfn_local.language.errors import DataLimitExceededError

MAX_PAYLOAD_BYTES = 262_144  # Source: AWS documentation, "Step Functions service quotas": 256 KiB, a hard limit
MAX_VALUE_CHARACTERS = 8 * 1024 * 1024  # measured on the service by others: about 7 MB a value

# Python's own limit of 1,000 frames stops expressions that the service evaluates, so the JSONata library raises it when
# it is imported.  Raised here already, the same data is taken or refused whether or not that has happened.
sys.setrecursionlimit(10_000)

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_SURROGATE = re.compile("[\ud800-\udfff]")


def compact(value: Json) -> str:
    """Write compact JSON; half of a surrogate pair, which UTF-8 has not, as an escape."""
    return escape_halves(_encode(value))


def bounded_json(value: Json) -> str:
    """Write compact JSON of what was evaluated elsewhere.

    Raises
    ------
    MemoryError
        If it is longer than what an evaluation may give.
    """
    text = compact(value)
    if len(text) > MAX_VALUE_CHARACTERS:
        raise MemoryError
    return text


def escape_halves(text: str) -> str:
    """Return JSON text that is Unicode: half of a surrogate pair as an escape, which means the same."""
    return text if text.isascii() else _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def has_half(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, and so is no Unicode."""
    return not text.isascii() and _SURROGATE.search(text) is not None


class NestedTooDeepError(ValueError):
    """JSON is nested deeper than Python reads it."""


def parse(text: str | bytes, *, unique_names: bool = False) -> Json:
    """Parse JSON, strictly: no NaN, no Infinity, no number that Python or a double can't hold.

    Parameters
    ----------
    unique_names : bool
        Refuse an object in which a name stands twice, which JSON leaves open.

    Raises
    ------
    ValueError
        If the text is not such JSON.
    """
    pairs = _unique if unique_names else None
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=pairs)
    except RecursionError:
        raise NestedTooDeepError("nested too deep") from None


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(f"{first_repeated(name for name, _value in pairs)!r} stands twice in one object")
    return members


def first_repeated(names: Iterable[str]) -> str | None:
    """Return the first name that repeats an earlier one, or None."""
    seen = set[str]()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large a number")
    return number


def size_bytes(value: Json) -> int:
    """Bytes of the value's compact text in UTF-8."""
    return text_size_bytes(compact(value))


def text_size_bytes(text: str) -> int:
    """Bytes of a text in UTF-8; half of a surrogate pair counts three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def check_size(text: str, what: str) -> None:
    """Refuse a payload that is over the service's limit.

    Parameters
    ----------
    text : str
        Compact JSON text of the payload.
    what : str
        As the service names it: the state; a service integration's service (``lambda``); a function's ARN.

    Raises
    ------
    DataLimitExceededError
        If the text has more than 256 KiB.
    """
    # four bytes a character at most: most payloads are far too short to count exactly
    if len(text) * 4 > MAX_PAYLOAD_BYTES and text_size_bytes(text) > MAX_PAYLOAD_BYTES:
        raise DataLimitExceededError(
            f"The state/task '{what}' returned a result with a size exceeding"
            " the maximum number of bytes service limit."
        )
