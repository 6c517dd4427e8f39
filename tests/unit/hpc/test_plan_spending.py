"""Cost of a run so far, messages of a sample, and the figures of docs/explanation/cost.md."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.commands.sample import ranges, spread
from hpc.errors import NotStartedError
from hpc.planning.advice import PlanOptions, make_plan
from hpc.planning.designs import ASSUMPTIONS, Computation, Design, Quotas
from hpc.planning.estimate import estimate
from hpc.planning.prices import read_prices
from hpc.planning.ranges import Range
from hpc.planning.spending import Meter, Rates
from hpc.planning.table import rows
from hpc.planning.workload import functions_of
from hpc.targets.home import Home
from hpc.targets.workload_file import WorkloadFile

PROJECT = Path(__file__).parents[3]
DESIGN = Design(batch_size=10, memory_mib=2_048)


def rates(**changes: Any) -> Rates:
    return Rates.of(replace(DESIGN, **changes), ASSUMPTIONS, read_prices("us-east-1"))


def test_meter_adds_children_and_the_time_that_they_run() -> None:
    meter = Meter(Rates(run=1, child=10, child_second=100))
    meter.look(started=2, running=2, seconds=1)
    assert meter.usd == 1 + 2 * 10 + 2 * 100
    # Three of them began between the looks: all are taken to have run since the first.
    meter.look(started=5, running=3, seconds=2)
    assert meter.usd == 1 + 5 * 10 + (2 + 3) * 100
    meter.look(started=5, running=0, seconds=4)
    assert meter.usd == 1 + 5 * 10 + (2 + 3 + 2 * 3) * 100


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.floats(0, 60)), min_size=1))
def test_what_is_spent_never_falls(steps: list[tuple[int, int, float]]) -> None:
    meter, before, now, started = Meter(rates()), 0.0, 0.0, 0
    for more, running, seconds in steps:
        now, started = now + seconds, started + more
        meter.look(started=started, running=running, seconds=now)
        assert meter.usd >= before
        before = meter.usd


@pytest.mark.parametrize("child_type", ["STANDARD", "EXPRESS"])
def test_spending_of_a_whole_run_is_about_its_estimate(child_type: Any) -> None:
    # 1,000 children of 20 s, 500 at a time, looked at every 2 s.
    design = replace(DESIGN, child_type=child_type, max_concurrency=500)
    times = Range.exactly(2)
    computation = Computation(item_count=10_000, seconds_per_item=times, longest_seconds=times)
    expected = estimate(computation, design, Quotas(), ASSUMPTIONS, read_prices("us-east-1")).usd.expected
    meter = Meter(rates(child_type=child_type))
    for look in range(1, 21):
        done = 500 if look > 10 else 0
        meter.look(started=done + 500, running=500, seconds=2.0 * look)
    meter.look(started=1_000, running=0, seconds=40)
    assert meter.usd == pytest.approx(expected, rel=0.1)


@given(st.integers(1, 10**9), st.integers(1, 10_000))
def test_sample_goes_from_the_first_item_to_the_last(item_count: int, sample: int) -> None:
    positions = spread(item_count, sample)
    assert len(set(positions)) == len(positions) == min(item_count, sample)
    assert positions == sorted(positions)
    if len(positions) > 1:
        assert (positions[0], positions[-1]) == (0, item_count - 1)


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=50))
def test_measured_times_give_a_mean_and_a_longest_that_rise(seconds: list[float]) -> None:
    mean, longest = ranges(seconds)
    assert mean.expected == pytest.approx(sum(seconds) / len(seconds))
    assert longest.expected == max(seconds)
    assert mean.low <= mean.expected <= mean.high


def test_functions_of_a_workload_are_read_without_running_it() -> None:
    home = Home(project=PROJECT, folder=PROJECT / "no-such-home")
    assert "compute_batch" in (functions_of(None, None, home) or ())
    assert functions_of("no_such_workload", None, home) is None
    source = b"raise SystemExit\ndef compute(item):\n    return item\n"
    assert functions_of("mine.py", WorkloadFile("mine", source), home) == {"compute"}
    with pytest.raises(NotStartedError, match="the workload mine can't be read"):
        functions_of("mine.py", WorkloadFile("mine", b"def :"), home)


def test_docs_show_the_published_run_as_it_is_estimated() -> None:
    computation = Computation(
        item_count=1_024, seconds_per_item=Range.exactly(113.4), longest_seconds=Range.exactly(600)
    )
    prices = read_prices("us-east-1")
    plan = make_plan(computation, PlanOptions(max_concurrency=1_000), Quotas(), ASSUMPTIONS, prices)
    table = rows(plan)
    shown = (PROJECT / "docs/explanation/cost.md").read_text(encoding="utf-8")
    for row in (next(row for row in table if row[0].startswith("*")), table[-1]):
        _, batches, transitions, gb_seconds, _, _, usd, _, _, time = row
        assert f"| {batches} | {transitions} | {gb_seconds} | {usd} | {time} |" in shown
    for name in ("cold_start_seconds", "call_seconds", "job_start_seconds"):
        assumed = getattr(ASSUMPTIONS, name)
        assert f"| {assumed.low:g} s | {assumed.expected:g} s | {assumed.high:g} s |" in shown
