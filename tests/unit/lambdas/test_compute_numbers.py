"""Numbers are taken in one loop: what it may not depend on."""

from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.batch import compute_batch
from lambdas.batch.compute_batch import NO_RESULT, STOPPED, BatchRun
from lambdas.batch.time_limit import TimeLimit


def batch_run(seconds: float | None = None, *, longest_seconds: float = 0) -> BatchRun:
    parts: Any = SimpleNamespace()
    workload: Any = SimpleNamespace(computes_one_by_one=True)
    settings: Any = SimpleNamespace(params={})
    unused: Any = None
    limit = TimeLimit(seconds)
    return BatchRun(settings, workload, unused, unused, parts, limit, longest_seconds=longest_seconds)


def test_item_that_took_long_does_not_cut_the_loop_short() -> None:
    numbers: list[Any] = []
    assert batch_run(longest_seconds=3_600)._after_numbers(iter(range(100)), numbers, 100) is STOPPED
    assert numbers == list(range(100))


def test_loop_stops_where_another_item_as_long_as_the_longest_would_not_fit() -> None:
    numbers: list[Any] = []
    results = iter(range(100))
    assert batch_run(60, longest_seconds=3_600)._after_numbers(results, numbers, 100) is STOPPED
    assert numbers == [0]
    assert next(results) == 1


@pytest.mark.parametrize("other", ["text", [1], float("nan"), float("inf"), (1,), b""], ids=repr)
def test_first_value_that_is_no_finite_number_ends_the_loop(other: Any) -> None:
    numbers: list[Any] = []
    assert batch_run()._after_numbers(iter([1, 2.5, None, True, other, 3]), numbers, 6) is other
    assert numbers == [1, 2.5, None, True]


def test_end_of_the_results_is_told_from_the_end_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert batch_run()._after_numbers(iter([1, 2]), [], 3) is NO_RESULT
    results, numbers = iter(range(10)), []
    monkeypatch.setattr(compute_batch, "MAX_NUMBERS", 4)
    assert batch_run()._after_numbers(results, numbers, 10) is STOPPED
    assert numbers == [0, 1, 2, 3]
    assert next(results) == 4
