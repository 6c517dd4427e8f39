"""Functions that the service adds to JSONata ($partition, $range, $hash, $random, $uuid, $parse) or answers otherwise.

What each does with missing and odd arguments was measured on the service and published by others.  ``$eval`` doesn't
exist there.

Differs from AWS: ``$parseInteger`` is the library's, and so is ``$formatNumber`` with a picture that is right.
"""

import hashlib
import json
import math
import re
import uuid
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.jexception import JException

from sfn_local.language.errors import QueryEvaluationError
from sfn_local.language.intrinsic_functions import HASHES
from sfn_local.language.java_random import JavaRandom
from sfn_local.language.jsonata_pictures import check_picture
from sfn_local.language.jsonata_values import from_double, sequence, to_jsonata, value_text

# Source: JSONata's own pattern of the timestamps that $toMillis reads without a picture.
_ISO_8601 = re.compile(
    r"\d{4}(-[01]\d)*(-[0-3]\d)*(T[0-2]\d:[0-5]\d:[0-5]\d)*(\.\d+)?([+-][0-2]\d:?[0-5]\d|Z)?", re.ASCII
)

# Source: JSONata's own patterns of what $number reads.
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([Ee][-+]?[0-9]+)?")
_INTEGER_OF_BASE = re.compile(r"0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+")

# Recorded: 262,143 characters are added, 262,145 are not.
MAX_PADDED_CHARACTERS = 262_144
MEMORY_LIMIT = "Expression evaluation memory limit exceeded: Check for excessive memory usage"

_UNDEFINED = None  # how the library hands over an argument that has no value


def _message(text: str) -> JException:
    return JException("D3137", -1, text)  # the code that carries a free message, as $error's does


def _mismatch(function: str, position: int) -> JException:
    return JException("T0410", -1, position, function)


def _whole(value: Any, function: str, position: int) -> int:
    """A number cut towards zero."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value)
    raise _mismatch(function, position)


def _partition(array: Any = _UNDEFINED, size: Any = _UNDEFINED) -> Any:
    if array is _UNDEFINED:
        return _UNDEFINED
    if not isinstance(array, list):
        raise JException("T0412", -1, 1, "partition", "undefined")
    if not array:
        return _UNDEFINED
    if size is _UNDEFINED:
        return [array]
    chunk = _whole(size, "partition", 2)
    if chunk < 0:
        raise _message("Second argument must be zero or greater")
    if chunk == 0:
        return _UNDEFINED
    return [array[start : start + chunk] for start in range(0, len(array), chunk)]


def _range(first: Any = _UNDEFINED, last: Any = _UNDEFINED, step: Any = _UNDEFINED) -> Any:
    start, end = _whole(first, "range", 1), _whole(last, "range", 2)
    if step is _UNDEFINED:
        return _UNDEFINED
    stride = _whole(step, "range", 3)
    if stride == 0:
        return _UNDEFINED
    numbers = range(start, end + (1 if stride > 0 else -1), stride)
    return sequence(numbers)  # recorded: a range of one number is that number; of none, nothing


def _hash(text: Any = _UNDEFINED, algorithm: Any = _UNDEFINED) -> Any:
    if not isinstance(text, str):
        raise _mismatch("hash", 1)
    if algorithm is _UNDEFINED:
        return _UNDEFINED
    if not isinstance(algorithm, str):
        raise _mismatch("hash", 2)
    name = HASHES.get(algorithm)
    if name is None:
        raise _message(f"Hash algorithm '{algorithm}' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5")
    return hashlib.new(name, text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _random(seed: Any = _UNDEFINED) -> Any:
    return JavaRandom(None if seed is _UNDEFINED else _whole(seed, "random", 1)).next_double()


def _uuid() -> Any:
    return str(uuid.uuid4())


def _parse(text: Any = _UNDEFINED) -> Any:
    if text is _UNDEFINED:
        return _UNDEFINED
    if not isinstance(text, str):
        raise _mismatch("parse", 1)
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object, parse_float=_double)
    except (ValueError, RecursionError):
        raise _message("Invalid JSON") from None
    return to_jsonata(value)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _double(text: str) -> Any:
    return from_double(float(text))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands twice")
    return members


def _string(value: Any = _UNDEFINED, prettify: Any = _UNDEFINED) -> Any:
    return _UNDEFINED if value is _UNDEFINED else value_text(value, is_pretty=bool(prettify))


def _replace(
    text: Any = _UNDEFINED, pattern: Any = _UNDEFINED, replacement: Any = _UNDEFINED, limit: Any = _UNDEFINED
) -> Any:
    if text is _UNDEFINED:
        return _UNDEFINED
    if pattern == "":
        raise JException("D3010", -1)
    most = -1 if limit is _UNDEFINED else _whole(limit, "replace", 4)
    if limit is not _UNDEFINED and most < 0:
        raise JException("D3011", -1)
    if isinstance(pattern, str):
        if not isinstance(replacement, str):
            raise _mismatch("replace", 3)
        return text.replace(pattern, replacement, most)
    return "".join(_replaced(text, pattern, replacement, most))


def _replaced(text: str, pattern: Any, replacement: Any, most: int) -> Iterator[str]:
    position = 0
    for count, match in enumerate(pattern.finditer(text)):
        if count == most:
            break
        if not match.group():
            raise JException("D1004", -1)
        yield text[position : match.start()]
        yield _expanded(replacement, match) if isinstance(replacement, str) else _called(replacement, match)
        position = match.end()
    yield text[position:]


def _called(function: Any, match: Any) -> str:
    found = {"match": match.group(), "start": match.start(), "end": match.end(), "groups": list(match.groups(""))}
    value = Functions.func_apply(function, [found])
    if not isinstance(value, str):
        raise JException("D3012", -1)
    return value


def _expanded(replacement: str, match: Any) -> str:
    """The text with ``$1`` for a group, ``$0`` for the match, ``$$`` for a dollar sign."""
    count = len(match.groups())
    digits = len(str(count))

    def expand(dollar: re.Match[str]) -> str:
        name = dollar[1]
        if name == "$":
            return "$"
        rest = ""
        while int(name) > count and len(name) > 1:  # $12 of a pattern with fewer groups is $1 and a 2
            name, rest = name[:-1], name[-1] + rest
        return (match.group(int(name)) or "" if int(name) <= count else "") + rest

    return re.sub(rf"\$(\$|[0-9]{{1,{digits}}})", expand, replacement)


def _to_millis(text: Any = _UNDEFINED, picture: Any = _UNDEFINED) -> Any:
    if isinstance(text, str) and picture is _UNDEFINED and not _ISO_8601.fullmatch(text):
        raise JException("D3110", -1, text)  # the library reads more than JSONata's own pattern lets through
    try:
        return Functions.datetime_to_millis(text, picture)
    except KeyError as error:  # a component that no picture has
        raise JException("D3132", -1, error.args[0]) from error


def _number(value: Any = _UNDEFINED) -> Any:
    """Return a text's number; the library also reads what only Python takes for one."""
    if value is _UNDEFINED or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, str):
        raise _mismatch("number", 1)
    if _INTEGER_OF_BASE.fullmatch(value):
        return int(value, base=0)
    number = float(value) if _DECIMAL.fullmatch(value) else math.nan
    if not math.isfinite(number):
        raise JException("D3030", -1, value)
    return from_double(number)


def _contains(text: Any = _UNDEFINED, pattern: Any = _UNDEFINED) -> Any:
    return _UNDEFINED if text is _UNDEFINED or pattern is _UNDEFINED else Functions.contains(text, pattern)


def _error(message: Any = _UNDEFINED) -> Any:
    if message is not _UNDEFINED and not isinstance(message, str):
        raise _mismatch("error", 1)
    return Functions.error(message)


def _pad(text: Any = _UNDEFINED, width: Any = _UNDEFINED, character: Any = _UNDEFINED) -> Any:
    if isinstance(text, str) and isinstance(width, int | float) and abs(width) - len(text) > MAX_PADDED_CHARACTERS:
        raise QueryEvaluationError(f"threw an error during evaluation: {MEMORY_LIMIT}")
    return Functions.pad(text, width, character)


def _sort(array: Any = _UNDEFINED, comparator: Any = _UNDEFINED) -> Any:
    if array is _UNDEFINED or len(array) <= 1:
        return array
    if comparator is not _UNDEFINED:

        def is_after(left: Any, right: Any) -> bool:
            result = Functions.func_apply(comparator, [left, right])
            return result > 0 if isinstance(result, int | float) else Jsonata.boolize(result)

        return sorted(array, key=lambda item: _Ranked(item, is_after))
    if all(isinstance(item, str) for item in array):
        return sorted(array, key=lambda text: text.encode("utf-16-be", "surrogatepass"))  # as JavaScript compares
    if all(isinstance(item, int | float) and not isinstance(item, bool) for item in array):
        return sorted(array)
    raise JException("D3070", -1)


class _Ranked:
    """An item that sorts after another only if the comparator says so: what is equal to it stays where it was."""

    __slots__ = ("_is_after", "_item")

    def __init__(self, item: Any, is_after: Callable[[Any, Any], bool]) -> None:
        self._item = item
        self._is_after = is_after

    def __lt__(self, other: "_Ranked") -> bool:
        return self._is_after(other._item, self._item)


def _format_number(value: Any = _UNDEFINED, picture: Any = _UNDEFINED, options: Any = _UNDEFINED) -> Any:
    if value is _UNDEFINED:
        return _UNDEFINED
    check_picture(picture, options or {})
    return Functions.format_number(value, picture, options)


def _bound(implementation: Callable[..., Any], signature: str) -> Any:
    return Jsonata.JFunction(Jsonata.JLambda(implementation), signature)


@lru_cache(1)
def functions() -> dict[str, Any]:
    """Return the functions to bind for a compiled expression; each keeps the name that it is bound to."""
    return {
        "eval": _UNDEFINED,  # calling it then fails as calling any unknown name does
        "contains": _bound(_contains, "<s-(sf):b>"),
        "error": _bound(_error, "<x?:x>"),
        "formatNumber": _bound(_format_number, "<n-so?:s>"),
        "hash": _bound(_hash, "<x?x?:x>"),
        "number": _bound(_number, "<(nsb)-:n>"),
        "pad": _bound(_pad, "<s-ns?:s>"),
        "parse": _bound(_parse, "<x?:x>"),
        "partition": _bound(_partition, "<x?x?:x>"),
        "random": _bound(_random, "<x?:x>"),
        "replace": _bound(_replace, "<s-(sf)(sf)n?:s>"),
        "sort": _bound(_sort, "<af?:a>"),
        "range": _bound(_range, "<x?x?x?:x>"),
        "string": _bound(_string, "<x-b?:s>"),
        "toMillis": _bound(_to_millis, "<s-s?:n>"),
        "uuid": _bound(_uuid, "<:x>"),
    }
