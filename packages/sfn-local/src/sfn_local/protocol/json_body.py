"""JSON bodies: from text to parameters of a modelled shape, and from a result to text."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sfn_local.language.json_text import first_repeated


def loads_strictly(body: bytes) -> Any:
    """Parse JSON text, refusing what it leaves open: duplicate names, NaN and Infinity.

    Raises
    ------
    ValueError
        With a message that is fit for the caller.
    """
    try:
        return json.loads(body, object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError(f"duplicate name {first_repeated(name for name, _value in pairs)!r}")
    return result


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def decode_json(shape: Shape, value: Any) -> Any:
    """Turn a JSON value into what ``shape`` stands for; a value of the wrong type is left to validation.

    Members that are null count as absent, as in AWS's own services.
    """
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {_wire_name(name, member): (name, member) for name, member in shape.members.items()}
        return dict(
            (members[key][0], decode_json(members[key][1], member)) if key in members else (key, member)
            for key, member in value.items()
            if member is not None
        )
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [decode_json(shape.member, member) for member in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: decode_json(shape.value, member) for name, member in value.items()}
    if shape.type_name == "timestamp" and isinstance(value, int | float) and not isinstance(value, bool):
        return _from_unix(value)
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    return value


def _wire_name(name: str, member: Shape) -> str:
    return str(member.serialization.get("name", name))


def _from_unix(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise ValueError(f"{seconds!r} is not a timestamp") from error


def encode_json(shape: Shape, value: Any) -> Any:
    """Turn a result that has the shape ``shape`` into a JSON value."""
    if isinstance(shape, StructureShape):
        return {
            _wire_name(name, member): encode_json(member, value[name])
            for name, member in shape.members.items()
            if name in value and "location" not in member.serialization
        }
    if isinstance(shape, ListShape):
        return [encode_json(shape.member, member) for member in value]
    if isinstance(shape, MapShape):
        return {name: encode_json(shape.value, member) for name, member in value.items()}
    if shape.type_name == "timestamp":
        return round(value.timestamp(), 3)
    if shape.type_name == "blob":
        return base64.b64encode(value).decode("ascii")
    return value


def dumps(value: Any) -> bytes:
    """Write JSON text in ASCII, so that a lone surrogate, which JSON can carry, survives."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
