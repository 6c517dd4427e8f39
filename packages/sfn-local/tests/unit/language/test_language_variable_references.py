"""Variables that the states of a definition read."""

from typing import Any

import pytest
from sfn_local.language.variable_references import variable_references

PASS = {"Type": "Pass", "End": True}


def references(state: dict[str, Any], language: str = "JSONPath") -> list[str]:
    found = variable_references({"QueryLanguage": language, "StartAt": "S", "States": {"S": state}})
    return found.get("S", [])


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"InputPath": "$b", "OutputPath": "$a.x[0]"}, ["a", "b"]),
        ({"Parameters": {"x.$": "$a", "y": "$b", "zPath": "$c", "in": [{"v.$": "$d['$e']"}]}}, ["a", "d"]),
        ({"Parameters": {"x.$": "States.Format('{} $no', $yes, $.no, $$.Execution.Name)"}}, ["yes"]),
        ({"Assign": {"x.$": "$old", "y": "$no"}}, ["old"]),
        ({"Result": {"InputPath": "$no", "x.$": "$no"}}, []),
        ({"Choices": [{"And": [{"Variable": "$a", "StringEqualsPath": "$b.c"}], "Next": "S"}]}, ["a", "b"]),
        ({"Retry": [{"ErrorEquals": ["$no"]}], "Catch": [{"ErrorEquals": ["E"], "Assign": {"x.$": "$yes"}}]}, ["yes"]),
    ],
)
def test_jsonpath_state_reads_the_variables_of_its_paths(fields: dict[str, Any], names: list[str]) -> None:
    assert references({**PASS, **fields}) == names


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("$a + $states.input.b", ["a"]),
        ("$sum($values) & '$no' & \"$no\" & `$no`.x /* $no */", ["values"]),
        ("($bound := $free; $bound)", ["free"]),
        ("$map($list, function($item, $index) { $item * $factor })", ["factor", "list"]),
        ("$.x", []),
        ("$partition($rows, 2)", ["rows"]),
        ("$states.input@$row.(#$place)", []),
    ],
)
def test_jsonata_state_reads_the_variables_that_its_expressions_do_not_bind(expression: str, names: list[str]) -> None:
    state = {**PASS, "Output": {"here": [f"{{% {expression} %}}"], "not": "$here"}}
    assert references(state, "JSONata") == names


def test_nested_states_stand_beside_the_one_that_they_are_in() -> None:
    inner = {"StartAt": "Inner", "States": {"Inner": {**PASS, "InputPath": "$inner"}}}
    outer = {"Type": "Map", "ItemsPath": "$outer", "ItemProcessor": inner, "End": True}
    assert variable_references({"StartAt": "O", "States": {"O": outer}}) == {"O": ["outer"], "Inner": ["inner"]}
