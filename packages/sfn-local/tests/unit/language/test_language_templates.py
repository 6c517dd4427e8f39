import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_values import JSON, NAMES, scope
from sfn_local.language.errors import StatesError, StatesRuntimeError
from sfn_local.language.templates import TemplateSyntaxError, compile_template


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ({}, {}),
        ("$.a", "$.a"),
        ({"x": "$.a", "y": ["$.a"]}, {"x": "$.a", "y": ["$.a"]}),
        ({"x.$": "$.a", "y": 1}, {"x": {"b": 1}, "y": 1}),
        ({"x.$": "$"}, {"x": {"a": {"b": 1}, "l": [1, 2]}}),
        ({"x": {"y": {"z.$": "$.a.b"}}}, {"x": {"y": {"z": 1}}}),
        ({"x": [1, {"y.$": "$.a.b"}, [{"z.$": "$$.Execution.Id"}]]}, {"x": [1, {"y": 1}, [{"z": "arn"}]]}),
        ({"x.$": "$v.w"}, {"x": 5}),
        ({"x.$": "States.Format('{}-{}', $.a.b, $v.w)"}, {"x": "1-5"}),
        ({"x.$": "$.l[*]"}, {"x": [1, 2]}),
        ({"x.$": "$.l[7]"}, {"x": None}),  # the one path without a value that is no error
        ({"x.$": "$.l[7].y"}, {"x": None}),
        ({".$": "$.a.b"}, {"": 1}),
    ],
)
def test_template_is_filled(template, filled):
    assert compile_template(template)({"a": {"b": 1}, "l": [1, 2]}, scope(v={"w": 5})) == filled


def test_filled_template_keeps_the_order_of_keys():
    template = compile_template({"c.$": "$.x", "a": 1, "b.$": "$.y", "d": 2})
    assert list(template({"x": 1, "y": 2}, scope())) == ["c", "a", "b", "d"]


def test_template_without_paths_is_not_copied():
    constant = {"a": ["b", {"c": 1}]}
    assert compile_template(constant)({}, scope()) is constant


def test_missing_path_names_the_key_and_the_input():
    with pytest.raises(StatesRuntimeError) as caught:
        compile_template({"a": {"b.$": "$.no"}})({"x": "é"}, scope())
    assert caught.value.cause == (
        "The JSONPath '$.no' specified for the field 'b.$' could not be found in the input '{\"x\":\"é\"}'"
    )


def test_missing_argument_of_a_function_names_the_whole_function():
    template = compile_template({"a.$": "States.Array(States.JsonToString($.no))"})
    with pytest.raises(StatesRuntimeError) as caught:
        template({}, scope())
    assert caught.value.cause == (
        "The function 'States.Array(States.JsonToString($.no))' had the following error: The JsonPath argument for the"
        " field '$.no' could not be found in the input '{}'"
    )


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ({"a.$": 1}, "/a.$"),
        ({"a.$": ["$.b"]}, "/a.$"),
        ({"a": [{"b.$": "no path"}]}, "/a/0/b.$"),
        ({"a.$": "$.b["}, "/a.$"),
        ({"a.$": "States.Nope()"}, "/a.$"),
        ({"x": {"a": 1, "a.$": "$"}}, "/x/a.$"),
        ({"a.$": "$", "a": 1}, "/a"),
    ],
)
def test_wrong_template_is_refused_with_its_place(template, place):
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_template(template)
    assert caught.value.place == place


EXPRESSIONS = st.sampled_from(
    [
        "$",
        "$$",
        "$.a",
        "$.a.b[0]",
        "$[*]",
        "$..a",
        "$v.x",
        "$$.Execution",
        "States.Array($, 'x', 1)",
        "States.ArrayLength($.a)",
        "States.MathAdd($.a, $.b)",
        "States.StringToJson($)",
        "States.Format('{} {}', $.a, $$.Execution.Id)",
        "States.JsonMerge($.a, $.b, false)",
        "States.ArrayPartition($.a, $.b)",
        "States.Base64Decode($)",
        "States.Hash($, 'MD5')",
    ]
)
TEMPLATES = st.recursive(
    JSON,
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3)
        | st.dictionaries(NAMES.map(lambda name: f"{name}.$"), EXPRESSIONS, max_size=3)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


@given(TEMPLATES, JSON)
def test_fill_raises_only_states_errors_and_changes_nothing(source, document):
    before = copy.deepcopy((source, document))
    try:
        compile_template(source)(document, scope(v=document))
    except StatesError as error:
        assert error.cause  # noqa: PT017  a value is as good as this error
    assert (source, document) == before


@given(JSON)
def test_constant_template_gives_itself(source):
    assert compile_template(source)({}, scope()) == source
