import pytest
from hypothesis import given
from language_values import JSON, STEPS, path_text, scope
from sfn_local.language.errors import StatesError, StatesRuntimeError
from sfn_local.language.paths import MissingPathError, PathSyntaxError, compile_path

DOCUMENT = {
    "a": {"b": [10, 20, {"c": None}], "d-e": 1, "é": 2},
    "list": [{"n": 1, "s": 0}, {"n": 2, "s": 1}, {"s": 1}],
    "null": None,
    "text": "abc",
    "it's": 3,
    'Test\\""Name"': 4,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.a.b", [10, 20, {"c": None}]),
        ("$.a.b[0]", 10),
        ("$.a.b[(@.length-1)].c", None),
        ("$['a']['b'][1]", 20),
        ('$["a"]["b"][1]', 20),
        ("$.a.d-e", 1),
        ("$.a.é", 2),
        ("$['it\\'s']", 3),
        ('$[\'Test\\""Name"\']', 4),  # recorded: a backslash before a double quote stays
        ("$$", {"Execution": {"Id": "arn"}}),
        ("$$.Execution.Id", "arn"),
        ("$v", [1, {"w": 2}]),
        ("$v[1].w", 2),
        ("$.list[*].n", [1, 2]),
        ("$.list[0:2].s", [0, 1]),
        ("$.list[1:]", [{"n": 2, "s": 1}, {"s": 1}]),
        ("$.list[?(@.s == 1)]", [{"n": 2, "s": 1}, {"s": 1}]),
        ("$..c", [None]),
        ("$.none[*]", []),
        ("$.none[1:5].x", []),
        ("$.text[*]", []),
        ("$json[*]", []),
        ("$v[*]", [1, {"w": 2}]),
        ("$$.Execution.*", ["arn"]),
        ("$$.Execution.Id ", "arn"),
        ("$.a.['d-e']", 1),
        ("$.a.b.[1]", 20),
        ("$['a']['d-e','é','no']", {"d-e": 1, "é": 2}),
        ("$.list[*]['n','s']", [{"n": 1, "s": 0}, {"n": 2, "s": 1}, {"s": 1}]),
        ("$.list[0,2].s", [0, 1]),
        ("$.a.b[(@.length-3)]", 10),
    ],
)
def test_path_selects(path, value):
    assert compile_path(path).select(DOCUMENT, scope(v=[1, {"w": 2}], json="[1, 2]")) == value


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("$.no", "Invalid path '$.no' : No results for path: $['no']"),
        ("$.no.such.path", "Invalid path '$.no.such.path' : Missing property in path $['no']"),
        ("$.a.x.y", "Invalid path '$.a.x.y' : Missing property in path $['a']['x']"),
        ("$.a.b[3]", "Invalid path '$.a.b[3]' : No results for path: $['a']['b'][3]"),
        ("$.a.b[-1].c", "Invalid path '$.a.b[-1].c' : No results for path: $['a']['b'][-1]['c']"),
        ("$.list.length()", "Invalid path '$.list.length()' : Expected to find an object with property ['length()']"),
        ("$.a.b.sum($.a, 2).x", "Invalid path '$.a.b.sum($.a, 2).x' : Expected to find an object"),
        ("$['a','it\\'s'].b", "Multi properties can only be used as path leafs: $['a', 'it's']"),
        ("$.a.b[(@.length-4)]", "Invalid path '$.a.b[(@.length-4)]' : No results for path"),
    ],
)
def test_path_without_value_is_a_runtime_error(path, cause):
    with pytest.raises(StatesRuntimeError) as caught:
        compile_path(path).select(DOCUMENT, scope())
    assert cause in caught.value.cause


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("$$.No", "Invalid path '$$.No' : No results for path: $['No']"),
        ("$nope", "Invalid path '$nope' : Variable 'nope' is not defined"),
    ],
)
def test_path_without_value_is_a_runtime_error_in_the_words_of_the_service(path, cause):
    with pytest.raises(StatesRuntimeError) as caught:
        compile_path(path).select(DOCUMENT, scope())
    assert caught.value.cause == cause


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("$.text.x", "Expected to find an object with property ['x'] in path $['text'] but found 'java.lang.String'."),
        ("$.null.x", "Expected to find an object with property ['x'] in path $['null'] but found 'null'."),
        (
            "$.a.b.c",
            "Expected to find an object with property ['c'] in path $['a']['b'] but found 'java.util.ArrayList'.",
        ),
        ("$.null[0]", "The path $['null'] is null"),
        ("$.text[0]", 'Filter: [0] can only be applied to arrays. Current context is: "abc"'),
        ("$.a[0]", "Filter: [0] can only be applied to arrays."),
    ],
)
def test_path_through_a_value_of_another_type_has_no_value(path, reason):
    with pytest.raises(MissingPathError) as caught:
        compile_path(path).find(DOCUMENT, scope())
    assert str(caught.value).startswith(reason)


def test_missing_path_names_the_field_and_the_input():
    with pytest.raises(StatesRuntimeError) as caught:
        compile_path("$.no").select_for("CausePath", {"a": 1}, scope())
    assert caught.value.cause == (
        "The JSONPath '$.no' specified for the field 'CausePath' could not be found in the input '{\"a\":1}'"
    )


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        ".a",
        "$.",
        "$a.",
        "$.a b",
        "$[",
        "$.a[",
        "$.a[?(@.b ==)]",
        "$.a.length(",
        "$.a[?(@.b)",
        "$.a[?(@.b == 1) || true]",
        "$.a[?(@.b == 'x)]",
        "$.a[?(@.b =~ /(/)]",
        "$.a[?(@.b == 1.2.3)]",
        "$.a[?(true)]",
        "$.a[?(@.b && true)]",
        "$.a[?(b == 1)]",
        "$.a[?(!1)]",
        "$.a[?(@.b) x]",
        "$.a[?()]",
        "$.a[?(@.b == [1,])]",
        "$.a[0:99999999999]",
        "$.a[:]",
        "$.a[1,]",
        "$.a['b' 'c']",
        "$.a['b',]",
        "$.a['b\"]",
        "$.a...b",
        "$...a",
        "$.a..",
        "$states.input",
        "$$$",
        "$[a]",
        "$.a[::2]",
        "$.a[?@.b]",
        "$.a | $.b",
    ],
)
def test_text_that_is_no_path_is_refused(path):
    with pytest.raises(PathSyntaxError):
        compile_path(path)


@pytest.mark.parametrize(
    ("path", "is_reference"),
    [("$", True), ("$.a[0]['b']", True), ("$.a[*]", False), ("$$.a", False), ("$v.a", False), ("$..a", False)],
)
def test_reference_paths_name_one_place_of_the_input(path, is_reference):
    assert compile_path(path).is_reference is is_reference


@given(JSON, STEPS)
def test_plain_path_gives_what_python_gives_step_by_step(document, steps):
    def walk():
        value = document
        for step in steps:
            if not isinstance(value, list if isinstance(step, int) else dict) or step in (-1, -2, -3):
                raise KeyError(step)  # a negative index has no value
            value = value[step]
        return value

    path = compile_path(path_text(steps))
    try:
        expected = walk()
    except (KeyError, IndexError):
        with pytest.raises(MissingPathError):
            path.find(document, scope())
    else:
        assert path.find(document, scope()) is expected


@given(JSON, STEPS)
def test_query_agrees_with_the_plain_path(document, steps):
    """``$..['x']`` aside, a wildcard at the end of a path finds the children of what the plain path finds."""
    text = path_text(steps)
    found = compile_path(f"{text}[*]").find(document, scope())
    try:
        value = compile_path(text).find(document, scope())
    except MissingPathError:
        value = None
    children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    assert found == children


@given(JSON)
def test_select_raises_only_states_errors(document):
    for text in ("$.a.b[0]", "$[0][1]", "$.a[?(@.x > 1)]", "$..a", "$v.a", "$$.a[2:1]"):
        try:
            compile_path(text).select(document, scope(v=document))
        except StatesError as error:
            assert error.name == "States.Runtime"  # noqa: PT017  a value is as good as this error
