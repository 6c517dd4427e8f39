r"""Results of workloads as JSON text that keeps their types: what is read back is what was written, bit by bit.

JSON values stand as they are.  For others stands an object of one member, whose name begins with ``$``; a dict that
could be taken for one of these is wrapped in another::

    {"$npy": "<base64>"}               array of numpy: the bytes of a .npy file
    {"$scalar": ["<f8", "<base64>"]}   scalar of numpy: its dtype and its bytes
    {"$bytes": "<base64>"}
    {"$tuple": [...]}
    {"$dict": {"$...": ...}}

Long bytes and arrays are objects of their own (``lambdas.values.blocks``), in whose place a pointer stands::

    {"$npy": {"key": "runs/<name>/parts/...", "bytes": int, "sha256": str}}
"""

import base64
import io
import math
from collections.abc import Callable
from typing import Any

from lambdas.run_files import json_text
from lambdas.run_files.json_text import shown
from lambdas.values import numpy_values
from lambdas.values.blocks import Blocks
from lambdas.values.numpy_values import is_array

# Prefix of every tag, in the text.
MARK = '"$'
# From the name of a tag and the pointer to an object to its value.
Load = Callable[[str, Any], Any]


def encode(value: Any, blocks: Blocks) -> str:
    """Return the text of a value that came from a workload; what is too long for it is added to ``blocks``.

    Raises
    ------
    TypeError, ValueError
        If it holds what can't be kept; named by its type, with what to make of it.
    """
    try:
        return json_text.to_text(_tagged(value, blocks))
    except RecursionError as error:
        raise ValueError("a result is nested too deeply, or within itself") from error


def _tagged(value: Any, blocks: Blocks) -> Any:
    kind = type(value)
    if kind in json_text.PLAIN_TYPES:
        return value
    if kind is float:
        return _finite(value)
    if kind is list:
        return [_tagged(element, blocks) for element in value]
    if kind is dict:
        members = {_key(key): _tagged(element, blocks) for key, element in value.items()}
        return {"$dict": members} if _is_tag(members) else members
    tag, content = _other(value, blocks)
    return {tag: content}


def _other(value: Any, blocks: Blocks) -> tuple[str, Any]:
    """Return the tag of a value that is not JSON, and what stands for the value."""
    if type(value) is tuple:
        return "$tuple", [_tagged(element, blocks) for element in value]
    if type(value) is bytes:
        return "$bytes", blocks.add(".bin", len(value), lambda write: write(value))
    if is_array(value):
        return "$npy", blocks.add(".npy", value.nbytes, lambda write: numpy_values.write_npy(value, write))
    return "$scalar", [value.dtype.str, base64.b64encode(value.tobytes()).decode()]


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not JSON: make it None, or numpy.float64(value)")
    return value


def _key(key: Any) -> str:
    if type(key) is not str:
        raise TypeError(
            f"JSON keys are text, got the key {shown(key)} of type {type(key).__name__}: "
            "make it {str(key): element for key, element in value.items()}"
        )
    return key


def _is_tag(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")


def copied(value: Any) -> Any:
    """Return what ``decode`` would give of ``encode``: a copy that shares nothing that can change.

    Raises
    ------
    TypeError, ValueError
        As ``encode``.
    """
    try:
        return _copied(value)
    except RecursionError as error:
        raise ValueError("a result is nested too deeply, or within itself") from error


def _copied(value: Any) -> Any:
    kind = type(value)
    if kind in json_text.PLAIN_TYPES or kind is bytes:
        return value
    if kind is float:
        return _finite(value)
    if kind is list:
        return [_copied(element) for element in value]
    if kind is dict:
        return {_key(key): _copied(element) for key, element in value.items()}
    if kind is tuple:
        return tuple(map(_copied, value))
    return numpy_values.copied(value)


def decode(text: str, load: Load) -> Any:
    """Return the value of a text that ``encode`` made.

    Raises
    ------
    ValueError
        If it is not one.
    """
    value = json_text.parse(text)
    return untagged(value, load) if MARK in text else value


def untagged(value: Any, load: Load) -> Any:
    """Return the value that a tree with tags stands for.

    Raises
    ------
    ValueError
        If a tag is unknown, or does not have what it needs.
    """
    if isinstance(value, list):
        return [untagged(element, load) for element in value]
    if not isinstance(value, dict):
        return value
    if not _is_tag(value):
        return {key: untagged(element, load) for key, element in value.items()}
    [(tag, content)] = value.items()
    return _of_tag(tag, content, load)


def _of_tag(tag: str, content: Any, load: Load) -> Any:
    value: Any
    match tag, content:
        case "$dict", dict():
            value = {key: untagged(element, load) for key, element in content.items()}
        case "$tuple", list():
            value = tuple(untagged(element, load) for element in content)
        case "$scalar", [str(dtype), str(data)]:
            value = _scalar(dtype, data)
        case "$bytes", str():
            value = base64.b64decode(content, validate=True)
        case "$npy", str():
            value = numpy_values.read_npy(io.BytesIO(base64.b64decode(content, validate=True)))
        case (("$bytes" | "$npy"), dict()):
            value = load(tag, content)
        case _:
            raise ValueError(f"{shown({tag: content})} is no value of a result")
    return value


def _scalar(dtype: str, data: str) -> Any:
    try:
        return numpy_values.read_scalar(dtype, base64.b64decode(data, validate=True))
    except TypeError as error:
        raise ValueError(f"{shown(dtype)} is no dtype of a scalar") from error


def readable(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Return a tree for other programs: without the tags of tuples and of scalars that JSON has a value for."""
    if isinstance(value, list):
        return [readable(element) for element in value]
    if not isinstance(value, dict):
        return value
    if not _is_tag(value):
        return {key: readable(element) for key, element in value.items()}
    [(tag, content)] = value.items()
    match tag:
        case "$tuple":
            return readable(content)
        case "$dict":
            return {tag: {key: readable(element) for key, element in content.items()}}
        case "$scalar":
            return _number(value, *content)
    return value


def _number(value: Any, dtype: str, data: str) -> Any:
    try:
        return numpy_values.as_json(_scalar(dtype, data))
    except ValueError:
        return value


def as_json(value: Any) -> Any:
    """Return a result as plain JSON: tuples and arrays as lists, scalars as numbers or text.

    Raises
    ------
    ValueError
        If JSON can't hold it.
    """
    kind = type(value)
    if kind in json_text.PLAIN_TYPES or kind is float:
        return value
    if kind in (list, tuple):
        return [as_json(element) for element in value]
    if kind is dict:
        return {key: as_json(element) for key, element in value.items()}
    if kind is bytes:
        raise ValueError("JSON has no bytes")
    return numpy_values.as_json(value)


def shown_whole(value: Any) -> str:
    """Return a result for a person: as JSON, or as Python writes it where JSON can't hold it."""
    try:
        return json_text.to_text(as_json(value))
    except (TypeError, ValueError, RecursionError):
        return repr(value)
