import copy

import pytest
from hypothesis import given
from language_values import JSON, STEPS, path_text, scope
from sfn_local.language.errors import ReferencePathConflictError
from sfn_local.language.paths import compile_path
from sfn_local.language.reference_paths import place


@pytest.mark.parametrize(
    ("path", "document", "expected"),
    [
        ("$", {"a": 1}, "new"),
        ("$.a", {"a": 1, "b": 2}, {"a": "new", "b": 2}),
        ("$.c", {"a": 1}, {"a": 1, "c": "new"}),
        ("$.c.d.e", {"a": 1}, {"a": 1, "c": {"d": {"e": "new"}}}),
        ("$.a[1]", {"a": [1, 2, 3]}, {"a": [1, "new", 3]}),
        ("$.a[0].b", {"a": [{"b": 1, "c": 2}]}, {"a": [{"b": "new", "c": 2}]}),
        ("$[0]", [1], ["new"]),
    ],
)
def test_value_is_placed(path, document, expected):
    assert place(compile_path(path), document, "new") == expected


@pytest.mark.parametrize(
    ("path", "document", "cause"),
    [
        ("$.a", [1], 'Unable to apply step "a" to input [1]'),
        ("$.a", "text", 'Unable to apply step "a" to input "text"'),
        ("$.a.b", {"a": 1}, 'Unable to apply step "b" to input {"a":1}'),
        ("$.a[1]", {"a": [1]}, 'Unable to apply step "1" to input {"a":[1]}'),
        ("$.a[-1]", {"a": [1]}, 'Unable to apply step "-1" to input {"a":[1]}'),
        ("$.a[0]", {}, 'Unable to apply step "0" to input {}'),
    ],
)
def test_place_that_the_document_cannot_have_is_a_conflict(path, document, cause):
    with pytest.raises(ReferencePathConflictError) as caught:
        place(compile_path(path), document, "new")
    assert caught.value.cause == cause


@given(JSON, STEPS, JSON)
def test_placed_value_is_selected_and_the_document_is_unchanged(document, steps, value):
    before = copy.deepcopy(document)
    path = compile_path(path_text(steps))
    try:
        placed = place(path, document, value)
    except ReferencePathConflictError:
        pass
    else:
        assert path.find(placed, scope()) is value
    assert document == before


def test_parts_off_the_path_are_shared():
    document = {"big": [1, 2, 3], "a": {"x": {}}}
    placed = place(compile_path("$.a.b"), document, 1)
    assert placed["big"] is document["big"]
    assert placed["a"]["x"] is document["a"]["x"]
