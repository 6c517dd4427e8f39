"""Batches: they cover every item once, and there are never too many of them."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.contract.default_batches import default_batch_count
from lambdas.items.batches import BatchForming, range_batches, tolerated_failure_count, tolerated_items
from lambdas.run_files.errors import InvalidEventError, InvalidInputError
from lambdas.run_files.runs import Batch

WEIGHTS = st.lists(st.floats(min_value=1e-9, max_value=1e15) | st.integers(1, 50), max_size=300)


def assert_covers(formed: list[Batch], item_count: int) -> None:
    """Neighbouring batches from 0 to the number of items, numbered from 0 on."""
    assert [batch.number for batch in formed] == list(range(len(formed)))
    assert [batch.first for batch in formed] == [0, *(batch.end for batch in formed[:-1])]
    assert formed[-1].end == item_count
    assert all(batch.count > 0 for batch in formed) or item_count == 0


@given(st.integers(0, 2**53))
def test_range_batches_by_default_are_at_most_1000(item_count: int) -> None:
    formed = range_batches(item_count, None)
    assert_covers(formed, item_count)
    assert len(formed) <= 1000


@given(st.integers(0, 2**53), st.integers(1, 2**53))
def test_range_batches_cover_the_range_or_name_the_smallest_size(item_count: int, batch_size: int) -> None:
    try:
        formed = range_batches(item_count, batch_size)
    except InvalidInputError as error:
        smallest = int(str(error).split()[3])
        assert batch_size < smallest
        formed = range_batches(item_count, smallest)
    else:
        assert max(batch.count for batch in formed) <= batch_size
    assert_covers(formed, item_count)
    assert len(formed) <= 10_000


@given(WEIGHTS)
def test_batches_of_weighted_items_cover_them_and_share_the_weight(weights: list[float]) -> None:
    forming = BatchForming(None)
    for weight in weights:
        forming.add(b"x" * 10, weight)
    formed = forming.batches("key", weighted=True)
    assert_covers(formed, len(weights))
    assert [batch.offset for batch in formed] == [10 * batch.first for batch in formed]
    assert [batch.size_bytes for batch in formed] == [10 * batch.count for batch in formed]


@pytest.mark.parametrize("item_count", [1, 64, 65, 257, 1000, 1001, 19_999, 20_001, 123_457])
@pytest.mark.parametrize("weighted", [True, False])
def test_streamed_batches_are_balanced_whatever_their_number(item_count: int, weighted: bool) -> None:
    forming = BatchForming(None)
    for _ in range(item_count):
        forming.add(b"x", 1)
    formed = forming.batches("key", weighted=weighted)
    assert_covers(formed, item_count)
    assert len(formed) <= default_batch_count(item_count) <= 1000
    assert max(batch.count for batch in formed) <= 1.2 * item_count / default_batch_count(item_count) + 1


@pytest.mark.parametrize(
    ("item_count", "batch_count"),
    [(0, 1), (1, 1), (64, 64), (100, 50), (256, 64), (1_024, 256), (4_000, 1_000), (10**6, 1_000)],
)
def test_batches_by_default_follow_the_number_of_items(item_count: int, batch_count: int) -> None:
    assert len(range_batches(item_count, None)) == batch_count
    forming = BatchForming(None)
    for _ in range(min(item_count, 20_000)):
        forming.add(b"x", 1)
    assert item_count > 20_000 or len(forming.batches("key", weighted=False)) == batch_count


def test_streamed_batches_isolate_heavy_items_among_many_light_ones() -> None:
    forming = BatchForming(None)
    for index in range(100_000):
        forming.add(b"x", 1e6 if index % 10_000 == 0 else 1)
    formed = forming.batches("key", weighted=True)
    assert_covers(formed, 100_000)
    heavy_in = [
        batch.number for index in range(0, 100_000, 10_000) for batch in formed if batch.first <= index < batch.end
    ]
    assert len(set(heavy_in)) == 10


@given(st.integers(1, 400), st.integers(1, 50))
def test_streamed_batches_have_the_given_size(item_count: int, batch_size: int) -> None:
    forming = BatchForming(batch_size)
    for index in range(item_count):
        forming.add(b"x", 1 + index)
    formed = forming.batches("key", weighted=True)
    assert_covers(formed, item_count)
    assert {batch.count for batch in formed[:-1]} <= {batch_size}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=7), st.floats(0, 100))
def test_tolerated_failure_count_stops_no_run_that_could_still_succeed(counts: list[int], percentage: float) -> None:
    tolerated = tolerated_failure_count(counts, percentage)
    allowed = sum(counts) * Fraction(percentage) / 100
    if percentage == 0:
        assert tolerated == 0
    else:
        assert min(sum(failed) for failed in combinations(counts, tolerated)) <= allowed
    if tolerated < len(counts) and percentage > 0:
        assert all(sum(failed) > allowed for failed in combinations(counts, tolerated + 1))


@pytest.mark.parametrize(
    ("item_count", "percentage", "tolerated"),
    [(100, 29, 29), (1000, 0.1, 1), (1000, 0.7, 7), (3, 33.3, 0), (3, 33.4, 1), (7, 100, 7), (0, 50, 0)],
)
def test_tolerated_items_are_exact_in_decimal(item_count: int, percentage: float, tolerated: int) -> None:
    assert tolerated_items(item_count, percentage) == tolerated


@pytest.mark.parametrize("batch", [Batch(0, 0, 1), Batch(7, 5, 2, "runs/a/items.jsonl", 30, 12, 2**32 - 1)])
def test_batch_survives_its_line(batch: Batch) -> None:
    assert Batch.from_json(batch.to_json()) == batch


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"batch": 0, "first": 0},
        {"batch": 0, "first": 0, "count": 1, "more": 1},
        {"batch": 0, "first": 0, "count": 1, "key": "a"},
        {"batch": 0, "first": 0, "count": -1},
        {"batch": 0, "first": "0", "count": 1},
        {"batch": True, "first": 0, "count": 1},
        {"batch": 0, "first": 0, "count": 1.5},
        {"batch": 0, "first": 0, "count": 1, "key": 5, "offset": 0, "bytes": 1},
    ],
)
def test_batch_refuses_what_is_none(value: object) -> None:
    with pytest.raises(InvalidEventError, match=r"batch"):
        Batch.from_json(value)
