"""Results keep their types: every value that may be one comes back bit by bit, and every other is refused by name."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import subprocess
import sys
import types
import uuid
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from lambdas.values import numpy_values, typed_json
from lambdas.values.blocks import Blocks

# Half of them big-endian.
DTYPES = st.one_of(
    st_numpy.boolean_dtypes(),
    st_numpy.integer_dtypes(endianness="="),
    st_numpy.integer_dtypes(endianness=">"),
    st_numpy.unsigned_integer_dtypes(endianness="?"),
    st_numpy.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    st_numpy.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    st_numpy.datetime64_dtypes(endianness="?"),
    st_numpy.timedelta64_dtypes(endianness="?"),
    st_numpy.unicode_string_dtypes(endianness="?", max_len=4),
    st_numpy.byte_string_dtypes(max_len=4),
    st.sampled_from([np.dtype(np.longdouble), np.dtype(np.clongdouble)]),
)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """An array of any dtype, shape, content and layout: the content is bytes, so NaNs with a payload are among it."""
    dtype = draw(DTYPES)
    shape = draw(st_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    if dtype.kind in "USb" or dtype.itemsize > 16:
        made = draw(st_numpy.arrays(dtype, shape))
    else:
        count = int(np.prod(shape, dtype=int)) * dtype.itemsize
        made = np.frombuffer(draw(st.binary(min_size=count, max_size=count)), dtype).reshape(shape)
    match draw(st.sampled_from(["as it is", "Fortran", "reversed", "transposed"])):
        case "Fortran":
            return np.asfortranarray(made) if made.ndim else made
        case "reversed" if made.ndim:
            return made[::-1]
        case "transposed":
            return made.T
    return made


SCALARS = arrays().filter(lambda made: made.size).map(lambda made: made.flat[0])
TEXTS = st.text(st.characters(codec=None), max_size=4)
KEYS = TEXTS | st.sampled_from(["$npy", "$dict", "$", "$tuple", "$bytes"])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(10**4000, 10**4001),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.binary(max_size=8),
    arrays(),
    SCALARS,
)
VALUES = st.recursive(
    LEAVES,
    lambda values: st.one_of(
        st.lists(values, max_size=3), st.lists(values, max_size=3).map(tuple), st.dictionaries(KEYS, values, max_size=3)
    ),
    max_leaves=8,
)


def described(value: Any) -> Any:
    """Return all that there is to know of a value, comparable: NaN and NaT by their bytes, -0.0 apart from 0.0."""
    if isinstance(value, np.ndarray | np.generic):
        layout = value.flags.fnc if isinstance(value, np.ndarray) else None
        return type(value), value.dtype.str, value.shape, layout, value.tobytes()
    if isinstance(value, list | tuple):
        return type(value), [described(element) for element in value]
    if isinstance(value, dict):
        return dict, [(key, described(element)) for key, element in value.items()]
    return type(value), repr(value)


def never(tag: str, pointer: Any) -> Any:
    raise AssertionError(f"{tag} {pointer}")


@given(VALUES)
def test_value_comes_back_with_type_shape_layout_and_every_bit(value: Any) -> None:
    assert described(typed_json.decode(typed_json.encode(value, Blocks()), never)) == described(value)


@given(VALUES)
def test_copy_is_what_would_come_back_and_shares_nothing(value: Any) -> None:
    copy = typed_json.copied(value)
    assert described(copy) == described(value)
    assert not shares_memory(copy, value)


def shares_memory(copy: Any, value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return np.shares_memory(copy, value) or not copy.flags.writeable
    if isinstance(value, list | tuple):
        return (copy is value and isinstance(value, list)) or any(map(shares_memory, copy, value))
    return isinstance(value, dict) and (copy is value or any(shares_memory(copy[key], value[key]) for key in value))


@given(VALUES)
def test_text_for_other_programs_is_json_that_says_the_same(value: Any) -> None:
    tree = typed_json.json_text.parse(typed_json.encode(value, Blocks()))
    try:
        plain = typed_json.as_json(value)
    except ValueError:
        return
    text = typed_json.json_text.to_text(plain)
    assert described(typed_json.json_text.parse(text)) == described(plain)
    if "$npy" not in repr(tree) and "$dict" not in repr(tree):
        assert described(typed_json.readable(tree)) == described(plain)


@dataclasses.dataclass
class Point:
    x: int = 1


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Grid(np.ndarray[Any, Any]):
    pass


class Word(str):
    __slots__ = ()


Pair = collections.namedtuple("Pair", "a b")
PandasFrame = types.new_class("DataFrame", exec_body=lambda body: body.update(__module__="pandas.core.frame"))
Tensor = types.new_class("Tensor", exec_body=lambda body: body.update(__module__="torch"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1, 2}, r"got builtins\.set: make it sorted\(value\)"),
        (frozenset(), r"got builtins\.frozenset: make it sorted\(value\)"),
        (bytearray(1), r"got builtins\.bytearray: make it bytes\(value\)"),
        (memoryview(b""), r"make it bytes\(value\)"),
        (1j, r"got builtins\.complex: make it numpy\.complex128\(value\)"),
        (range(2), r"make it list\(value\)"),
        ({}.keys(), r"got builtins\.dict_keys: make it list\(value\)"),
        (collections.deque(), r"got collections\.deque: make it list\(value\)"),
        (array.array("d"), r"got array\.array: make it numpy\.array\(value\)"),
        (decimal.Decimal(1), r"got decimal\.Decimal: make it str\(value\)"),
        (fractions.Fraction(1), r"got fractions\.Fraction: make it \[value\.numerator, value\.denominator\]"),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), r"got datetime\.datetime: make it value\.isoformat\(\)"),
        (datetime.date(2026, 1, 1), r"got datetime\.date: make it value\.isoformat\(\)"),
        (datetime.timedelta(1), r"got datetime\.timedelta: make it value\.total_seconds\(\)"),
        (pathlib.Path(), r"make it str\(value\)"),
        (uuid.UUID(int=1), r"got uuid\.UUID: make it str\(value\)"),
        (Colour.RED, r"Colour: make it value\.value"),
        (Level.LOW, r"Level: make it "),
        (Word("a"), r"Word: make it str\(value\)"),
        (Pair(1, 2), r"Pair: make it tuple\(value\)"),
        (Point(), r"Point: make it dataclasses\.asdict\(value\)"),
        (Point, r"a class, not an instance of it"),
        (collections.Counter("a"), r"got collections\.Counter: make it dict\(value\)"),
        (collections.OrderedDict(), r"got collections\.OrderedDict: make it dict\(value\)"),
        (collections.defaultdict(int), r"got collections\.defaultdict: make it dict\(value\)"),
        (PandasFrame(), r'got pandas\.core\.frame\.DataFrame: make it value\.to_dict\("list"\)'),
        (Tensor(), r"got torch\.Tensor: make it value\.numpy\(\)"),
        (object(), r"got builtins\.object$"),
        ((n for n in [1]), r"got builtins\.generator: a generator where a value is due"),
        (len, r"got builtins\.builtin_function_or_method: a function that was not called"),
        (float("nan"), r"nan is not JSON: make it None, or numpy\.float64\(value\)"),
        (float("-inf"), r"-inf is not JSON"),
        ({1: 2}, r"got the key 1 of type int: make it \{str\(key\): "),
        ({np.str_("a"): 2}, r"of type str_: make it \{str\(key\): "),
        (np.array([{}], dtype=object), r"got one of dtype object: make it value\.tolist\(\)"),
        (np.zeros(2, "i4,f8"), r"make it \{name: value\[name\] for name in value\.dtype\.names\}"),
        (np.zeros(1, "i4,f8")[0], r"make it \{name: value\[name\]"),
        (np.zeros(2, "V3"), r"make it value\.tobytes\(\)"),
        (np.array(["a"], np.dtypes.StringDType()), r'make it value\.astype\("U"\)'),
        (np.ma.masked_array([1], mask=[True]), r"MaskedArray: make it value\.filled\(\)"),
        (np.zeros(1).view(Grid), r"Grid: make it numpy\.asarray\(value\)"),
        (np.rec.array([(1, 2)]), r"make it "),
    ],
)
@pytest.mark.parametrize("holder", [lambda value: value, lambda value: [{"a": (value,)}]], ids=["alone", "nested"])
def test_value_that_would_come_back_as_another_is_refused_with_what_to_make_of_it(
    value: Any, message: str, holder: Any
) -> None:
    for keep in (typed_json.copied, lambda value: typed_json.encode(value, Blocks())):
        with pytest.raises((TypeError, ValueError), match=message):
            keep(holder(value))


def test_value_within_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    for keep in (typed_json.copied, lambda value: typed_json.encode(value, Blocks())):
        with pytest.raises(ValueError, match="nested too deeply, or within itself"):
            keep(value)


@pytest.mark.parametrize(
    "value", [np.array([1, np.nan]), np.float64("inf"), np.complex64(1), np.datetime64("NaT"), np.longdouble(1), b""]
)
def test_what_json_has_no_value_for_is_not_told_in_json(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON has n"):
        typed_json.as_json([value])


def test_numpy_is_not_imported_for_values_that_are_json() -> None:
    program = (
        "import sys; from lambdas import compute, sum, start\n"
        "from lambdas.values import typed_json\n"
        "from lambdas.values.blocks import Blocks\n"
        "text = typed_json.encode([1, (2.5, b'x'), {'$a': None}], Blocks())\n"
        "assert typed_json.decode(text, None) == [1, (2.5, b'x'), {'$a': None}]\n"
        "assert 'numpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_array_is_refused_by_name_where_numpy_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(TypeError, match=r"got numpy\.ndarray"):
        numpy_values.is_array(np.zeros(1))
