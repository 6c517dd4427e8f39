"""Parameters and results against the service model: botocore's own check, and the bounds that botocore leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

_VALIDATOR = ParamValidator()
# Source: Smithy specification, "Simple types"; botocore takes integers of any size.
_LIMITS = {"integer": 2**31, "long": 2**63}

# Of a report: a request may have a hundred thousand unknown members.
_MOST_CHARACTERS = 2_000


def find_errors(value: Any, shape: Shape) -> str:
    """Say what is wrong with ``value``: unknown and missing members, types, lower bounds.  Empty if nothing is."""
    try:
        report = _VALIDATOR.validate(value, shape)
    except (OverflowError, RuntimeError) as error:  # botocore's, of a moment that no calendar has
        return str(error)[:_MOST_CHARACTERS]
    return report.generate_report()[:_MOST_CHARACTERS] if report.has_errors() else ""


def find_bound_errors(value: Any, shape: Shape, name: str = "") -> Iterator[str]:
    """Say where ``value``, which has passed `find_errors`, is over an upper bound or outside of an enumeration."""
    if isinstance(shape, StructureShape):
        for key, member in value.items():
            yield from find_bound_errors(member, shape.members[key], f"{name}.{key}".lstrip("."))
        return
    yield from _own_bound_errors(value, shape, name)
    if isinstance(shape, ListShape):
        for index, member in enumerate(value):
            yield from find_bound_errors(member, shape.member, f"{name}[{index}]")
    elif isinstance(shape, MapShape):
        for key, member in value.items():
            yield from find_bound_errors(member, shape.value, f"{name}.{key}")


def _own_bound_errors(value: Any, shape: Shape, name: str) -> Iterator[str]:
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"Value {value!r} at '{name}' failed to satisfy constraint: must be one of: {', '.join(shape.enum)}"
    limit = _LIMITS.get(shape.type_name)
    if limit is not None and not -limit <= value < limit:
        yield f"Value at '{name}' failed to satisfy constraint: must be {shape.type_name}, of {limit.bit_length()} bits"
    bound = shape.metadata.get("max")
    if bound is None:
        return
    if isinstance(value, int | float):
        if value > bound:
            yield f"Value {value} at '{name}' failed to satisfy constraint: must be at most {bound}"
    elif len(value) > bound:
        yield f"Value at '{name}' failed to satisfy constraint: length {len(value)}, must be at most {bound}"
