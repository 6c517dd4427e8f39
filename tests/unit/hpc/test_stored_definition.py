import json

import pytest

from hpc.runs.stored_definition import parse_definition

CHOICE = {"Type": "Choice", "Choices": [{"Next": "Map"}], "Default": "Map"}
INNER = {"StartAt": "Child", "States": {"Child": {"Type": "Pass", "End": True}}}
MAP = {"Type": "Map", "ItemProcessor": INNER, "Catch": [{"ErrorEquals": ["x"], "Next": "Choice"}], "End": True}
SOUND = {"StartAt": "Choice", "States": {"Choice": CHOICE, "Map": MAP}}


def test_a_sound_definition_is_returned_as_it_is():
    assert parse_definition(json.dumps(SOUND)) == SOUND


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 20_000,
        "{}",
        '{"StartAt": "A"}',
        '{"StartAt": "A", "States": {"B": {"Type": "Pass", "End": true}}}',
        '{"StartAt": "A", "States": {"A": null}}',
        '{"StartAt": "A", "States": {"A": {}}}',
        '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": 1}}}',
        '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}',
        '{"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [7]}}}',
        '{"StartAt": "A", "States": {"A": {"Type": "Map", "ItemProcessor": []}}}',
        '{"StartAt": "A", "States": {"A": {"Type": "Parallel", "Branches": [{}]}}}',
    ],
)
def test_a_damaged_definition_is_refused_by_a_sentence(damaged):
    with pytest.raises(ValueError, match=r"\w"):
        parse_definition(damaged)
