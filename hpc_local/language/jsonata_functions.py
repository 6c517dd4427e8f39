"""The functions that the service adds to JSONata: $partition, $range, $hash, $random, $uuid, $parse; and no $eval.

Differs from AWS: the wording of what a function refuses is ours.
"""

import hashlib
import json
import math
import random
import uuid
from collections.abc import Callable
from typing import Any

from jsonata.jexception import JException
from jsonata.utils import Utils

from hpc_local.language.intrinsic_functions import HASHES

_UNDEFINED = None  # how the library hands over an argument that has no value


def _refuse(name: str, reason: str) -> JException:
    # D3137 carries a free message, as $error does
    return JException("D3137", 0, f"the function ${name} {reason}")


def _whole(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return math.floor(value + 0.5)
    raise _refuse(name, f"takes numbers, got {value!r}")


def _partition(array: Any = _UNDEFINED, size: Any = _UNDEFINED) -> Any:
    if array is _UNDEFINED:
        return _UNDEFINED
    if not isinstance(array, list):
        raise _refuse("partition", f"takes an array, got {array!r}")
    chunk = _whole("partition", size)
    if chunk < 1:
        raise _refuse("partition", f"takes a size of 1 or more, got {chunk}")
    return [array[start : start + chunk] for start in range(0, len(array), chunk)]


def _range(first: Any = _UNDEFINED, last: Any = _UNDEFINED, step: Any = _UNDEFINED) -> Any:
    start, end, stride = (_whole("range", value) for value in (first, last, step))
    if stride == 0:
        raise _refuse("range", "takes a step other than 0")
    numbers = range(start, end + (1 if stride > 0 else -1), stride)
    return Utils.create_sequence_from_iter(numbers)  # recorded: a range of one number is that number


def _hash(text: Any = _UNDEFINED, algorithm: Any = _UNDEFINED) -> Any:
    if text is _UNDEFINED:
        return _UNDEFINED
    if not isinstance(text, str):
        raise _refuse("hash", f"takes a string, got {text!r}")
    name = HASHES.get(algorithm) if isinstance(algorithm, str) else None
    if name is None:
        raise _refuse("hash", f"takes one of {', '.join(HASHES)}, got {algorithm!r}")
    return hashlib.new(name, text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _random(seed: Any = _UNDEFINED) -> Any:
    if seed is _UNDEFINED:
        return random.SystemRandom().random()
    return random.Random(_whole("random", seed)).random()  # noqa: S311  the language asks for a seed


def _uuid() -> Any:
    return str(uuid.uuid4())


def _parse(text: Any = _UNDEFINED) -> Any:
    if text is _UNDEFINED:
        return _UNDEFINED
    if not isinstance(text, str):
        raise _refuse("parse", f"takes a string, got {text!r}")
    try:
        return _nulls(json.loads(text, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise _refuse("parse", f"takes JSON text, got {text[:60]!r}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _nulls(value: Any) -> Any:
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _nulls(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_nulls(item) for item in value]
    return value


def _no_eval(*_arguments: Any) -> Any:
    raise JException("T1006", 0)  # what calling a name that is no function gives: the service has no $eval


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eval": _no_eval,
    "hash": _hash,
    "parse": _parse,
    "partition": _partition,
    "random": _random,
    "range": _range,
    "uuid": _uuid,
}
