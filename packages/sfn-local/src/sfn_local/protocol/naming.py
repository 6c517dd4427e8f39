"""Names of members: as AWS Batch's API has them, ``jobName``, and as templates and states have them, ``JobName``."""

from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape


def to_api_names(shape: Shape, value: Any) -> Any:
    """Return a value of ``shape`` with its members named as in the API; keys of maps stay, and so do unknown values."""
    return _renamed(shape, value, _lower_first)


def to_state_names(shape: Shape, value: Any) -> Any:
    """Return a value of ``shape`` with its members named as in states."""
    return _renamed(shape, value, lambda name: f"{name[:1].upper()}{name[1:]}")


def _renamed(shape: Shape | None, value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = shape.members
        return {
            rename(name): _renamed(members.get(_lower_first(name)), member, rename) for name, member in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_renamed(shape.member, member, rename) for member in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {name: _renamed(shape.value, member, rename) for name, member in value.items()}
    return value


def _lower_first(name: str) -> str:
    return f"{name[:1].lower()}{name[1:]}"
