import pytest
from language_values import scope
from sfn_local.language.errors import QueryEvaluationError, StatesError
from sfn_local.language.map_fields import compile_items, compile_value


def item_scope(index, value):
    return scope({"Map": {"Item": {"Index": index, "Value": value}}})


@pytest.mark.parametrize(
    ("fields", "effective", "items"),
    [
        ({}, [1, 2], [1, 2]),
        ({"ItemsPath": "$.a"}, {"a": [1]}, [1]),
        ({"ItemsPath": "$v"}, {}, [7]),
        ({"ItemsPath": "$.a[*].b"}, {"a": [{"b": 1}, {"b": 2}]}, [1, 2]),
    ],
)
def test_items_of_a_jsonpath_map(fields, effective, items):
    assert compile_items(fields, is_jsonata=False).items(effective, scope(v=[7])) == items


@pytest.mark.parametrize(
    ("fields", "effective", "items"),
    [
        ({}, [1, None], [1, None]),
        ({"Items": [1, "{% $number('2') %}", "{% $v %}"]}, {}, [1, 2, [7]]),
        ({"Items": "{% $states.input.a %}"}, {"a": [1, None]}, [1, None]),
        ({"Items": "{% [] %}"}, {}, []),
    ],
)
def test_items_of_a_jsonata_map(fields, effective, items):
    assert compile_items(fields, is_jsonata=True).items(effective, scope(v=[7])) == items


def test_items_that_are_no_array_are_an_error():
    with pytest.raises(StatesError, match=r'Reference path "\$.a" must point to array.'):
        compile_items({"ItemsPath": "$.a"}, is_jsonata=False).items({"a": 1}, scope())
    for value in ({"b": 1}, None):  # in mode INLINE; a Distributed Map iterates over an object
        with pytest.raises(StatesError, match=r'Reference path "\$.a" must point to array.'):
            compile_items({"ItemsPath": "$.a"}, is_jsonata=False).items({"a": value}, scope())
    distributed = {"ItemsPath": "$.a", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}}}
    assert compile_items(distributed, is_jsonata=False).items({"a": {"b": 1}}, scope()) == {"b": 1}
    with pytest.raises(QueryEvaluationError, match=r'Map state input must be an array but was: \{"a":1\}'):
        compile_items({}, is_jsonata=True).items({"a": 1}, scope())
    with pytest.raises(QueryEvaluationError, match="Expected 'array', but was 'null' for value: null"):
        compile_items({"Items": "{% null %}"}, is_jsonata=True).items({}, scope())


def test_selector_makes_the_input_of_a_child():
    template = {"input.$": "$.x", "value.$": "$$.Map.Item.Value", "index.$": "$$.Map.Item.Index"}
    for name in ("ItemSelector", "Parameters"):
        selector = compile_items({name: template}, is_jsonata=False).selector
        assert selector is not None
        assert selector({"x": 1}, item_scope(3, "v")) == {"input": 1, "value": "v", "index": 3}
    source = {"input": "{% $states.input.x %}", "value": "{% $states.context.Map.Item.Value %}"}
    selector = compile_items({"ItemSelector": source}, is_jsonata=True).selector
    assert selector is not None
    assert selector({"x": 1}, item_scope(3, "v")) == {"input": 1, "value": "v"}


def test_without_selector_the_item_is_the_input():
    assert compile_items({}, is_jsonata=False).selector is None


def test_value_of_reader_and_writer_is_of_the_language_of_the_state():
    assert compile_value({"Bucket.$": "$.b"}, "ItemReader/Parameters", is_jsonata=False)({"b": "B"}, scope()) == {
        "Bucket": "B"
    }
    evaluate = compile_value({"Bucket": "{% $states.input.b %}"}, "ItemReader/Arguments", is_jsonata=True)
    assert evaluate({"b": "B"}, scope()) == {"Bucket": "B"}
    with pytest.raises(QueryEvaluationError, match="for the field 'ItemReader/Arguments/Bucket' returned nothing"):
        evaluate({}, scope())
