"""Queries of JSONPath as Jayway JsonPath answers them, the library that the service uses."""

import pytest
from language_values import scope
from sfn_local.language.path_syntax import MAX_FILTER_DEPTH
from sfn_local.language.paths import PathSyntaxError, compile_path

PEOPLE = [{"name": "Ann", "age": 31}, {"name": "Bob", "age": "31"}, {"name": "Cy"}, "Ann", 31, None, ["Ann", 31]]
ODD = ["", 0, None, False, [], {}]


def found(path, document):
    return compile_path(path).find(document, scope())


@pytest.mark.parametrize(
    ("path", "document", "values"),
    [
        ("$.x[1:-1]", {"x": [1, 2, 3, 4]}, []),
        ("$.x[-3:-1]", {"x": [1, 2, 3, 4]}, [2, 3]),
        ("$.x[-9:-1]", {"x": [1, 2, 3, 4]}, [1, 2, 3]),
        ("$.x[-2:1]", {"x": [1, 2, 3, 4]}, [3, 4, 1]),
        ("$.x[-2:]", {"x": [1, 2, 3, 4]}, [3, 4]),
        ("$.x[:-1]", {"x": [1, 2, 3, 4]}, [1, 2, 3]),
        ("$.x[0:4:2]", {"x": [1, 2, 3, 4]}, [1, 2, 3, 4]),
        ("$.x[2:99]", {"x": [1, 2, 3, 4]}, [3, 4]),
        ("$.x[3,0,9,0]", {"x": [1, 2, 3, 4]}, [4, 1, 1]),
        ("$.x[1:]", {"x": {"1": 2}}, []),
        ("$.*.*", {"a": {"b": 1}, "c": [2], "d": 3}, [1, 2]),
        ("$[*][0]", [[1, 2], {"0": 3}, 4, [], [5]], [1, 5]),
    ],
)
def test_slices_unions_and_wildcards(path, document, values):
    assert found(path, document) == values


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("$..n", [1, 2, 3]),
        ("$..[0]", [{"n": 2}, 4]),
        ("$..['n','m']", [{"n": 3, "m": 4}]),
        ("$..*", [1, [{"n": 2}, {"n": 3, "m": [4]}], {"n": 2}, {"n": 3, "m": [4]}, 2, 3, [4], 4]),
        ("$..[?(@.n > 1)]", [{"n": 2}, {"n": 3, "m": [4]}]),
    ],
)
def test_descent_finds_in_every_object_and_array(path, values):
    document = {"n": 1, "list": [{"n": 2}, {"n": 3, "m": 4}]}
    if "m" not in path:
        document["list"][1]["m"] = [4]
    assert found(path, document) == values


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("@.name == 'Ann'", ["Ann"]),
        ('@.name == "Ann"', ["Ann"]),
        ("@.name==Ann", ["Ann"]),
        ("'Ann' == @.name", ["Ann"]),
        ("@.name == 'A\\u006en'", ["Ann"]),
        ("@.age == 31", ["Ann", "Bob"]),
        ("@.age == 31.0", ["Ann"]),
        ("31.0 == @.age", ["Ann", "Bob"]),
        ("@.age == '31'", ["Ann", "Bob"]),
        ("@.age === 31", ["Ann"]),
        ("@.age !== 31", ["Bob", "Cy"]),
        ("@.age > 30", ["Ann"]),
        ("@.age <= '4'", ["Bob"]),
        ("@.age != 31", ["Cy"]),
        ("@.age", ["Ann", "Bob"]),
        ("!@.age", ["Cy"]),
        ("!(@.age)", ["Cy"]),
        ("@.age && @.name == 'Bob' || @.name == 'Cy'", ["Bob", "Cy"]),
        ("(@.name == 'Bob' || @.name == 'Cy') && !(@.age)", ["Cy"]),
        ("@.name =~ /a.*/i", ["Ann"]),
        ("@.name =~ /n/", []),
        ("@.name in ['Ann', 'Cy']", ["Ann", "Cy"]),
        ("@.name nin ['Ann', 'Cy']", ["Bob"]),
        ("@.name contains 'o'", ["Bob"]),
        ("@.name size 2", ["Cy"]),
        ("@.age == null", []),
        ("@.name == $[3]", ["Ann"]),
        ("@['name'] == 'Bob'", ["Bob"]),
    ],
)
def test_filter_keeps_the_objects_that_it_holds_for(condition, names):
    objects = [value for value in found(f"$[?({condition})]", PEOPLE) if isinstance(value, dict)]
    assert [value["name"] for value in objects] == names


@pytest.mark.parametrize(
    ("path", "document", "values"),
    [
        ("$[?(@)]", ODD, ODD),
        ("$[?(@.x)]", [{"x": value} for value in ODD], [{"x": value} for value in ODD]),
        ("$[?(@ == 0)]", ODD, [0]),
        ("$[?(@ == null)]", ODD, [None]),
        ("$[?(@ == false)]", ODD, [False]),
        ("$[?(@ == [])]", ODD, [[]]),
        ("$[?(@ == {'a': [1, 'b']})]", [{"a": [1, "b"]}, {"a": [1.0, "b"]}], [{"a": [1, "b"]}]),
        ("$[?(@.y)]", {"y": None}, [{"y": None}]),
        ("$[?(@.key == 42)].key", {"key": 42, "other": {"key": 43}}, [42]),
        ("$.o[?(@.y<=1)]", {"o": {"y": 1}}, [{"y": 1}]),
        ("$.[?(@.y<=1)]", [{"y": 1}, {"y": 2}], [{"y": 1}]),
        ("$.o[?(@.y > 1)]", {"o": {"y": 1, "z": {"y": 2}}}, []),
        ("$[?(@[0] == 1)]", [[1], [2], {"0": 1}], [[1]]),
        ("$[?(@..c)]", [{"a": 1}, 2], [{"a": 1}, 2]),
        ("$[?(@[*].c)]", [{"a": {"c": 1}}, {"a": {}}], [{"a": {"c": 1}}]),
        ("$[?(@.a.b)]", [{"a": 1}, {"a": {"b": None}}, {}], [{"a": {"b": None}}]),
        ("$[?(@ =~ /t.*|3/)]", [True, "to", 3, None, ["x", "t"], {}], [True, "to", 3, ["x", "t"]]),
        ("$[?(@.a subsetof [1, 2])]", [{"a": [1]}, {"a": [3]}, {"a": 1}], [{"a": [1]}]),
        ("$[?(@.a anyof [1, 2])]", [{"a": [1, 3]}, {"a": [3]}], [{"a": [1, 3]}]),
        ("$[?(@.a noneof [1, 2])]", [{"a": [1, 3]}, {"a": [3]}], [{"a": [3]}]),
        ("$[?(@.a all [1, 2])]", [{"a": [1, 2, 3]}, {"a": [1]}], [{"a": [1, 2, 3]}]),
        ("$[?(@.a empty true)]", [{"a": ""}, {"a": [1]}, {"a": {}}, {}], [{"a": ""}, {"a": {}}]),
        ("$[?(@.a == 'x)]')]", [{"a": "x)]"}], [{"a": "x)]"}]),
    ],
)
def test_filter_selects(path, document, values):
    assert found(path, document) == values


def test_descent_reaches_deeper_than_python_recurses():
    document: object = {"leaf": 1}
    for _ in range(4500):
        document = {"a": [document]}
    assert found("$..leaf", document) == [1]


def _nested_filters(depth: int) -> str:
    path = "@.x"
    for _ in range(depth):
        path = f"@.a[?({path})]"
    return f"${path[1:]}"


def test_filters_stand_in_each_other_up_to_a_bound_that_keeps_reading_linear() -> None:
    compile_path(_nested_filters(MAX_FILTER_DEPTH))
    for depth in (MAX_FILTER_DEPTH + 1, 1_000):
        with pytest.raises(PathSyntaxError, match=f"filters stand in each other {MAX_FILTER_DEPTH} deep at most"):
            compile_path(_nested_filters(depth))
