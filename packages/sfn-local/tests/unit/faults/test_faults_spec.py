"""Fault specs: what is read, what is refused, and that each spec is the same in both forms."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.faults.spec import KINDS, FaultSpec, FaultSpecError, Rule

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(list(KINDS)))
    rule: dict[str, Any] = {"kind": kind, "state": draw(st.text("abcDEF _-;%=0123", min_size=1))}
    if draw(st.booleans()):
        rule["percentage"] = draw(st.integers(0, 100) | st.floats(0, 100))
    else:
        if draw(st.booleans()):
            rule["item"] = draw(st.lists(st.integers(0, 9_999), min_size=1, max_size=3, unique=True))
        if draw(st.booleans()):
            rule["times"] = draw(st.integers(1, 99) | st.just("always"))
    if kind == "slow":
        rule["seconds"] = draw(st.integers(1, 1_000) | st.floats(0.001, 1_000))
    if kind == "wrong_output" and draw(st.booleans()):
        rule["output"] = draw(VALUES)
    return rule


def spec_of(*given_rules: dict[str, Any], **fields: Any) -> FaultSpec:
    return FaultSpec.from_json({"rules": list(given_rules), **fields})


def test_short_form_is_read_as_the_json_that_it_stands_for() -> None:
    text = "throttle Compute 5%; crash Compute item=3;s3_503 Sum 20% ; slow 'a state' times=always seconds=1.5; seed=7"
    assert FaultSpec.parse(text) == spec_of(
        {"kind": "throttle", "state": "Compute", "percentage": 5},
        {"kind": "crash", "state": "Compute", "item": 3},
        {"kind": "s3_503", "state": "Sum", "percentage": 20},
        {"kind": "slow", "state": "a state", "times": "always", "seconds": 1.5},
        seed=7,
    )


def test_rule_hits_one_attempt_of_each_item_unless_it_says_more() -> None:
    (rule,) = FaultSpec.parse("crash Compute item=3,5").rules
    assert rule == Rule(kind="crash", state="Compute", items=(3, 5), times=1)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("wrong_output Sum", {}),
        ('wrong_output Sum output={"done":true}', {"done": True}),
        ("""wrong_output Sum output='{"a": "b; c"}'""", {"a": "b; c"}),
        ("wrong_output Sum output=null", None),
    ],
)
def test_output_is_json_however_it_is_quoted(text: str, output: Any) -> None:
    assert FaultSpec.parse(text).rules[0].output == output


@given(st.lists(rules(), min_size=1, max_size=4), st.integers(-(2**63), 2**63))
def test_every_spec_is_read_back_from_its_json(given_rules: list[dict[str, Any]], seed: int) -> None:
    spec = spec_of(*given_rules, seed=seed)
    assert FaultSpec.parse(json.dumps(spec.to_json())) == spec


@given(st.lists(rules(), min_size=1, max_size=4), st.integers(-(2**63), 2**63))
def test_every_spec_is_read_back_from_its_short_form(given_rules: list[dict[str, Any]], seed: int) -> None:
    spec = spec_of(*given_rules, seed=seed)
    assert FaultSpec.parse(str(spec)) == spec


@given(st.text())
def test_text_is_a_spec_or_refused_by_name(text: str) -> None:
    with contextlib.suppress(FaultSpecError):
        assert FaultSpec.parse(text).rules


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rules must be a list of at least one rule"),
        ("seed=1", "rules must be a list of at least one rule"),
        ("explode Sum", "kind must be one of throttle, service_error"),
        ("throttle", "a rule is KIND STATE"),
        ("throttle Sum 101%", "a percentage must be 0 to 100, got 101"),
        ("throttle Sum -1%", "a percentage must be 0 to 100, got -1"),
        ("throttle Sum NaN%", 'a percentage must be 0 to 100, got "NaN"'),
        ("throttle Sum five%", 'a percentage must be 0 to 100, got "five"'),
        ("throttle Sum item=-1", "item must be an index from 0"),
        ("throttle Sum item=1,1", "item must be an index from 0, or a list of different ones"),
        ("throttle Sum item=", "item must be an index from 0, or a list of different ones"),
        ("throttle Sum item=3,", r'item must be an index from 0, or a list of different ones, got \[3, ""\]'),
        ("throttle Sum times=0", "times must be an integer from 1, or always"),
        ("throttle Sum times=Always", 'times must be an integer from 1, or always, got "Always"'),
        ("throttle Sum 5% item=3", "give either a percentage or item"),
        ("throttle Sum 5% times=3", "give either a percentage or times"),
        ("throttle Sum 5% 6%", "percentage is given twice"),
        ("throttle Sum seconds=3", "seconds is for slow"),
        ("throttle Sum output={}", "output is for wrong_output"),
        ("slow Sum", "slow needs seconds"),
        ("wrong_output Sum output=done", "output must be JSON, got 'done'"),
        ("slow Sum seconds=0", "seconds must be a number above 0, at most 99999999, got 0"),
        ("slow Sum seconds=1e999", 'seconds must be a number above 0, at most 99999999, got "1e999"'),
        ("slow Sum seconds=1e8", "seconds must be a number above 0, at most 99999999, got 1"),
        (f"slow Sum seconds={'9' * 400}", r"seconds must be a number above 0, at most 99999999, got 9{80}\.\.\.$"),
        ("throttle Sum at=3", "options of a rule are P%, item=, times=, seconds=, output="),
        ("seed=1; seed=2; throttle Sum", "seed is given twice"),
        ("seed=1.5; throttle Sum", "seed must be an integer"),
        ("seed=soon; throttle Sum", 'seed must be an integer, got "soon"'),
        ("throttle 'Sum", "a quotation is not closed"),
        ("{", "must be JSON"),
        ('{"rules": [], "rules": []}', "'rules' stands twice in one object"),
        ('{"rules": [{"kind": "throttle", "state": "Sum", "percentage": NaN}]}', "NaN is not a JSON number"),
        ('{"rules": [{"kind": "throttle", "state": "Sum", "percentage": true}]}', "a percentage must be 0 to 100"),
        ('{"rules": [{"kind": "throttle", "state": "Sum", "per_cent": 5}]}', "rule 1 has no .per_cent.: allowed are"),
        ('{"rules": [{"kind": ["throttle"], "state": "Sum"}]}', "kind must be one of"),
        ('{"rules": [{"kind": "throttle", "state": ""}]}', "state must be the name of a state"),
        ('{"rules": ["throttle"]}', "rule 1 must be an object"),
        ('{"rule": []}', "a fault spec has no .rule.: allowed are seed, rules"),
        ("{" * 100_000, "must be JSON"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(FaultSpecError, match=message):
        FaultSpec.parse(text)
