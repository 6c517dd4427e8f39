"""Scalars as text: what headers, query strings, labels of a path and XML elements hold."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal

from botocore.model import Shape
from botocore.utils import parse_timestamp

TimestampFormat = Literal["iso8601", "rfc822", "unixTimestamp"]

# At most 19 digits: more don't fit into the 64 bits of a long.
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_FLOAT = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False}


def parse_text(shape: Shape, text: str) -> Any:
    """Read a scalar of type ``shape`` from text.

    Raises
    ------
    ValueError
        If the text is not of that type; the message is fit for the caller.
    """
    match shape.type_name:
        case "string" | "character":
            return text
        case "integer" | "long" if _INTEGER.fullmatch(text):
            return int(text)
        case "float" | "double" if _FLOAT.fullmatch(text):
            return float(text)
        case "boolean" if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        case "timestamp":
            return _parse_timestamp(text)
        case "blob":
            return base64.b64decode(text, validate=True)
    raise ValueError(f"{text!r} is not of type {shape.type_name}")


def _parse_timestamp(text: str) -> datetime:
    try:
        moment: datetime = parse_timestamp(text)
    except (ValueError, OverflowError, RuntimeError) as error:  # the last of a time zone that can't be
        raise ValueError(f"{text!r} is not a timestamp") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def format_text(shape: Shape, value: Any, default_format: TimestampFormat) -> str:
    """Write a scalar of type ``shape`` as text; the inverse of `parse_text`."""
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return format_timestamp(value, shape.serialization.get("timestampFormat", default_format))
    if shape.type_name == "blob":
        return base64.b64encode(value).decode("ascii")
    return str(value)


def format_timestamp(moment: datetime, timestamp_format: TimestampFormat) -> str:
    """Write an aware ``moment`` with the resolution that AWS uses: milliseconds, in rfc822 seconds."""
    moment = moment.astimezone(UTC)
    if timestamp_format == "rfc822":
        return format_datetime(moment.replace(microsecond=0), usegmt=True)
    if timestamp_format == "iso8601":
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{moment.timestamp():.3f}"
