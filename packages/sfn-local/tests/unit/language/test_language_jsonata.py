import contextlib
import copy
import re
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_values import JSON, scope
from sfn_local.language.errors import QueryEvaluationError
from sfn_local.language.json_text import compact
from sfn_local.language.jsonata import (
    JsonataSyntaxError,
    compile_expression,
    compile_template,
    is_expression,
    json_type,
    states_of,
)


def evaluate(text, state_input=None, **variables):
    seen = scope(**variables)
    return compile_expression(f"{{% {text} %}}", "Output").evaluate(states_of(state_input, seen), seen)


def cause_of(text, state_input=None, **variables):
    with pytest.raises(QueryEvaluationError) as caught:
        evaluate(text, state_input, **variables)
    return caught.value.cause


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$states.input", {"n": None, "l": [1, None, {"x": 2}], "s": "é"}),
        ("$states.input.n", None),
        ("$states.input.l", [1, None, {"x": 2}]),
        ("$states.input.l[2].x", 2),
        ("$states.input.l ~> $map(function($v) { $v })", [1, None, {"x": 2}]),
        ("$states.context.Execution.Id", "arn"),
        ("$v + 1", 6),
        ("$null", None),
        ("null", None),
        ("$sum([1, 2, 3]) / 2", 3),
        ("7 / 2", 3.5),
        ("5.5 % 2", 1.5),
        ("'a' & 1 & true & null", "a1truenull"),
        ("$exists($states.input.n) and $not($exists($states.input.x))", True),
        ("[1..3]", [1, 2, 3]),
        ("$x := 5", 5),
        ("$merge([{'a': 1}, {'b': null}])", {"a": 1, "b": None}),
        ("$contains('hello$world', /^hello\\$/)", True),
        # numbers as the service has them: doubles beyond Java's long, whole doubles as integers
        ("$big", 9.223372036854776e18),
        ("$string($big)", "9223372036854776000"),
        ("$string(1e20) & ' ' & $string(1e21)", "100000000000000000000 1e+21"),
        ("$string(0.1 + 0.2)", "0.3"),
        ("$string([0.00001, 0.0000001, 1.0])", "[0.00001,1e-7,1]"),
        ("1.0", 1),
        ("1 / 0", "Infinity"),
        ("[-1 / 0, 0 / 0]", ["-Infinity", "NaN"]),
        ("$map([1.5, 2], $string)", ["1.5", "2"]),
        ("$string({'a': ['é', null, function() { 1 }]})", '{"a":["é",null,""]}'),
        ("$string({'a': [1]}, true)", '{\n  "a": [\n    1\n  ]\n}'),
        ("'x' /* at the end */", "x"),
        ("-5 ?: 99", -5),
        ("-5 ?? 99", -5),
        ("[1, 2, 3][-1] ?: 42", 3),
        ("$replace('ab', /(a)b/, function($m){$m.groups[0]})", "a"),
        ("$replace('ab', /a(b)(c)?/, function($m){$m.match & $count($m.groups)})", "ab2"),
        ("$replace('abab', /b/, function($m){$string($m.start)}, 1)", "a1ab"),
        ("$replace('a.b.c', '.', '$1')", "a$1b$1c"),
        ("$replace('a.b.c', '.', '-', 1)", "a-b.c"),
        ("$replace('John Smith', /(\\w+)\\s(\\w+)/, '$2, $1')", "Smith, John"),
        ("$replace('ab', /(a)(b)/, '$0$$$12$3$')", "ab$a2$"),
        ("$replace('aaa', /a/, 'b', 2)", "bba"),
        ("$replace('abc', /d/, 'e')", "abc"),
        ("$sort([{'a': 1, 'b': 1}, {'a': 1, 'b': 2}, {'a': 0, 'b': 3}], function($l, $r){$l.a > $r.a}).b", [3, 1, 2]),
        ("$sort([{'a': 1, 'b': 1}, {'a': 1, 'b': 2}, {'a': 0, 'b': 3}], function($l, $r){$l.a < $r.a}).b", [1, 2, 3]),
        ("[{'a': 1, 'b': 1}, {'a': 1, 'b': 2}, {'a': 0, 'b': 3}]^(a).b", [3, 1, 2]),
        ("$sort(['b', 'a', 'B'])", ["B", "a", "b"]),
        ("$sort([3, 1.5, 2])", [1.5, 2, 3]),
        ("$sort([1])", [1]),
        ("$map(['00', '-0.50', '1e3', '0xfF', '0o17', '0B11'], $number)", [0, -0.5, 1000, 255, 15, 3]),
        ("$map([true, false, 2.0], $number)", [1, 0, 2]),
        ("$length('\\uD834\\uDD1E')", 1),
        ("$exists($contains('a', nothing))", False),
        ("($held := [{'a': 1}]; $held@$x.a@$y[$y = 9]{no: $x})", {}),
        # the service's own functions
        ("$partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("$partition([1, 2, 3])", [[1, 2, 3]]),
        ("$partition([1, 2, 3], 2.9)", [[1, 2], [3]]),
        ("$range(0, 9, 3)", [0, 3, 6, 9]),
        ("$range(1, 9, 9)", 1),
        ("$range(-1.7, 1, 1)", [-1, 0, 1]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$hash('input data', 'SHA-256')", "b4a697a057313163aee33cd8d40c66e9f0f177e00cac2de32475ffff6169c3e3"),
        ("$random(42)", 0.7275636800328681),
        ("$parse('{\"a\": [1, null, 1.0]}')", {"a": [1, None, 1]}),
        ("$map(['1', '2'], $parse)", [1, 2]),
    ],
)
def test_expression_gives(text, value):
    state_input = {"n": None, "l": [1, None, {"x": 2}], "s": "é"}
    found = evaluate(text, state_input, v=5, null=None, big=2**63)
    assert found == value
    assert compact(found) == compact(value)


@pytest.mark.parametrize(
    "text",
    [
        "$nope",
        "$states.input.nope",
        "$states.result",
        "$",
        "nope",
        "[][0]",
        "$partition([], 2)",
        "$partition([1], 0)",
        "$range(1, 3)",
        "$range(1, 3, -1)",
        "$hash('a')",
        "$parse($nope)",
    ],
)
def test_nothing_is_an_error_that_quotes_the_expression(text):
    assert cause_of(text, {}) == (
        f"The JSONata expression '{text}' specified for the field 'Output' returned nothing (undefined)."
    )


@pytest.mark.parametrize("text", ["function($x) { $x }", "$sum", "[1, $sum]", "{'a': /x/}"])
def test_function_as_a_value_is_an_unsupported_type(text):
    assert cause_of(text).endswith("specified for the field 'Output' returned an unsupported result type.")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1 + 'a'", 'T2002: The right side of the "+" operator must evaluate to a number'),
        ("'a' < 1", 'T2009: The values "a" and 1 either side of operator "<" must be of the same data type'),
        ("$sum('a')", 'T0412: Argument 1 of function "sum" must be an array of "numbers"'),
        ("$nope(1)", "T1006: Attempted to invoke a non-function"),
        ("$eval('1')", "T1006: Attempted to invoke a non-function"),
        ("$error('boom')", "D3137: boom"),
        ("$string(1 / 0)", "D3001: Attempting to invoke string function on Infinity or NaN"),
        ("$number('1e999')", 'D3030: Unable to cast value to a number: "1e999"'),
        ("$number('1_000')", 'D3030: Unable to cast value to a number: "1_000"'),
        ("$number(' 1')", 'D3030: Unable to cast value to a number: " 1"'),
        ("$number('-0x1')", 'D3030: Unable to cast value to a number: "-0x1"'),
        ("$string([1 / 0])", "D1001: Number out of range: null"),
        ("$error(null)", 'T0410: Argument 1 of function "error" does not match function signature'),
        ("$toMillis('2018', '[q]')", 'D3132: Unknown component specifier "q" in date/time picture string'),
        (
            "sum(?)",
            "T1007: Attempted to partially apply a non-function. Did you mean $sum?",
        ),
        ("$uuid(1)", 'T0410: Argument 1 of function "uuid" does not match function signature'),
        ("$range('a', 1, 1)", 'T0410: Argument 1 of function "range" does not match function signature'),
        ("$hash('a', 'SHA')", "D3137: Hash algorithm 'SHA' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"),
        ("$hash(1, 'MD5')", 'T0410: Argument 1 of function "hash" does not match function signature'),
        ("$hash('a', 1)", 'T0410: Argument 2 of function "hash" does not match function signature'),
        ("$partition('a', 1)", 'T0412: Argument 1 of function "partition" must be an array of "undefined"'),
        ("$partition([1], -1)", "D3137: Second argument must be zero or greater"),
        ("$parse('')", "D3137: Invalid JSON"),
        ("$parse('[1, NaN]')", "D3137: Invalid JSON"),
        ('$parse(\'{"a": 1, "a": 2}\')', "D3137: Invalid JSON"),
        ("$parse(1)", 'T0410: Argument 1 of function "parse" does not match function signature'),
    ],
)
def test_failure_is_an_error_with_the_code_of_jsonata(text, error):
    assert cause_of(text) == (
        f"The JSONata expression '{text}' specified for the field 'Output' threw an error during evaluation. {error}"
    )


@pytest.mark.parametrize("big", [10**400, -(10**400)])
def test_integer_that_no_double_holds_is_not_finite(big):
    assert "T2009: The values" in cause_of("'a' < $big", big=big)
    assert "D3001: Attempting to invoke string function on Infinity or NaN" in cause_of("$string($big)", big=big)


@pytest.mark.parametrize("text", ["$sort([2, null])", "$number('x')", "$toMillis('x')", "$formatInteger(1, '#')"])
def test_failure_inside_the_library_is_an_error_of_the_expression(text):
    assert "threw an error during evaluation" in cause_of(text)


@pytest.mark.parametrize("text", ["(5)(1)", "$states.input.x(1)", "($f := 5; $f(1))", "$nope(1)"])
def test_call_of_what_is_no_function_leaves_standard_output_alone(text, capsys):
    assert "T1006" in cause_of(text, {"x": 1})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("($add := function($a, $b) { $a + $b }; $one := $add(?, 1); $one(2))", 3),
        ("($before := $substringBefore(?, '-'); $before('a-b'))", "a"),
        ("$match('a1', /[0-9]/).match", "1"),
        ("'a-b' ~> $split('-') ~> $join('+')", "a+b"),
    ],
)
def test_functions_are_values(text, value, capsys):
    assert evaluate(text) == value
    assert capsys.readouterr().out == ""


def test_expression_nests_a_hundred_deep_and_no_deeper():
    assert evaluate(" + ".join(["1"] * 100)) == 100
    assert "D1011" in cause_of(" + ".join(["1"] * 101))


def test_endless_recursion_is_an_error(monkeypatch):
    monkeypatch.setattr("sfn_local.language.evaluation.PROCESSOR_SECONDS", 0.2)
    assert "D1012" in cause_of("($f := function($n) { $f($n) }; $f(1))")


def test_bounds_count_each_evaluation_anew(monkeypatch):
    expression = "$states.input + 1"
    assert "T2001" in cause_of(expression, "a")
    monkeypatch.setattr("sfn_local.language.jsonata_engine.MAX_DEPTH", 6)
    assert [evaluate(expression, number) for number in range(20)] == list(range(1, 21))


def test_now_is_the_time_of_the_evaluation():
    first = compile_expression("{% $millis() %}", "Output")
    compile_expression("{% 'parsed after it' %}", "Output")
    seen = scope()
    before = time.time() * 1000
    assert first.evaluate(states_of(None, seen), seen) >= before - 1


def test_random_and_uuid_differ_from_call_to_call():
    assert evaluate("$random()") != evaluate("$random()")
    assert uuid.UUID(evaluate("$uuid()")).version == 4


def test_variable_of_an_expression_does_not_outlive_it():
    text = "($first := $exists($seen); $seen := 1; $first)"
    assert [evaluate(text), evaluate(text)] == [False, False]


def test_expect_tells_the_type_that_it_found():
    seen = scope()
    with pytest.raises(QueryEvaluationError) as caught:
        compile_expression("{% {'a': null} %}", "Items").expect("array", states_of(None, seen), seen)
    assert caught.value.cause == (
        "The JSONata expression '{'a': null}' specified for the field 'Items' returned an unexpected result type."
        " Expected 'array', but was 'object' for value: {\"a\":null}"
    )


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        ("{% 1 %}", True),
        ("{%%}", True),
        (" {% 1 %}", False),
        ("{% 1 %} ", False),
        ("{%", False),
        ("{%}", False),
        (1, False),
    ],
)
def test_expression_stands_wholly_between_its_marks(value, is_one):
    assert is_expression(value) is is_one


CODES_OF_SYNTAX = [
    ("(", "S0203"),
    ("$x..y", "S0201"),
    ("{'a' 1}", "S0202"),
    ("/(", "S0302"),
    ("[1!2]", "S0204"),
    ("a ! b", "S0204"),
    ("~", "S0204"),
    ("'x' /* unclosed", "S0106"),
    ("1 /* x", "S0106"),
    ("/* only */", "S0207"),
    ("", "S0207"),
    ("'\\", "S0"),
    ("'\\q'", "S0103"),
    ("function($x)<(>{$x}(1)", "S0207"),
    ("function($x)<(a<n>s)>{$x}(1)", "S0402"),
    ("function($x)<n<n>:n>{$x}(1)", "S0401"),
    ("/*/", "S0106"),
    ("/+/", "S0303"),
    ("/a{2,1}/", "S0303"),
    ("/(?<n/", "S0302"),
    ("1e999", "S0102"),
]


@pytest.mark.parametrize(("text", "code"), CODES_OF_SYNTAX)
def test_text_that_is_no_jsonata_is_refused_with_the_code_of_jsonata(text, code):
    with pytest.raises(JsonataSyntaxError, match=f"not JSONata: .*: {code}"):
        compile_expression(f"{{% {text} %}}", "Output")


@given(st.text(alphabet="$ab1'\"/*()[]{}<>!~?:.,+-=^@#%|&\\nf ", max_size=12))
def test_any_text_is_jsonata_or_refused(text):
    with contextlib.suppress(JsonataSyntaxError):
        compile_expression(f"{{% {text} %}}", "Output")


def test_padding_is_bound_by_the_memory_of_an_evaluation():
    assert evaluate("$length($pad('ab', 262146))", {}) == 262_146
    for text in ("$pad('ab', 262147)", "$pad('', -1e9, 'x')"):
        assert cause_of(text).endswith(
            "threw an error during evaluation: Expression evaluation memory limit exceeded:"
            " Check for excessive memory usage"
        )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("$number('x')", "D3030: Unable to cast value to a number"),
        ("$toMillis('x')", "D3110: The argument of the toMillis function"),
        ("$toMillis('2018-02-03 11:15:33')", "D3110"),
        ("$fromMillis(1, '[YN]')", "D3133"),
        ("$fromMillis(1, '[Y')", "D3135"),
        ("$fromMillis(1e20)", "D3137: The function fromMillis can't be evaluated with these values"),
        ("$formatInteger(1, '\u03b1')", "D3130"),
        ("$formatNumber(20, '.e0')", "D3085"),
        ("$formatNumber(20, '0;0;0')", "D3080"),
        ("$formatNumber(20, '0,,0')", "D3089"),
        ("$formatNumber(20, '0#')", "D3090"),
        ("$formatNumber(20, '0.#0')", "D3091"),
        ("$formatNumber(20, '0e0%')", "D3092"),
        ("$formatNumber(20, '#0.0e0,0')", "D3093"),
        ("$formatNumber(20, '%%')", "D3086"),
        ("$formatNumber(20, '0a0')", "D3086"),
        ("$decodeUrl('%E0%A4%A')", "D3140"),
        ("$power(100, 1000)", "D3061"),
        ("$power(-2, 1/3)", "D3061"),
        ("$split('a', 'b', null)", 'T0410: Argument 3 of function "split"'),
        ("$replace('a', 'b', 'c', null)", 'T0410: Argument 4 of function "replace"'),
        ("$replace('a', 'b', function($m){'c'})", "T0410"),
        ("$replace('a', /a/, function($m){1})", "D3012"),
        ("$replace('a', '', 'c')", "D3010"),
        ("$replace('a', 'b', 'c', -1)", "D3011"),
        ("$replace('a', /b*/, 'c')", "D1004"),
        ("$sort([1, 'a'])", "D3070"),
        ("$pad('', 262144) & $pad('', 'x')", "T0410"),
        ("$sort([null, 1])", "D3070"),
    ],
)
def test_failure_of_a_function_has_the_code_of_jsonata(text, code):
    assert f"threw an error during evaluation. {code}" in cause_of(text)


def test_template_evaluates_expressions_anywhere():
    source = {"a": "{% $states.input.x %}", "b": [1, "{% $v %}", {"c": "{% null %}"}], "d": "$.x", "e.$": "$"}
    seen = scope(v=[2])
    filled = compile_template(source, "Output")(states_of({"x": 1}, seen), seen)
    assert filled == {"a": 1, "b": [1, [2], {"c": None}], "d": "$.x", "e.$": "$"}


def test_failing_expression_of_a_template_is_named_by_its_place():
    template = compile_template({"a": {"b": [[1, "{% $nope %}"]]}}, "Output")
    with pytest.raises(QueryEvaluationError, match=re.escape("for the field 'Output/a/b[0][1]' returned nothing")):
        template(states_of(None, scope()), scope())


def test_wrong_expression_of_a_template_is_refused_with_its_place():
    with pytest.raises(JsonataSyntaxError) as caught:
        compile_template({"a": [1, "{% ( %}"]}, "Output")
    assert caught.value.place == "/a/1"


@given(JSON)
def test_input_passes_through_as_the_service_reads_numbers(value):
    before = copy.deepcopy(value)
    assert _doubles(evaluate("$states.input", value)) == _doubles(value)
    assert value == before


def _doubles(value):
    if isinstance(value, dict):
        return {name: _doubles(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -(2**63) <= value < 2**63 else float(value)
    return value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_text_reads_back_as_the_number_to_15_digits(number):
    assert float(evaluate("$string($n)", n=number)) == pytest.approx(number, rel=1e-14, abs=1e-320)


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "null"), (True, "boolean"), (1, "number"), (1.5, "number"), ("", "string"), ([], "array"), ({}, "object")],
)
def test_json_types_have_the_names_of_errors(value, name):
    assert json_type(value) == name
