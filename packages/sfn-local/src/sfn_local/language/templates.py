"""Payload templates of JSONPath states: a JSON value whose keys that end in ``.$`` name paths or intrinsic functions.

A template is compiled once; filling it copies only the parts that contain such keys.

Differs from AWS: not known to.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sfn_local.language import Json
from sfn_local.language.intrinsics import IntrinsicSyntaxError, compile_intrinsic, is_intrinsic
from sfn_local.language.paths import Finder, MissingPathError, Path, PathSyntaxError, compile_path
from sfn_local.language.scope import Scope
from sfn_local.language.sizes import FEW_VALUES, characters, check_characters


class TemplateSyntaxError(ValueError):
    """A template's key or value is wrong; `place` is where, as a JSON pointer inside the template."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


def compile_template(source: Json) -> Finder:
    """Compile a template (Parameters, ResultSelector, ItemSelector, Assign, BatchInput ...).

    Returns
    -------
    callable
        Fills the template; raises only `StatesError`.

    Raises
    ------
    TemplateSyntaxError
        If a ``.$`` key has no path or function, or stands beside the same key without ``.$``.
    """
    fill = _compile(source, "")
    if fill is None:
        return lambda _document, _scope: source
    return fill if _count_places(source) <= FEW_VALUES else _bounded(fill)


def _count_places(source: Json) -> int:
    """Return an upper bound of the number of values that a template inserts."""
    if isinstance(source, list):
        return sum(map(_count_places, source))
    if not isinstance(source, dict):
        return 0
    return sum(value.count("$") if key.endswith(".$") else _count_places(value) for key, value in source.items())


def _bounded(fill: Finder) -> Finder:
    def fill_within_bounds(document: Json, scope: Scope) -> Json:
        filled = fill(document, scope)
        check_characters(characters(filled), "The payload template's result")
        return filled

    return fill_within_bounds


def is_plain(source: Json) -> bool:
    """Whether a template that was compiled already names only places, whose values are found in no time."""
    if isinstance(source, list):
        return all(map(is_plain, source))
    if not isinstance(source, dict):
        return True
    return all(
        not is_intrinsic(value) and compile_path(value).steps is not None if key.endswith(".$") else is_plain(value)
        for key, value in source.items()
    )


def _compile(source: Json, place: str) -> Finder | None:
    """The filler, or None for a constant."""
    if isinstance(source, dict):
        return _compile_object(source, place)
    if isinstance(source, list):
        return _compile_array(source, place)
    return None


def _compile_object(source: dict[str, Json], place: str) -> Finder | None:
    base: dict[str, Json] = {}  # every key in its order; dynamic ones are overwritten in a copy
    dynamic: list[tuple[str, Finder]] = []
    for key, value in source.items():
        filler: Finder | None
        if key.endswith(".$"):
            name, filler = key[:-2], compile_expression(key, value, f"{place}/{key}")
        else:
            name, filler = key, _compile(value, f"{place}/{key}")
        if name in base:
            raise TemplateSyntaxError(f"{place}/{key}", f"{name!r} stands twice, with and without .$")
        base[name] = value
        if filler is not None:
            dynamic.append((name, filler))
    return fill_in(base, dynamic)


def _compile_array(source: list[Json], place: str) -> Finder | None:
    fillers = [_compile(value, f"{place}/{index}") for index, value in enumerate(source)]
    return fill_in(source, [(index, filler) for index, filler in enumerate(fillers) if filler is not None])


def fill_in(
    base: Any, dynamic: Sequence[tuple[Any, Callable[[Any, Scope], Json]]]
) -> Callable[[Any, Scope], Json] | None:
    """Return what puts found values into a copy of an object or array, by key or index; None where there are none."""
    if not dynamic:
        return None
    items = tuple(dynamic)

    def fill(document: Any, scope: Scope) -> Json:
        filled = base.copy()
        for key, find in items:
            filled[key] = find(document, scope)
        return filled

    return fill


def compile_expression(field: str, value: Json, place: str) -> Finder:
    """Compile what a ``.$`` key names; `field` is the key, which a missing value's error tells.

    Raises
    ------
    TemplateSyntaxError
        If the value is not a path or an intrinsic function.
    """
    if not isinstance(value, str):
        raise TemplateSyntaxError(place, f"must be a JSONPath or an intrinsic function, got {value!r}")
    try:
        if is_intrinsic(value):
            return compile_intrinsic(value)
        return _path_finder(compile_path(value), field)
    except (PathSyntaxError, IntrinsicSyntaxError) as error:
        raise TemplateSyntaxError(place, str(error)) from None


def _path_finder(path: Path, field: str) -> Finder:
    quick = path.find

    def find(document: Json, scope: Scope) -> Json:
        try:
            return quick(document, scope)
        except MissingPathError as error:
            if error.is_past_end:
                return None  # measured on the service by others: here, and only here, it is no error
            return path.select_for(field, document, scope)

    return find
