"""Compares two results, apart from the last digits of floats, which depend on the order of computing."""

import importlib
import math
import sys
from collections.abc import Iterator
from typing import Any

RELATIVE_TOLERANCE = 1e-9
# In steps between neighbouring floats: of a number itself, where its type has fewer digits than the tolerance, and of
# the largest number that it may have come from by a subtraction.
OWN_STEPS = 64
LARGEST_STEPS = 512


def largest_float(*values: Any) -> float:
    """Return the largest magnitude of the finite floats in results, 0 if there is none."""
    return max((abs(number) for value in values for number in _floats(value)), default=0.0)


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        if math.isfinite(value):
            yield float(value)
    elif isinstance(value, list | tuple):
        for element in value:
            yield from _floats(element)
    elif isinstance(value, dict):
        for element in value.values():
            yield from _floats(element)
    elif _is_numpy(value) and value.dtype.kind in "fc":
        numpy = importlib.import_module("numpy")
        yield float(numpy.abs(value)[numpy.isfinite(value)].max(initial=0))


def _is_numpy(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray | numpy.generic)


def is_close(left: Any, right: Any, *, relative: float = RELATIVE_TOLERANCE, largest: float | None = None) -> bool:
    """Whether results are the same: exactly, but for floats.

    Parameters
    ----------
    relative
        What floats may differ by, as a share of themselves.
    largest
        The largest float that they were made of, that of both by default; some steps of it are allowed as well.
    """
    if largest is None:
        largest = largest_float(left, right)
    if _is_numpy(left) or _is_numpy(right):
        return _is_close_array(left, right, relative, largest)
    if isinstance(left, float) or isinstance(right, float):
        return _is_close_number(left, right, relative, largest)
    if type(left) is not type(right):
        return False
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(
            is_close(a, b, relative=relative, largest=largest) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            is_close(left[key], right[key], relative=relative, largest=largest) for key in left
        )
    return bool(left == right)


def _is_close_number(left: Any, right: Any, relative: float, largest: float) -> bool:
    if not all(isinstance(number, float | int) and not isinstance(number, bool) for number in (left, right)):
        return False
    if left == right or (left != left and right != right):  # noqa: PLR0124 - NaN
        return True
    if not (math.isfinite(left) and math.isfinite(right)):
        return False
    return math.isclose(left, right, rel_tol=relative, abs_tol=LARGEST_STEPS * sys.float_info.epsilon * largest)


def _is_close_array(left: Any, right: Any, relative: float, largest: float) -> bool:
    numpy = importlib.import_module("numpy")
    if not isinstance(left, numpy.ndarray | numpy.generic | float | int):
        return False
    if not isinstance(right, numpy.ndarray | numpy.generic | float | int):
        return False
    a, b = numpy.asarray(left), numpy.asarray(right)
    if a.shape != b.shape or (a.dtype.kind != b.dtype.kind and not {a.dtype.kind, b.dtype.kind} <= set("iuf")):
        return False
    if a.dtype.kind not in "fc" and b.dtype.kind not in "fc":
        is_missing = numpy.isnat(a) & numpy.isnat(b) if a.dtype.kind in "mM" else numpy.False_
        return bool(((a == b) | is_missing).all())
    steps = max(numpy.finfo(each.dtype).eps for each in (a, b) if each.dtype.kind in "fc")
    share, allowed = max(relative, OWN_STEPS * float(steps)), LARGEST_STEPS * float(steps) * largest
    with numpy.errstate(all="ignore"):
        size = numpy.maximum(numpy.abs(a), numpy.abs(b))
        is_near = numpy.isfinite(size) & (numpy.abs(a - b) <= share * size + allowed)
    return bool(((a == b) | (numpy.isnan(a) & numpy.isnan(b)) | is_near).all())
