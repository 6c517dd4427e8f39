"""XML bodies of the rest-xml protocol: from text to parameters of a modelled shape, and from a result to text."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

from botocore.model import ListShape, MapShape, Shape, StructureShape

from sfn_local.protocol.scalars import format_text, parse_text

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# A raw carriage return would be read as a line feed; the other control characters are not XML 1.0, written or
# referenced, and S3 sends them as references too (a client that has such keys asks for encoding-type=url).
_ESCAPES = {code: f"&#x{code:X};" for code in range(32) if chr(code) not in "\t\n"}
# A message quotes what was given, and has to be read by every client.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# CompleteMultipartUpload has 10,000 parts at the most, each with its number, ETag and checksums.
_MOST_TAGS = 200_000
_ESCAPES |= {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def parse_xml(body: bytes, root_name: str) -> ET.Element:
    """Parse an XML document, which must be UTF-8, without a document type, and have the root element ``root_name``.

    Raises
    ------
    ValueError
        With a message that is fit for the caller.
    """
    try:
        text = body.decode()
        if "<!DOCTYPE" in text:
            raise ValueError("a document type is not allowed")
        if text.count("<") > _MOST_TAGS:
            raise ValueError(f"more than {_MOST_TAGS} tags")
        root = ET.fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"not XML: {error}") from error
    if _tag(root) != root_name:
        raise ValueError(f"expected element {root_name}, got {_tag(root)}")
    return root


def decode_xml(shape: Shape, element: ET.Element) -> Any:
    """Turn an element into what ``shape`` stands for.

    Raises
    ------
    ValueError
        For an element that the shape doesn't have, a repeated one, or a scalar of the wrong type.
    """
    if isinstance(shape, StructureShape):
        return _decode_structure(shape, element)
    if isinstance(shape, ListShape):
        return [decode_xml(shape.member, child) for child in element]
    if len(element):
        raise ValueError(f"element {_tag(element)} holds elements, expected text")
    return parse_text(shape, element.text or "")


def _decode_structure(shape: StructureShape, element: ET.Element) -> dict[str, Any]:
    members = {_element_name(name, member): (name, member) for name, member in shape.members.items()}
    result: dict[str, Any] = {}
    for child in element:
        tag = _tag(child)
        if tag not in members:
            raise ValueError(f"unknown element {tag} in {_tag(element)}, must be one of: {', '.join(members)}")
        name, member = members[tag]
        if isinstance(member, ListShape) and member.serialization.get("flattened"):
            result.setdefault(name, []).append(decode_xml(member.member, child))
        elif name in result:
            raise ValueError(f"element {tag} occurs twice in {_tag(element)}")
        else:
            result[name] = decode_xml(member, child)
    return result


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _element_name(name: str, member: Shape) -> str:
    """Name of the element (of each element, if flattened) that holds a member of a structure."""
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        name = member.member.serialization.get("name", name)
    return str(member.serialization.get("name", name))


def encode_document(root: str, content: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_NAMESPACE}">{content}</{root}>'.encode()


def encode_error(code: str, message: str) -> bytes:
    """Write S3's error document, which is in no namespace."""
    content = _element("Code", code) + _element("Message", _CONTROL.sub("\ufffd", message))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{content}</Error>'.encode()


def _element(name: str, text: str) -> str:
    return f"<{name}>{text.translate(_ESCAPES)}</{name}>"


def encode_members(shape: StructureShape, value: dict[str, Any]) -> str:
    """Write those members of a structure that go into the body."""
    return "".join(
        _encode(_element_name(name, member), member, value[name])
        for name, member in shape.members.items()
        if name in value and "location" not in member.serialization
    )


def _encode(name: str, shape: Shape, value: Any) -> str:
    if isinstance(shape, StructureShape):
        return f"<{name}>{encode_members(shape, value)}</{name}>"
    if isinstance(shape, ListShape):
        if shape.serialization.get("flattened"):
            return "".join(_encode(name, shape.member, member) for member in value)
        item_name = str(shape.member.serialization.get("name", "member"))
        return f"<{name}>{''.join(_encode(item_name, shape.member, member) for member in value)}</{name}>"
    if isinstance(shape, MapShape):
        raise TypeError(f"{name} is a map, which rest-xml bodies of the served actions don't have")
    return _element(name, format_text(shape, value, "iso8601"))
