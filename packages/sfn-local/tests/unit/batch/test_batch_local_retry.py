"""Failed attempts that are followed by another one, and those that are not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.batch.retry import EXITED, START_FAILED, Exit, is_retried

ACTIONS = st.sampled_from(["RETRY", "EXIT", "retry", "exit"])
PATTERNS = st.sampled_from(["*", "1", "1*", "137", "Essential*", "CannotStart*", "nothing"])
RULES = st.lists(
    st.fixed_dictionaries(
        {"action": ACTIONS}, optional={"onExitCode": PATTERNS, "onReason": PATTERNS, "onStatusReason": PATTERNS}
    ),
    max_size=5,
)
FAILED = Exit(137, EXITED)


def strategy(*rules: dict[str, str], attempts: int = 10) -> dict[str, Any]:
    return {"attempts": attempts, "evaluateOnExit": list(rules)}


@given(rules=RULES, attempts=st.integers(1, 10), made=st.integers(1, 10))
def test_no_more_attempts_than_the_strategy_has(rules: list[dict[str, str]], attempts: int, made: int) -> None:
    assert not is_retried(strategy(*rules, attempts=attempts), max(attempts, made), FAILED)


@given(rules=RULES)
def test_an_attempt_that_was_ended_is_the_last(rules: list[dict[str, str]]) -> None:
    assert not is_retried(strategy(*rules), 1, Exit(143, "stopped by somebody", is_final=True))


@given(rules=RULES, action=ACTIONS)
def test_the_first_rule_that_applies_decides(rules: list[dict[str, str]], action: str) -> None:
    first = {"onStatusReason": EXITED, "onExitCode": "137", "action": action}
    assert is_retried(strategy(first, *rules), 1, FAILED) == (action.upper() == "RETRY")


@given(rules=RULES)
def test_rules_that_do_not_apply_change_nothing(rules: list[dict[str, str]]) -> None:
    others = [{**rule, "onStatusReason": "nothing"} for rule in rules]
    assert is_retried(strategy(*others), 1, FAILED)


@pytest.mark.parametrize(
    ("rule", "ended", "applies"),
    [
        ({"onExitCode": "137"}, FAILED, True),
        ({"onExitCode": "13"}, FAILED, False),
        ({"onExitCode": "13*"}, FAILED, True),
        ({"onExitCode": "1"}, Exit(None, START_FAILED, "CannotStartContainerError: no memory"), False),
        ({"onReason": "CannotStart*"}, Exit(None, START_FAILED, "CannotStartContainerError: no memory"), True),
        ({"onReason": "*"}, FAILED, True),
        ({"onReason": "*", "onExitCode": "1"}, FAILED, False),
    ],
)
def test_rule_applies_when_each_of_its_conditions_holds(rule: dict[str, str], ended: Exit, applies: bool) -> None:
    assert is_retried(strategy({**rule, "action": "EXIT"}), 1, ended) is not applies


def test_success_is_an_exit_code_of_0_that_nobody_asked_for() -> None:
    assert Exit(0, EXITED).has_succeeded
    assert not Exit(0, "stopped by somebody", is_final=True).has_succeeded
    assert not Exit(None, START_FAILED).has_succeeded
