"""Errors for values that a result can't hold, each with the expression that converts the value."""

import dataclasses
from typing import Any

ALLOWED = "a result is made of JSON values, bytes, tuples, and arrays and scalars of numpy"
# By package and name of the type, or of a type that it inherits from; `value` stands for the value.
CONVERSIONS = {
    "builtins.set": "sorted(value)",
    "builtins.frozenset": "sorted(value)",
    "builtins.bytearray": "bytes(value)",
    "builtins.memoryview": "bytes(value)",
    "builtins.complex": "numpy.complex128(value), or [value.real, value.imag]",
    "builtins.range": "list(value)",
    "builtins.map": "list(value)",
    "builtins.filter": "list(value)",
    "builtins.zip": "list(value)",
    "builtins.dict_keys": "list(value)",
    "builtins.dict_values": "list(value)",
    "builtins.dict_items": "list(value)",
    "collections.deque": "list(value)",
    "array.array": "numpy.array(value), or value.tolist()",
    "decimal.Decimal": "str(value)",
    "fractions.Fraction": "[value.numerator, value.denominator]",
    "datetime.date": "value.isoformat()",
    "datetime.time": "value.isoformat()",
    "datetime.timedelta": "value.total_seconds()",
    "pathlib.PurePath": "str(value)",
    "uuid.UUID": "str(value)",
    "enum.Enum": "value.value",
    "types.SimpleNamespace": "vars(value)",
    "numpy.MaskedArray": "value.filled(), or [value.data, value.mask]",
    "numpy.ndarray": "numpy.asarray(value)",
    "numpy.void": "value.item()",
    "pandas.DataFrame": 'value.to_dict("list")',
    "pandas.Series": "value.to_numpy()",
    "pandas.Index": "value.to_numpy()",
    "polars.DataFrame": "value.to_dict(as_series=False)",
    "polars.Series": "value.to_numpy()",
    "torch.Tensor": "value.numpy()",
    # Subclasses: their class would be lost.
    "builtins.dict": "dict(value)",
    "builtins.list": "list(value)",
    "builtins.tuple": "tuple(value)",
    "builtins.bytes": "bytes(value)",
    "builtins.str": "str(value)",
    "builtins.int": "int(value)",
    "builtins.float": "float(value)",
}
# Slips of the pen, rather than values.
SLIPS = {
    "builtins.generator": "a generator where a value is due (compute_batch is what yields)",
    "builtins.coroutine": "a coroutine, from a function that is async",
    "builtins.function": "a function that was not called",
    "builtins.method": "a method that was not called",
    "builtins.builtin_function_or_method": "a function that was not called",
    "builtins.type": "a class, not an instance of it",
}


def refusal(value: Any) -> TypeError:
    """Return the error that names the type of a value, and what to make of it."""
    kind = type(value)
    return TypeError(f"{ALLOWED}; got {kind.__module__}.{kind.__qualname__}{_advice(value)}")


def _advice(value: Any) -> str:
    names = [f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}" for kind in type(value).__mro__]
    if names[0] in SLIPS:
        return f": {SLIPS[names[0]]}"
    if dataclasses.is_dataclass(value):
        return ": make it dataclasses.asdict(value)"
    conversion = next((CONVERSIONS[name] for name in names if name in CONVERSIONS), None)
    return "" if conversion is None else f": make it {conversion}"


def dtype_refusal(dtype: Any) -> TypeError:
    """Return the error for an array, or scalar, of a dtype that has no plain bytes."""
    conversion = "value.tolist()"
    if dtype.names is not None:
        conversion = "{name: value[name] for name in value.dtype.names}"
    elif dtype.kind == "V":
        conversion = "value.tobytes()"
    elif dtype.kind == "T":
        conversion = 'value.astype("U")'
    return TypeError(f"{ALLOWED} of numbers, booleans, times and text; got one of dtype {dtype}: make it {conversion}")
