"""The duration model against a simulation of the quotas, child by child."""

import heapq
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc.planning.duration import array_seconds, map_seconds

NO_RAMP = 1_000_000


def simulate(
    durations: list[float], *, starts_per_second: float, concurrency: int, ramp_environments: int, ramp_seconds: float
) -> float:
    """Start children in order, each as soon as the start rate, the limit of children and the ramp allow; return the
    time of the last end."""
    running: list[float] = []
    now = end = 0.0
    for number, seconds in enumerate(durations):
        if number:
            now += 1 / starts_per_second
        while True:
            while running and running[0] <= now + 1e-9:
                heapq.heappop(running)
            environments = ramp_environments * (1 + int((now + 1e-9) / ramp_seconds))
            if len(running) < min(concurrency, environments):
                break
            # The next thing to happen: an end, or more environments.
            grows_at = (int((now + 1e-9) / ramp_seconds) + 1) * ramp_seconds
            now = min(running[0], grows_at) if environments < concurrency else running[0]
        heapq.heappush(running, now + seconds)
        end = max(end, now + seconds)
    return end


def model(
    count: int,
    seconds: float,
    *,
    longest: float | None = None,
    starts_per_second: float,
    concurrency: int,
    ramp_environments: int = NO_RAMP,
    ramp_seconds: float = 10,
) -> float:
    return map_seconds(
        batch_count=count,
        batch_seconds=seconds,
        longest_batch_seconds=seconds if longest is None else longest,
        starts_per_second=starts_per_second,
        concurrency=concurrency,
        ramp_environments=ramp_environments,
        ramp_seconds=ramp_seconds,
    )


@settings(deadline=None, max_examples=200)
@given(
    count=st.integers(1, 3_000),
    seconds=st.floats(0.001, 100),
    starts_per_second=st.sampled_from([20.0, 100.0, 1_000.0]),
    concurrency=st.integers(1, 2_000),
)
def test_duration_is_exact_for_equal_children_without_a_ramp(
    count: int, seconds: float, starts_per_second: float, concurrency: int
) -> None:
    simulated = simulate(
        [seconds] * count,
        starts_per_second=starts_per_second,
        concurrency=concurrency,
        ramp_environments=NO_RAMP,
        ramp_seconds=10,
    )
    found = model(count, seconds, starts_per_second=starts_per_second, concurrency=concurrency)
    assert found == pytest.approx(simulated, rel=1e-6, abs=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(1, 10_000),
    seconds=st.floats(0.05, 60),
    starts_per_second=st.sampled_from([100.0, 1_000.0]),
    concurrency=st.integers(1_001, 10_000),
)
def test_duration_follows_the_ramp_of_a_function(
    count: int, seconds: float, starts_per_second: float, concurrency: int
) -> None:
    quotas = {
        "starts_per_second": starts_per_second,
        "concurrency": concurrency,
        "ramp_environments": 1_000,
        "ramp_seconds": 10.0,
    }
    simulated = simulate([seconds] * count, **quotas)  # type: ignore[arg-type] # one dict for two signatures
    found = model(count, seconds, **quotas)  # type: ignore[arg-type] # as above
    # A bound from below, and never by more than what a group of 1,000 environments takes to start.
    assert found <= simulated + 1e-5
    assert simulated - found <= 0.15 * simulated + 1.5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("starts_per_second", "concurrency"), [(100.0, 500), (1_000.0, 500), (1_000.0, 1_000)])
def test_duration_is_close_for_children_of_all_lengths(seed: int, starts_per_second: float, concurrency: int) -> None:
    durations = [random.Random(seed * 10_000 + number).expovariate(1 / 20) for number in range(5_000)]
    mean, longest = sum(durations) / len(durations), max(durations)
    simulated = simulate(
        durations,
        starts_per_second=starts_per_second,
        concurrency=concurrency,
        ramp_environments=NO_RAMP,
        ramp_seconds=10,
    )
    found = model(len(durations), mean, longest=longest, starts_per_second=starts_per_second, concurrency=concurrency)
    # The slowest is taken to start last: late by at most its own length.
    assert simulated * 0.95 <= found <= simulated * 1.05 + longest


def test_standard_children_start_at_100_a_second() -> None:
    assert model(10_000, 1, starts_per_second=100, concurrency=10_000) == pytest.approx(99.99 + 1)


def test_express_children_wait_for_the_ramp() -> None:
    # 3,000 children of 60 s: 1,000 environments at first, 1,000 more after 10 s, the rest after 20 s.
    found = model(3_000, 60, starts_per_second=1_000, concurrency=3_000, ramp_environments=1_000)
    assert found == pytest.approx(80, abs=1)


@given(jobs=st.integers(1, 200), slots=st.integers(1, 50), seconds=st.floats(1, 10_000))
def test_array_job_takes_as_long_as_its_slots_let_it(jobs: int, slots: int, seconds: float) -> None:
    simulated = simulate(
        [seconds] * jobs, starts_per_second=1e12, concurrency=slots, ramp_environments=NO_RAMP, ramp_seconds=10
    )
    assert array_seconds(job_count=jobs, job_seconds=seconds, slots=slots) == pytest.approx(simulated)
