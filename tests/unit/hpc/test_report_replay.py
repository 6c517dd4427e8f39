"""Output of commands about a run whose every time and failure is known, because it is replayed from a schedule."""

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replayed_runs import ARN, ITEMS_OF_BATCH, Child, Replay

from hpc.commands.next_steps import cause_lines, first_failures
from hpc.commands.runs import document_of
from hpc.commands.status import look
from hpc.report.charts import LEFT, RIGHT, WIDTH, duration_text, percentile
from hpc.report.facts import collect
from hpc.report.page import render
from hpc.report.phases import by_name
from hpc.runs.find import list_executions
from hpc.runs.overview import OverviewReader
from hpc.runs.run import Run
from hpc.runs.watch import Watch
from hpc.terminal.durations import duration
from hpc.ui.snapshots import RunReader

# Services tell milliseconds: a difference of two moments is wrong by one at the most.
MILLISECOND = 0.001
DAY = 86_400.0
BAR = re.compile(
    r'<rect class="(?P<kind>bar[ \w]*)" x="(?P<x>[\d.]+)" y="[\d.]+" width="(?P<width>[\d.]+)"[^>]*>'
    r"<title>items (?P<first>\d+) to \d+: (?P<text>[^<]*)</title>"
)
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED", "PENDING")
seconds = st.integers(1, 10_000).map(lambda milliseconds: milliseconds / 1_000)
successes = st.builds(Child, seconds, seconds, st.just("SUCCEEDED"), st.integers(0, ITEMS_OF_BATCH))
others = st.builds(Child, seconds, seconds, st.sampled_from(UNSUCCESSFUL), st.just(0), st.booleans())
# A Map that fails tolerates no failed item.
without_failed_items = st.builds(Child, seconds, seconds)
patterns = st.one_of(
    st.lists(successes, max_size=12), st.lists(st.one_of(others, without_failed_items), min_size=1, max_size=12)
)


def page_of(replay: Replay) -> str:
    return render(collect(Run(replay.target(), ARN)))


@pytest.mark.parametrize("scale", [0.001, 1.0, 60.0, DAY / 16])
def test_bars_and_figures_are_the_times_of_the_schedule(scale: float) -> None:
    children = [
        Child(begin=0, seconds=4),
        Child(begin=0, seconds=1),
        Child(begin=1, seconds=2, failed_items=1),
        Child(begin=3, seconds=5),
        Child(begin=5, seconds=3),
    ]
    replay = Replay(start_seconds=2, children=children, sum_seconds=6, scale=scale)
    facts = collect(Run(replay.target(), ARN))
    assert by_name(facts.phases) == pytest.approx(replay.phases, abs=MILLISECOND)
    assert facts.seconds == pytest.approx(16 * scale, abs=MILLISECOND)
    page = render(facts)
    bars = {int(bar["first"]): bar for bar in BAR.finditer(page)}
    assert set(bars) == {0, 3, 6, 9, 12}
    for child, bar in zip(children, (bars[first] for first in sorted(bars)), strict=True):
        unit = (WIDTH - LEFT - RIGHT) / 16
        assert float(bar["x"]) == pytest.approx(LEFT + (2 + child.begin) * unit, abs=0.1 + MILLISECOND / scale * unit)
        assert float(bar["width"]) == pytest.approx(child.seconds * unit, abs=0.1 + MILLISECOND / scale * unit)
        began = duration_text((2 + child.begin) * scale)
        assert bar["text"] == f"{duration_text(child.seconds * scale)}, {began} after the start"
    took = sorted(child.seconds * scale for child in children)
    for share, name in ((0.5, "median"), (0.95, "95th percentile"), (1.0, "longest")):
        assert f"<td class=k>{name}</td><td class=n>{duration_text(percentile(took, share))}</td>" in page
    assert "Child executions at a time, at most 2" in page
    assert f", 15 items, {duration(16 * scale)}, " in page
    assert "◐ PARTIAL" in page


def test_children_that_fail_at_once_or_never_begin_are_drawn_and_counted() -> None:
    children = [Child(0, 0, "FAILED"), Child(0, 0, "ABORTED"), *[Child(0, 0, "PENDING")] * 3]
    page = page_of(Replay(0, children, 0))
    assert [bar["kind"] for bar in BAR.finditer(page)] == ["bar bad", "bar halted"]
    assert "<b>15</b><span>items without result</span>" in page


def test_causes_of_many_failed_items_say_that_they_are_of_the_first() -> None:
    for count, are_all in ((10, True), (40, False)):
        replay = Replay(1, [Child(0, 1, failed_items=ITEMS_OF_BATCH)] * count, 1)
        target = replay.target()
        shown = RunReader(ARN).read(target)
        assert (shown["are_all_failures"], shown["failures"][0]["count"]) == (are_all, min(100, 3 * count))
        run = Run(target, ARN)
        lines = list(cause_lines(first_failures(run, Watch(target, ARN).look())))
        said = "counted among the first 100 failed items; hpc failures has all"
        assert (said in lines) != are_all
        assert f'data-head="items">{3 * count}</td>' in page_of(replay)


def test_run_whose_clock_was_set_back_took_no_time() -> None:
    facts = collect(Run(Replay(0, [Child(0, -2)], 0).target(), ARN))
    assert (facts.seconds, sum(phase.seconds for phase in facts.phases)) == (0, 0)
    assert "nan" not in render(facts)


def test_run_without_children_has_a_page() -> None:
    page = page_of(Replay(1, [], 1))
    assert "none has started" in page
    assert "✓ SUCCEEDED" in page


@settings(deadline=None, max_examples=60)
@given(patterns, st.sampled_from([0.001, 1.0, 3_600.0]))
def test_status_report_runs_and_page_count_alike_whatever_failed(children: list[Child], scale: float) -> None:
    replay = Replay(1, children, 1, scale)
    target = replay.target()
    run = Run(target, ARN)
    status = look(run, Watch(target, ARN), OverviewReader(run)).document()
    facts = collect(run)
    [listed] = list_executions(target, target.machine_arns, limit=5)
    row, shown = document_of(target, listed, None), RunReader(ARN).read(target)
    expected = replay.statuses
    assert Counter(facts.children(is_on_jobs=False).statuses) == expected
    counts: dict[str, Any] = status["map_run"]
    assert counts["total"] == shown["batches"]["total"] == len(children)
    assert counts["succeeded"] == shown["batches"]["succeeded"] == expected["SUCCEEDED"]
    failed = expected["FAILED"] + expected["TIMED_OUT"]
    assert counts["failed"] + counts["timedOut"] == shown["batches"]["failed"] == failed
    assert counts["aborted"] == shown["batches"]["stopped"] == expected["ABORTED"]
    assert counts["pending"] == shown["batches"]["waiting"] == expected["PENDING"]
    assert facts.failures.failed + facts.failures.not_computed == replay.without_result
    assert sum(group["count"] for group in shown["failures"]) == facts.failures.failed
    assert facts.sum_of("item_count") == shown["item_count"] == row["items"] == ITEMS_OF_BATCH * len(children)
    is_partial = replay.is_partial
    assert (facts.status == "PARTIAL", shown["status"] == "PARTIAL", row["is_partial"]) == (is_partial,) * 3
    assert status["seconds"] == row["seconds"] == pytest.approx(facts.seconds, abs=MILLISECOND)
    assert sum(phase.seconds for phase in facts.phases) == pytest.approx(facts.seconds, rel=0.01)
    page = render(facts)
    assert f"<b>{replay.without_result:,}</b><span>items without result</span>" in page
    if any(child.status != "PENDING" for child in children):
        assert len(BAR.findall(page)) == len(children) - expected["PENDING"]
