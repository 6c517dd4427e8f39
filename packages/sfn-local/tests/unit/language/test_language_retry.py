import pytest
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.language.retry import LONGEST_EXECUTION_SECONDS, Retrier, first_counters, next_retry


def delays(retrier, name="E", random=lambda: 0.5):
    counters, found = first_counters([retrier]), []
    while decision := next_retry([retrier], name, counters, random):
        found.append(decision.delay_seconds)
        counters = decision.counters
    return found


def test_defaults_are_three_attempts_after_one_two_and_four_seconds():
    assert delays(Retrier.from_fields({"ErrorEquals": ["States.ALL"]})) == [1, 2, 4]


def test_max_delay_caps_the_wait():
    fields = {"ErrorEquals": ["E"], "IntervalSeconds": 3, "MaxAttempts": 4, "BackoffRate": 2, "MaxDelaySeconds": 5}
    assert delays(Retrier.from_fields(fields)) == [3, 5, 5, 5]


def test_full_jitter_takes_a_random_part_of_the_wait():
    fields = {"ErrorEquals": ["E"], "IntervalSeconds": 4, "BackoffRate": 1.5, "JitterStrategy": "FULL"}
    assert delays(Retrier.from_fields(fields), random=lambda: 0.25) == [1, 1.5, 2.25]
    assert delays(Retrier.from_fields({**fields, "JitterStrategy": "NONE"})) == [4, 6, 9]


def test_zero_attempts_never_retry():
    assert delays(Retrier.from_fields({"ErrorEquals": ["E"], "MaxAttempts": 0})) == []


def test_error_that_no_retrier_matches_is_not_retried():
    assert delays(Retrier.from_fields({"ErrorEquals": ["Other"]})) == []


def test_each_retrier_counts_its_own_attempts():
    retriers = [Retrier(error_equals=("A",), max_attempts=1), Retrier(error_equals=("States.ALL",), max_attempts=2)]
    counters = first_counters(retriers)
    for name, expected in [("B", (0, 1)), ("A", (1, 1)), ("B", (1, 2))]:
        decision = next_retry(retriers, name, counters, lambda: 1)
        assert decision is not None
        counters = decision.counters
        assert counters == expected
    assert (
        next_retry(retriers, "A", counters, lambda: 1) is None
    )  # the first that matches decides, though a second would
    assert next_retry(retriers, "B", counters, lambda: 1) is None


@given(
    st.integers(1, 99_999_999),
    st.floats(1, 100),
    st.none() | st.integers(1, 31_622_399),
    st.integers(0, 99_999_999),
    st.floats(0, 1),
)
def test_delay_is_never_negative_nor_over_its_maximum(interval, backoff, most, retry, random):
    retrier = Retrier(
        error_equals=("E",), interval_seconds=interval, backoff_rate=backoff, max_delay_seconds=most, jitter=True
    )
    delay = retrier.delay_seconds(retry, lambda: random)
    assert 0 <= delay <= (most or LONGEST_EXECUTION_SECONDS)


@pytest.mark.parametrize("retry", [0, 1, 5])
def test_delay_grows_by_the_backoff_rate(retry):
    assert Retrier(error_equals=(), interval_seconds=2, backoff_rate=3).delay_seconds(retry, lambda: 1) == 2 * 3**retry
