"""Expressions that would take long to parse are refused before that, or while it is done elsewhere."""

import json

import pytest
from sfn_local.language.definition import InvalidDefinition, load
from sfn_local.language.evaluation import NotQuickError, quickly
from sfn_local.language.jsonata import compile_expression
from sfn_local.language.jsonata_engine import MAX_TOKENS


def machine(expression: str) -> str:
    state = {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}
    return json.dumps({"QueryLanguage": "JSONata", "StartAt": "P", "States": {"P": state}})


@pytest.mark.parametrize(
    "expression",
    [
        f"[{','.join(['1'] * MAX_TOKENS)}]",
        "+".join(["1"] * MAX_TOKENS),
        "(" * (MAX_TOKENS + 1),
        "a" + ".b" * MAX_TOKENS,
        "$f(" * MAX_TOKENS,
        "'a'&" * MAX_TOKENS + "'a'",
    ],
    ids=["elements", "sum", "brackets", "path", "calls", "texts"],
)
def test_an_expression_of_too_many_tokens_is_refused_by_their_number(expression: str) -> None:
    with pytest.raises(InvalidDefinition, match="more than 20,000 names, values and operators"):
        load(machine(expression))


def test_a_long_expression_of_few_tokens_is_read_and_evaluated_elsewhere() -> None:
    text = f"{{% [{','.join(['1'] * 2_000)}] %}}"
    with pytest.raises(NotQuickError):  # not on the event loop
        quickly(compile_expression, text, "Output")
    assert load(machine(text[3:-3]))
    with pytest.raises(InvalidDefinition, match="not JSONata"):
        load(machine(text[3:-3] + " ]"))


def test_a_long_text_is_one_token() -> None:
    assert load(machine(f"'{'a b ' * 1_000}'"))
    assert load(machine(f"/*{'a b ' * 10_000}*/ 1"))
