import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_values import JSON, scope
from sfn_local.language.choice import OPERATORS, compile_choice
from sfn_local.language.comparisons import is_number, string_matches
from sfn_local.language.errors import QueryEvaluationError, StatesRuntimeError


def matches(rule, document, **variables):
    choice = compile_choice({"Choices": [{**rule, "Next": "Yes"}], "Default": "No"}, is_jsonata=False)
    return choice.choose(document, scope(**variables))[0] == "Yes"


EARLY, LATE = "2024-01-01T00:00:00Z", "2024-01-01T01:00:00+00:30"  # half an hour later

COMPARISON_CASES = [
    ("BooleanEquals", True, True),
    ("NumericEquals", 1, 1.0),
    ("NumericLessThan", 1, 1.5),
    ("NumericLessThanEquals", 1, 1),
    ("NumericGreaterThan", 2**60 + 1, 2**60),
    ("NumericGreaterThanEquals", 1, -1),
    ("StringEquals", "a", "a"),
    ("StringLessThan", "a", "b"),
    ("StringLessThanEquals", "A", "a"),
    ("StringGreaterThan", "a ", "a"),
    ("StringGreaterThanEquals", "é", "z"),
    ("TimestampEquals", EARLY, "2024-01-01T02:00:00+02:00"),
    ("TimestampLessThan", EARLY, LATE),
    ("TimestampLessThanEquals", EARLY, EARLY),
    ("TimestampGreaterThan", LATE, EARLY),
    ("TimestampGreaterThanEquals", LATE, EARLY),
]
OPPOSITES = {"LessThan": "GreaterThanEquals", "GreaterThan": "LessThanEquals"}


@pytest.mark.parametrize(("operator", "variable", "operand"), COMPARISON_CASES)
def test_comparison_matches_with_a_literal_and_with_a_path(operator, variable, operand):
    document = {"v": variable, "o": operand}
    assert matches({"Variable": "$.v", operator: operand}, document)
    assert matches({"Variable": "$.v", f"{operator}Path": "$.o"}, document)
    assert matches({"Variable": "$v", f"{operator}Path": "$o"}, {}, v=variable, o=operand)
    assert not matches({"Not": {"Variable": "$.v", operator: operand}}, document)


@pytest.mark.parametrize(("operator", "variable", "operand"), COMPARISON_CASES)
def test_comparison_with_another_type_is_false(operator, variable, operand):
    for other in (None, [], {}, [""], "text", 0, 1, True, False, 1.5):
        if (is_number(other) and is_number(variable)) or type(other) is type(variable):
            continue
        assert not matches({"Variable": "$.v", operator: operand}, {"v": other})
        assert not matches({"Variable": "$.v", f"{operator}Path": "$.o"}, {"v": variable, "o": other})


@pytest.mark.parametrize(
    ("operator", "of_type"),
    [
        ("IsNull", [None]),
        ("IsBoolean", [True, False]),
        ("IsNumeric", [0, 1.5, -(2**70)]),
        ("IsString", ["", "a", EARLY, "2024-01-01"]),
        ("IsTimestamp", [EARLY]),
    ],
)
def test_type_test_tells_its_type_from_the_others(operator, of_type):
    for value in [None, True, False, 0, 1.5, -(2**70), "", "a", EARLY, [], {}, "2024-01-01"]:
        is_one = any(value is one or (value == one and type(value) is type(one)) for one in of_type)
        assert matches({"Variable": "$.v", operator: True}, {"v": value}) is is_one
        assert matches({"Variable": "$.v", operator: False}, {"v": value}) is not is_one


@pytest.mark.parametrize(
    ("path", "is_present"),
    [
        ("$.v", True),
        ("$.null", True),
        ("$.no", False),
        ("$.v.w", False),
        ("$.l[0]", False),
        ("$.l[*]", False),
        ("$w", False),
    ],
)
def test_is_present_asks_whether_the_path_has_a_value(path, is_present):
    document = {"v": 1, "null": None, "l": []}
    assert matches({"Variable": path, "IsPresent": True}, document) is is_present
    assert matches({"Variable": path, "IsPresent": False}, document) is not is_present


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("log-*.txt", "log-a\nb.txt", True),
        ("*", "", True),
        ("a*b*c", "a--b--c", True),
        ("a*c", "ab", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a\\\\*", "a\\b", True),
        ("a.c", "abc", False),
        ("A", "a", False),
    ],
)
def test_string_matches_with_wildcards_and_escapes(pattern, text, is_match):
    assert matches({"Variable": "$", "StringMatches": pattern}, text) is is_match


@given(st.text(alphabet="ab*\\", max_size=8))
def test_escaped_text_matches_itself_only(text):
    pattern = text.replace("\\", "\\\\").replace("*", "\\*")
    assert string_matches(text, pattern)
    assert not string_matches(text + "x", pattern)


def test_and_or_not_combine_and_stop_early():
    truth = {"Variable": "$.a", "NumericEquals": 1}
    missing = {"Variable": "$.no", "NumericEquals": 1}
    assert matches({"And": [truth, {"Not": {"Variable": "$.a", "NumericEquals": 2}}]}, {"a": 1})
    assert matches({"Or": [truth, missing]}, {"a": 1})
    assert not matches({"And": [{"Not": truth}, missing]}, {"a": 1})
    assert matches({"Or": [{"And": [truth, truth]}]}, {"a": 1})


@pytest.mark.parametrize(
    "rule", [{"Variable": "$.no", "StringEquals": "a"}, {"Variable": "$.a", "StringEqualsPath": "$.no"}]
)
def test_comparison_without_a_value_is_a_runtime_error(rule):
    with pytest.raises(StatesRuntimeError) as caught:
        matches(rule, {"a": "a"})
    assert caught.value.cause == ("Invalid path '$.no': The choice state's condition path references an invalid value.")


def test_first_matching_rule_is_chosen_and_default_has_none():
    rules = [{"Variable": "$", "NumericGreaterThan": least, "Next": f"Over{least}"} for least in (10, 5)]
    choice = compile_choice({"Choices": rules, "Default": "Small"}, is_jsonata=False)
    assert choice.choose(11, scope()) == ("Over10", choice.rules[0])
    assert choice.choose(7, scope()) == ("Over5", choice.rules[1])
    assert choice.choose(1, scope()) == ("Small", None)


def test_no_match_without_default_is_the_error_that_the_service_reports():
    choice = compile_choice({"Choices": [{"Variable": "$", "IsNull": True, "Next": "A"}]}, is_jsonata=False)
    with pytest.raises(StatesRuntimeError, match="does not point to a next state"):
        choice.choose(1, scope())


def test_jsonata_condition_chooses():
    rules = [
        {"Condition": "{% $states.input.n > $limit %}", "Next": "Big"},
        {"Condition": False, "Next": "Never"},
        {"Condition": "{% $states.context.Execution.Id = 'arn' %}", "Next": "Here"},
    ]
    choice = compile_choice({"Choices": rules}, is_jsonata=True)
    assert choice.choose({"n": 5}, scope(limit=4))[0] == "Big"
    assert choice.choose({"n": 5}, scope(limit=5))[0] == "Here"


def test_jsonata_condition_that_is_no_boolean_names_its_rule():
    rules = [{"Condition": False, "Next": "A"}, {"Condition": "{% 'yes' %}", "Next": "B"}]
    with pytest.raises(QueryEvaluationError) as caught:
        compile_choice({"Choices": rules}, is_jsonata=True).choose({}, scope())
    assert caught.value.cause == (
        "The JSONata expression ''yes'' specified for the field 'Choices[1]/Condition' returned an unexpected result"
        " type. Expected 'boolean', but was 'string' for value: \"yes\""
    )


@given(JSON, JSON, st.sampled_from(sorted(name for name in OPERATORS if name.endswith("Path"))))
def test_comparison_of_any_two_values_gives_an_answer(left, right, operator):
    assert matches({"Variable": "$[0]", operator: "$[1]"}, [left, right]) in (True, False)


# What the pattern language says, tried in every way.
def matches_in_some_way(text, pattern):
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(matches_in_some_way(text[start:], pattern[1:]) for start in range(len(text) + 1))
    literal, rest = (pattern[1], pattern[2:]) if pattern[:2] in ("\\\\", "\\*") else (pattern[0], pattern[1:])
    return text.startswith(literal) and matches_in_some_way(text[1:], rest)


@given(st.text("ab*\\", max_size=8), st.text("ab*\\", max_size=8))
def test_pattern_matches_exactly_what_some_way_of_filling_its_stars_gives(text, pattern):
    assert string_matches(text, pattern) == matches_in_some_way(text, pattern)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("ERROR timeout retry " * 400, "*ERROR*timeout*retry*failed*"),
        ("a" * 200_000, "*a*a*a*a*a*a*a*a*a*b"),
        ("ab" * 100_000, "*" + "ab*" * 100_000 + "c*"),
        ("a" * 100_000, "*" * 100_000 + "b"),
    ],
)
def test_pattern_of_many_stars_takes_no_more_than_reading_it(text, pattern):
    """Trying every way takes longer than the universe is old; the first of these took 18 s."""
    assert not string_matches(text, pattern)
