"""`hpc.runs.failure_groups`: errors alike are one group, which is shown as its first error stands."""

import pytest

from hpc.runs.failed_items import FailedItem
from hpc.runs.failure_groups import group_failures
from hpc.terminal.counter import counted


def failed(index: int, cause: str) -> FailedItem:
    return FailedItem(index=index, input=index, error="ValueError", cause=cause, traceback="", attempts=1, batch=0)


@pytest.mark.parametrize(
    ("causes", "counts"),
    [
        (["7 is bad", "9 is bad"], [2]),
        (["-7.5 of 1,024 MiB", "3 of 2 MiB"], [2]),
        (["[3, 4] at (5)", "[0, 1] at (2)"], [2]),
        (["no file se0.py", "no file se1.py"], [1, 1]),
        (["no table v1_2024", "no table v1_2025", "no table v1_2024"], [2, 1]),
        (["needs version 1.2.3rc1", "needs version 1.2.3rc2"], [1, 1]),
        (["sha256 is a1b2", "sha1 is a1b2"], [1, 1]),
        (["Id: 9da0a329-31eb-44ca-8f6a-adf4b6ea4b49 Error", "Id: 00000000-0000-4000-8000-aaaaaaaaaaaa Error"], [2]),
        (["bad (own.py:3 in f)", "bad (own.py:3 in f)"], [2]),
    ],
)
def test_numbers_that_are_no_part_of_a_name_make_no_groups(causes: list[str], counts: list[int]) -> None:
    groups = group_failures(failed(index, cause) for index, cause in enumerate(causes))
    assert [group.count for group in groups.values()] == counts
    assert next(iter(groups)) == f"ValueError: {causes[0]}"


def test_first_items_of_a_group_are_those_with_the_lowest_numbers_whatever_order_they_come_in() -> None:
    groups = group_failures(failed(index, f"item {index} is bad") for index in (8, 3, 9, 1, 7, 2, 5))
    assert list(groups) == ["ValueError: item 1 is bad"]
    [group] = groups.values()
    assert group.count == 7
    assert [item.index for item in group.first] == [1, 2, 3, 5, 7]


@pytest.mark.parametrize(
    ("noun", "one", "two"),
    [
        ("file", "1 file", "2 files"),
        ("batch", "1 batch", "2 batches"),
        ("entry", "1 entry", "2 entries"),
        ("retry", "1 retry", "2 retries"),
        ("day", "1 day", "2 days"),
    ],
)
def test_one_of_a_kind_is_singular(noun: str, one: str, two: str) -> None:
    assert [counted(count, noun) for count in (1, 2)] == [one, two]
    assert counted(1_000, noun).startswith("1,000 ")
