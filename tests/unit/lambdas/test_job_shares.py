"""Shares of an array job: together all batches, and names that no two runs share."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.items.inputs import RUN_NAME
from lambdas.run_files import job_shares

NAMES = st.from_regex(r"[0-9A-Za-z_-]{1,80}", fullmatch=True)


@given(st.integers(1, 10_000), st.integers(2, 10_000))
def test_shares_are_all_batches_in_order_and_equal_within_one(batch_count: int, array_size: int) -> None:
    shares = [job_shares.share(batch_count, array_size, index) for index in range(array_size)]
    assert [number for share in shares for number in share] == list(range(batch_count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 10**6), st.integers(2, 10_000))
def test_array_has_a_child_a_batch_up_to_the_limit_and_never_less_than_two(batch_count: int, limit: int) -> None:
    assert job_shares.array_size(batch_count, limit) == max(2, min(batch_count, limit))


@pytest.mark.parametrize(
    ("batch_count", "limit", "size"), [(1, 24, 2), (2, 24, 2), (1024, 24, 24), (10**5, 10**5, 10_000)]
)
def test_array_size_at_its_limits(batch_count: int, limit: int, size: int) -> None:
    assert job_shares.array_size(batch_count, limit) == size


@given(st.lists(st.tuples(NAMES, st.sampled_from(["", "/batch", "/batch_callback"])), min_size=2, unique=True))
def test_no_two_runs_share_a_job_name_or_a_part(runs: list[tuple[str, str]]) -> None:
    names = [
        job_shares.job_name(name + nested, nested[1:] or back_end)
        for name, nested in runs
        for back_end in ("batch", "batch_callback")[: 1 if nested else 2]
    ]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}", name) for name in names)
    keys = [job_shares.array_part_key(name + nested, 0) for name, nested in runs]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "is_run"),
    [
        ("a", True),
        ("a/batch", True),
        ("a/batch_callback", True),
        ("a/lambda", False),
        ("a/batch/batch", False),
        ("/batch", False),
    ],
)
def test_name_of_a_run_is_an_execution_or_one_of_its_back_ends(name: str, is_run: bool) -> None:
    assert bool(RUN_NAME.fullmatch(name)) is is_run
