"""Parameters and results against the service model: botocore's own check, and constraints in the service's sentences.

Source: recorded refusals, for "1 validation error detected: ..." and its constraints on values and lengths.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sized
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

_VALIDATOR = ParamValidator()
# Source: Smithy specification, "Simple types"; botocore takes integers of any size.
_LIMITS = {"integer": 2**31, "long": 2**63}

_MOST_CHARACTERS = 2_000  # of a report: a request may have a hundred thousand unknown members
_MOST_SENTENCES = 10
_MOST_QUOTED_CHARACTERS = 4_096


def find_errors(value: Any, shape: Shape) -> str:
    """Say what is wrong with ``value``: unknown and missing members, types, lower bounds.  Empty if nothing is."""
    try:
        report = _VALIDATOR.validate(value, shape)
    except (OverflowError, RuntimeError) as error:  # botocore's, of a moment that no calendar has
        return str(error)[:_MOST_CHARACTERS]
    return report.generate_report()[:_MOST_CHARACTERS] if report.has_errors() else ""


def request_errors(params: Any, shape: Shape) -> str:
    """Say what is wrong with a request, as the service says it where it is a constraint of the model; empty if nothing.

    What the service has no sentence for (members that it does not know, wrong types) is said in botocore's words.
    """
    report = find_errors(params, shape)
    if "Unknown parameter" in report or "Invalid type" in report:
        return report
    sentences = list(itertools.islice(find_constraint_errors(params, shape), _MOST_SENTENCES))
    if not sentences:
        return report
    noun = "error" if len(sentences) == 1 else "errors"
    return f"{len(sentences)} validation {noun} detected: {'; '.join(sentences)}"


def find_constraint_errors(value: Any, shape: Shape, name: str = "") -> Iterator[str]:
    """Say which constraints of the model ``value``, whose types are right, does not satisfy."""
    if isinstance(shape, StructureShape):
        for key in shape.required_members:
            if key not in value:
                yield _sentence("null", f"{name}.{key}".lstrip("."), "Member must not be null")
        for key, member in value.items():
            yield from find_constraint_errors(member, shape.members[key], f"{name}.{key}".lstrip("."))
        return
    yield from (_sentence(_quoted(value), name, unmet) for unmet in _unmet(value, shape))
    if isinstance(shape, ListShape):
        for position, member in enumerate(value, 1):
            yield from find_constraint_errors(member, shape.member, f"{name}.{position}.member")
    elif isinstance(shape, MapShape):
        for key, member in value.items():
            yield from find_constraint_errors(member, shape.value, f"{name}.{key}.member")


def _sentence(value: str, name: str, constraint: str) -> str:
    return f"Value {value} at '{name}' failed to satisfy constraint: {constraint}"


def _quoted(value: Any) -> str:
    text = str(value)
    cut = "" if len(text) <= _MOST_QUOTED_CHARACTERS else "..."
    return f"'{text[:_MOST_QUOTED_CHARACTERS]}{cut}'"


def _unmet(value: Any, shape: Shape) -> Iterator[str]:
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    limit = _LIMITS.get(shape.type_name)
    if limit is not None and not -limit <= value < limit:
        yield f"Member must be {shape.type_name}, of {limit.bit_length()} bits"
    is_number = isinstance(value, int | float)
    measured, what = (value, "value") if is_number else (_length(value), "length")
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if measured is not None and most is not None and measured > most:
        yield f"Member must have {what} less than or equal to {most}"
    if measured is not None and least is not None and measured < least:
        yield f"Member must have {what} greater than or equal to {least}"


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, Sized) else None
