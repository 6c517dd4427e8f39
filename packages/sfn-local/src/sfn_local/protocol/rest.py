"""Parameters that REST protocols put outside of the body: labels of the path, query string, headers, status."""

from __future__ import annotations

from typing import Any

from botocore.model import ListShape, Shape, StringShape, StructureShape

from sfn_local.protocol.routes import Match
from sfn_local.protocol.scalars import format_text, parse_text


def decode_outside_body(match: Match, headers: dict[str, str]) -> dict[str, Any]:
    """Read the parameters that are not in the body.

    Raises
    ------
    ValueError
        For a query parameter that the operation doesn't have, a repeated parameter that is no list, or a value of the
        wrong type.  Headers that it doesn't have are ignored, as AWS does: every SDK sends some of its own.
    """
    shape = match.operation.input_shape
    members = shape.members if shape else {}
    query, headers = dict(match.query), dict(headers)
    params: dict[str, Any] = {}
    for name, member in members.items():
        wire_name = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                params[name] = _named(wire_name, parse_text, member, match.labels[wire_name])
            case "querystring" if wire_name in query:
                params[name] = _named(wire_name, _parse_repeated, member, query.pop(wire_name))
            case "header" if wire_name.lower() in headers:
                params[name] = _named(wire_name, _parse_header, member, headers.pop(wire_name.lower()))
            case "headers":
                found = {key: headers.pop(key) for key in list(headers) if key.startswith(wire_name.lower())}
                if found:
                    params[name] = {key[len(wire_name) :]: value for key, value in found.items()}
    unknown = ", ".join(query)
    if unknown:
        raise ValueError(f"unknown query parameter in {match.operation.name}: {unknown}")
    return params


def _named(name: str, parse: Any, member: Shape, value: Any) -> Any:
    try:
        return parse(member, value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _parse_repeated(member: Shape, values: list[str]) -> Any:
    if isinstance(member, ListShape):
        return [parse_text(member.member, value) for value in values]
    if len(values) > 1:
        raise ValueError(f"given {len(values)} times, allowed once")
    return parse_text(member, values[0])


def _parse_header(member: Shape, value: str) -> Any:
    if isinstance(member, ListShape):
        return [parse_text(member.member, part.strip()) for part in value.split(",")]
    # AWS's C++ client asks for x-amz-checksum-mode "enabled", which the model spells in capitals.
    enum = member.enum if isinstance(member, StringShape) else ()
    return parse_text(member, next((name for name in enum if name.lower() == value.lower()), value))


def encode_headers(shape: StructureShape, result: dict[str, Any]) -> dict[str, str]:
    """Write those members of a result that go into headers."""
    headers: dict[str, str] = {}
    for name, member in shape.members.items():
        if name not in result:
            continue
        location = member.serialization.get("location")
        if location == "header":
            headers[member.serialization["name"].lower()] = format_text(member, result[name], "rfc822")
        elif location == "headers":
            prefix = member.serialization["name"].lower()
            headers |= {f"{prefix}{key}": value for key, value in result[name].items()}
    return headers
