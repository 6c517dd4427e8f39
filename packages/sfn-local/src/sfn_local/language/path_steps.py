"""The steps of a JSONPath and what each selects, as the library that the service uses has it (Jayway JsonPath).

A path is evaluated step by step: each step takes the values that the one before it selected and gives, in order, those
that it selects in them.  As long as every step before it names one place, a step that meets a value of another type is
an error; after a wildcard, slice, filter or ``..`` it selects nothing there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sfn_local.language import Json
from sfn_local.language.json_text import compact

_JAVA_NAMES = {
    str: "java.lang.String",
    bool: "java.lang.Boolean",
    int: "java.lang.Integer",
    float: "java.lang.Double",
    list: "java.util.ArrayList",
}


class MissingPathError(LookupError):
    """A path has no value; the text says where it ended, as the service words it.

    Attributes
    ----------
    is_past_end : bool
        Whether it ended at an index that its array doesn't have.
    """

    def __init__(self, reason: str, *, is_past_end: bool = False) -> None:
        super().__init__(reason)
        self.is_past_end = is_past_end


class UnusablePathError(MissingPathError):
    """A path that the service takes, and can't evaluate on any document."""


@dataclass(frozen=True, slots=True)
class Place:
    """Context in which a step is evaluated.

    Attributes
    ----------
    root : Json
        The document that ``$`` names inside a filter.
    is_definite : bool
        Whether all steps before name one place.
    is_last : bool
        Whether no step follows.
    follows_scan : bool
        Whether the step before is ``..``, after which only values are looked at that the step can be taken in.
    has_to_exist : bool
        Whether a missing member is an error everywhere: in a filter that only asks whether a path exists.
    """

    root: Json
    is_definite: bool
    is_last: bool
    follows_scan: bool
    has_to_exist: bool


@dataclass(frozen=True, slots=True)
class Member:
    """``.name`` or ``['name']``."""

    name: str
    is_definite = True
    is_quick = True

    def select(self, value: Json, place: Place) -> Iterator[Json]:
        if not isinstance(value, dict):
            if place.is_definite:
                raise MissingPathError(no_object([self.name], value))
        elif self.name in value:
            yield value[self.name]
        elif not place.follows_scan and (place.has_to_exist or (place.is_definite and not place.is_last)):
            raise MissingPathError(f"Missing property in path $['{self.name}']")


@dataclass(frozen=True, slots=True)
class Members:
    """``['a', 'b']``: an object with those of these members that there are; after ``..``, only where all are there."""

    names: tuple[str, ...]
    is_definite = True
    is_quick = True

    def select(self, value: Json, place: Place) -> Iterator[Json]:
        if not place.is_last:
            names = ", ".join(f"'{name}'" for name in self.names)
            raise UnusablePathError(f"Multi properties can only be used as path leafs: $[{names}]")
        if not isinstance(value, dict):
            if place.is_definite:
                raise MissingPathError(no_object(self.names, value))
            return
        found = {name: value[name] for name in self.names if name in value}
        if len(found) < len(set(self.names)):
            if place.follows_scan:
                return
            if place.has_to_exist:
                raise MissingPathError("Missing property in path")
        yield found


@dataclass(frozen=True, slots=True)
class Indices:
    """``[0]`` or ``[0, 2]``; a negative index has no value (reported of the service)."""

    indices: tuple[int, ...]

    @property
    def is_definite(self) -> bool:
        return len(self.indices) == 1

    @property
    def is_quick(self) -> bool:
        return self.is_definite

    def select(self, value: Json, place: Place) -> Iterator[Json]:
        array = _array(value, place, f"[{','.join(map(str, self.indices))}]")
        return (array[index] for index in self.indices if 0 <= index < len(array))


@dataclass(frozen=True, slots=True)
class FromEnd:
    """``[(@.length-1)]``: the item so far from the end."""

    distance: int
    is_definite = True
    is_quick = True

    def select(self, value: Json, place: Place) -> Iterator[Json]:
        array = _array(value, place, f"[(@.length-{self.distance})]")
        if 1 <= self.distance <= len(array):
            yield array[-self.distance]


@dataclass(frozen=True, slots=True)
class Slice:
    """``[1:]``, ``[:2]`` or ``[1:2]``: with both ends, a negative end is before the first item."""

    start: int | None
    end: int | None
    is_definite = False
    is_quick = True

    def select(self, value: Json, place: Place) -> Iterator[Json]:
        shown = ["" if end is None else end for end in (self.start, self.end)]
        array = _array(value, place, f"[{shown[0]}:{shown[1]}]")
        if self.start is None or self.end is None:
            return iter(array[self.start : self.end])
        indices = range(max(self.start, -len(array)), min(self.end, len(array)))
        return (array[index] for index in indices)


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``.*`` or ``[*]``: all members or items."""

    is_definite = False
    is_quick = True

    def select(self, value: Json, _place: Place) -> Iterable[Json]:
        return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class Scan:
    """``..``: the value and every object and array in it, each before what it holds."""

    is_definite = False
    is_quick = False

    def select(self, value: Json, _place: Place) -> Iterator[Json]:
        waiting = [value]
        while waiting:
            found = waiting.pop()
            if isinstance(found, dict | list):
                yield found
                waiting.extend(reversed(list(found.values() if isinstance(found, dict) else found)))


@dataclass(frozen=True, slots=True)
class Filter:
    """``[?(...)]``: the items that it holds for; an object is tested itself."""

    holds: Callable[[Json, Json], bool]  # (value, root)
    is_definite = False
    is_quick = False

    def select(self, value: Json, place: Place) -> Iterator[Json]:
        if isinstance(value, dict):
            if self.holds(value, place.root):
                yield value
        elif isinstance(value, list) and (not place.follows_scan or self.holds(value, place.root)):
            yield from (item for item in value if self.holds(item, place.root))


PathStep = Member | Members | Indices | FromEnd | Slice | Wildcard | Scan | Filter


def is_definite(steps: Iterable[PathStep]) -> bool:
    """Whether a path names one place."""
    return all(step.is_definite for step in steps)


def evaluate(steps: Sequence[PathStep], document: Json, root: Json, *, has_to_exist: bool = False) -> list[Json]:
    """The values that a path selects in a document, in their order.

    Raises
    ------
    MissingPathError
        If a step can't be taken; see `Place`.
    """
    values, definite, follows_scan = [document], True, False
    for number, step in enumerate(steps, 1):
        place = Place(root, definite, number == len(steps), follows_scan, has_to_exist)
        values = [found for value in values for found in step.select(value, place)]
        definite, follows_scan = definite and step.is_definite, isinstance(step, Scan)
    return values


def no_object(names: Iterable[str], value: Json, path: str = "$") -> str:
    """The sentence about members of what is no object."""
    listed = ", ".join(f"'{name}'" for name in names)
    found = "null" if value is None else _JAVA_NAMES[type(value)]
    return f"Expected to find an object with property [{listed}] in path {path} but found '{found}'."


def _array(value: Json, place: Place, shown: str) -> list[Json]:
    if isinstance(value, list):
        return value
    if not place.is_definite:
        return []
    if value is None:
        raise MissingPathError("The path $ is null")
    raise MissingPathError(f"Filter: {shown} can only be applied to arrays. Current context is: {compact(value)}")
