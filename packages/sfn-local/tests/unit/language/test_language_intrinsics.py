import base64
import hashlib
import json
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_values import JSON, scope
from sfn_local.language.errors import IntrinsicFailureError, StatesRuntimeError
from sfn_local.language.intrinsic_functions import FUNCTIONS
from sfn_local.language.intrinsics import IntrinsicSyntaxError, compile_intrinsic
from sfn_local.language.json_text import compact


def call(text, document=None, **variables):
    return compile_intrinsic(text)(document, scope(**variables))


def test_every_documented_function_exists():
    assert len(FUNCTIONS) == 18


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("States.Array()", []),
        ("States.Array(1, 'a', null, true, -1.5, $.x)", [1, "a", None, True, -1.5, {"y": 1}]),
        ("States.Array( 'a' ,'b' )", ["a", "b"]),
        ("States.Array('it\\'s \\\\ \\{\\}', 'a, b) (c')", ["it's \\ {}", "a, b) (c"]),
        ("States.Array($.x['y'], $$.Execution.Id, $v[0])", [1, "arn", 9]),
        ("States.ArrayPartition($.l, 2)", [[1, 2], [3, 4], [5]]),
        ("States.ArrayPartition($.l, 1.5)", [[1, 2], [3, 4], [5]]),
        ("States.ArrayContains($.l, 3)", True),
        ("States.ArrayContains($.l, '3')", False),
        ("States.ArrayContains(States.Array($.x), $.x)", True),
        ("States.ArrayRange(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("States.ArrayRange(9, 1, -4)", [9, 5, 1]),
        ("States.ArrayRange(5, 1, 1)", []),
        ("States.ArrayRange(0.4, 1.5, 1)", [0, 1, 2]),
        ("States.ArrayGetItem($.l, 4)", 5),
        ("States.ArrayLength($.l)", 5),
        ("States.ArrayUnique(States.Array(1, 1.0, 1, 'a', 'a', null, null, true, true))", [1, 1.0, "a", None, True]),
        ("States.Base64Encode('Data to encode')", "RGF0YSB0byBlbmNvZGU="),
        ("States.Base64Decode('RGF0YSB0byBlbmNvZGU=')", "Data to encode"),
        ("States.Hash('input data', 'SHA-1')", "aaff4a450a104cd177d28d18d74485e8cae074b7"),
        ("States.JsonMerge($.x, $.z, false)", {"y": 2, "w": 3}),
        ("States.StringToJson('{\"a\": [1, null]}')", {"a": [1, None]}),
        ("States.StringToJson('')", None),
        ("States.StringToJson('-0')", 0),
        ("States.JsonToString($.x)", '{"y":1}'),
        ("States.MathAdd(1.5, 1.51)", 4),
        ("States.MathAdd(-3.5, 0)", -3),
        ("States.MathAdd($.l[0], -1)", 0),
        ("States.StringSplit('This.is+a,test=string', '.+,=')", ["This", "is", "a", "test", "string"]),
        ("States.StringSplit(',,a,,', ',')", ["a"]),
        ("States.Format('no place')", "no place"),
        ("States.Format('{} and {}', 'a', 1.1)", "a and 1.1"),
        ("States.Format('\\{\\} {}\\'s', 'it')", "{} it's"),
        ("States.Format('{}', $.l)", "[1, 2, 3, 4, 5]"),
        ("States.Format('{}', $.t)", "{a=[null, true, {b=c}], d=1.0}"),
        ("States.Format($.f, 'x')", "<x>"),
    ],
)
def test_function_gives(text, value):
    document = {
        "x": {"y": 1},
        "z": {"y": 2, "w": 3},
        "l": [1, 2, 3, 4, 5],
        "t": {"a": [None, True, {"b": "c"}], "d": 1.0},
        "f": "<{}>",
    }
    found = call(text, document, v=[9])
    assert found == value
    assert json.dumps(found) == json.dumps(value)  # 1 is neither true nor 1.0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("States.ArrayPartition(States.Array(1), 0)", "the chunk size must be 1 or more, got 0"),
        ("States.ArrayRange(0, 1, 0)", "the step must not be 0"),
        ("States.ArrayRange(0, 1000, 1)", "a range has at most 1000 items, got more from 0 to 1000 by 1"),
        ("States.ArrayRange(-9e99, 9e99, 1)", "a range has at most 1000 items, got more"),
        (f"States.ArrayRange(9{'0' * 4299}, -9{'0' * 4299}, -1)", "a range has at most 1000 items, got more"),
        ("States.ArrayGetItem(States.Array(1), 1)", "the index must be from 0 to 0, got 1"),
        ("States.Base64Decode('***')", "must be Base64"),
        ("States.Hash('a', 'SHA-2')", "the algorithm must be one of MD5"),
        ("States.JsonMerge($, $, true)", "must be false"),
        ("States.StringToJson('{')", "must be JSON text"),
        ("States.StringToJson('NaN')", "must be JSON text"),
        (f"States.MathAdd({'9' * 4300}, 1)", "the sum has more than 4300 digits"),
        (f"States.MathAdd(-1, -{'9' * 4300})", "the sum has more than 4300 digits"),
        ("States.MathRandom(2, 2)", "the start must be less than the end"),
        ("States.Format('{} {}', 1)", "more {} than arguments"),
        ("States.Format('{}', 1, 2)", "has 1 {} but there are 2 arguments"),
    ],
)
def test_function_refuses_with_the_call_and_the_reason(text, reason):
    with pytest.raises(IntrinsicFailureError) as caught:
        call(text, {})
    assert caught.value.cause.startswith(f"The function '{text}' had the following error: ")
    assert reason in caught.value.cause


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("States.ArrayPartition($, 2)", "the first argument must be an array, got {}"),
        ("States.ArrayLength('abc')", "the first argument must be an array"),
        ("States.Base64Encode(1)", "the first argument must be a string, got 1"),
        ("States.JsonMerge($, 1, false)", "the second argument must be an object"),
        ("States.MathAdd('1', 2)", 'the first argument must be a number, got "1"'),
        ("States.MathAdd(true, 2)", "the first argument must be a number, got true"),
        ("States.StringSplit(1, ',')", "the first argument must be a string"),
    ],
)
def test_argument_of_another_type_is_a_runtime_error(text, reason):
    with pytest.raises(StatesRuntimeError) as caught:
        call(text, {})
    assert caught.value.cause.startswith(f"The function '{text}' had the following error: {reason}")


@pytest.mark.parametrize(
    "text",
    [
        "States.Nope()",
        "States.Array",
        "States.Array(",
        "States.Array('a'",
        "States.Array('a' 'b')",
        "States.Array('a',)",
        "States.Array(a)",
        "States.Array(.5)",
        "States.Array(1e999)",
        "States.Array(01)",
        "States.Array('a') ",
        "States.Array('\\n')",
        "States.Array($.a[)",
        "States.UUID(1)",
        "States.MathAdd(1)",
        "States.MathAdd(1, 2, 3)",
        "States.Format()",
        "Array()",
    ],
)
def test_text_that_is_no_call_is_refused(text):
    with pytest.raises(IntrinsicSyntaxError):
        compile_intrinsic(text)


def test_calls_nest_ten_deep_and_no_deeper():
    def nested(depth):
        return "States.Array(" * depth + ")" * depth

    assert call(nested(10)) == [[[[[[[[[[]]]]]]]]]]
    with pytest.raises(IntrinsicSyntaxError, match="at most 10"):
        compile_intrinsic(nested(11))


def test_uuid_is_random_of_version_4():
    first, second = call("States.UUID()"), call("States.UUID()")
    assert first != second
    assert uuid.UUID(first).version == 4


def test_random_is_in_its_range_and_repeats_with_a_seed():
    assert {call("States.MathRandom(1, 3)") for _ in range(60)} == {1, 2}
    assert call("States.MathRandom(1, 1000000, 7)") == call("States.MathRandom(1, 1000000, 7)")
    assert 1 <= call("States.MathRandom(1, 1000000, 7)") < 1_000_000


@given(JSON)
def test_json_to_string_and_back_gives_the_value(value):
    text = call("States.JsonToString($)", value)
    assert text == compact(value)
    assert call("States.StringToJson($)", text) == value


@given(st.text(max_size=50))
def test_base64_and_back_gives_the_text(text):
    encoded = call("States.Base64Encode($)", text)
    assert encoded == base64.b64encode(text.encode()).decode()
    assert call("States.Base64Decode($)", encoded) == text


@given(st.text(max_size=50), st.sampled_from(["MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512"]))
def test_hash_is_that_of_hashlib(text, algorithm):
    expected = hashlib.new(algorithm.replace("-", ""), text.encode()).hexdigest()
    assert call("States.Hash($.t, $.a)", {"t": text, "a": algorithm}) == expected


@given(st.lists(JSON, max_size=8), st.integers(1, 5))
def test_partition_loses_nothing_and_keeps_the_order(values, size):
    chunks = call("States.ArrayPartition($.v, $.n)", {"v": values, "n": size})
    assert [value for chunk in chunks for value in chunk] == values
    assert all(len(chunk) == size for chunk in chunks[:-1])


@given(st.text(alphabet="a,b;c", max_size=12), st.text(alphabet=",;", min_size=1, max_size=3))
def test_split_is_that_of_a_character_class(text, delimiters):
    expected = [part for part in re.split(f"[{re.escape(delimiters)}]", text) if part]
    assert call("States.StringSplit($.t, $.d)", {"t": text, "d": delimiters}) == expected


@given(st.integers(), st.integers())
def test_math_add_of_integers_is_exact(first, second):
    assert call("States.MathAdd($[0], $[1])", [first, second]) == first + second
