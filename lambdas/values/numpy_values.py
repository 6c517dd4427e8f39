"""Arrays and scalars of numpy: copied, and written to bytes from which they are read back bit by bit.

numpy is imported by the workload that returns such values, or to read them back; the handlers do without.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from lambdas.values.refusals import dtype_refusal, refusal

# Booleans, integers, floats, complex numbers, times, time spans, bytes, text.
KEPT_KINDS = frozenset("biufcMmSU")
# Kinds of numbers, up to 64 bits, that JSON has as well.
JSON_KINDS = frozenset("biufU")


class Sink:
    """A file with the methods that numpy needs for writing."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self.write = write


def is_of_array_type(value: Any) -> bool:
    # A value of numpy's comes from a workload that has imported it.
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def is_array(value: Any) -> bool:
    """Tell an array from a scalar.

    Raises
    ------
    TypeError
        If ``value`` is neither, or holds what has no plain bytes.
    """
    is_array_type = is_of_array_type(value)
    if not is_array_type and not isinstance(value, getattr(sys.modules.get("numpy"), "generic", ())):
        raise refusal(value)
    if value.dtype.kind not in KEPT_KINDS:
        raise dtype_refusal(value.dtype)
    return is_array_type


def copied(value: Any) -> Any:
    """Return a copy laid out as it would be after writing and reading; scalars don't change, so they are their own."""
    return value.copy(order="F" if value.flags.fnc else "C") if is_array(value) else value


def write_npy(array: Any, write: Callable[[bytes], Any]) -> None:
    """Write the bytes of a .npy file, a few megabytes at a time."""
    _format().write_array(Sink(write), array, allow_pickle=False)


def read_npy(file: Any) -> Any:
    """Read an array from what has ``read``.

    Raises
    ------
    ValueError
        If it is no .npy file, or one of objects.
    """
    return _format().read_array(file, allow_pickle=False)


def _format() -> Any:
    return importlib.import_module("numpy.lib.format")


def read_scalar(dtype: str, data: bytes) -> Any:
    """Return the scalar of a dtype that has these bytes.

    Raises
    ------
    TypeError, ValueError
        If there is none.
    """
    numpy = importlib.import_module("numpy")
    kind = numpy.dtype(dtype)
    if kind.kind not in KEPT_KINDS or len(data) != max(kind.itemsize, len(numpy.zeros((), kind).tobytes())):
        raise ValueError(f"{len(data)} bytes are no scalar of {dtype}")
    return numpy.ndarray((), kind, data)[()]


def as_json(value: Any) -> Any:
    """Return the number, text or nested list that JSON has for a scalar or an array.

    Raises
    ------
    ValueError
        If JSON has none: of NaN and infinities, complex numbers, times, bytes, and floats of more than 64 bits.
    """
    dtype = value.dtype
    is_wide = dtype.kind == "f" and dtype.itemsize > 8
    if dtype.kind not in JSON_KINDS or is_wide:
        raise ValueError(f"JSON has no {dtype}")
    if dtype.kind == "f" and not importlib.import_module("numpy").isfinite(value).all():
        raise ValueError("JSON has neither NaN nor infinities")
    return value.tolist()
