"""Functions that the service adds to JSONata ($partition, $range, $hash, $random, $uuid, $parse) or answers otherwise.

What each does with missing and odd arguments was measured on the service and published by others.  ``$eval`` doesn't
exist there.

Differs from AWS: ``$parseInteger`` and ``$formatNumber`` are the library's.
"""

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from jsonata import Jsonata
from jsonata.jexception import JException

from sfn_local.language.intrinsic_functions import HASHES
from sfn_local.language.java_random import JavaRandom
from sfn_local.language.jsonata_values import from_double, sequence, to_jsonata, value_text

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


def _bound(implementation: Callable[..., Any], signature: str) -> Any:
    return Jsonata.JFunction(Jsonata.JLambda(implementation), signature)


def functions() -> dict[str, Any]:
    """What to bind for one compiled expression; a function of the library keeps the name it is bound to."""
    return {
        "eval": _UNDEFINED,  # calling it then fails as calling any unknown name does
        "hash": _bound(_hash, "<x?x?:x>"),
        "parse": _bound(_parse, "<x?:x>"),
        "partition": _bound(_partition, "<x?x?:x>"),
        "random": _bound(_random, "<x?:x>"),
        "range": _bound(_range, "<x?x?x?:x>"),
        "string": _bound(_string, "<x-b?:s>"),
        "uuid": _bound(_uuid, "<:x>"),
    }
