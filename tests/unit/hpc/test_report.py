"""The report's parts: charts of given durations, the graph of given definitions, a page that runs nothing foreign."""

import json
import math
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import deployed_stack

from hpc.planning.ledger import Ledger
from hpc.planning.prices import read_prices
from hpc.report.charts import concurrency_chart, histogram_chart, lanes_of, percentile, timeline_chart
from hpc.report.facts import Facts, Failures
from hpc.report.graph import Node, draw_graph, states
from hpc.report.machine_sections import indented
from hpc.report.outcomes import nodes
from hpc.report.page import own_line, render
from hpc.report.phases import IDLE, Axis, Phase, by_name, phases_of
from hpc.runs.child_times import SLOWEST, Children
from hpc.runs.failed_items import FailedItem
from hpc.runs.failure_groups import group_failures
from hpc.runs.history import History, StateFacts, error_text
from hpc.runs.run import Run
from hpc.runs.spent import Part, Spent
from hpc.runs.tree import Execution, Machine, Tree, Work
from hpc.runs.watch import Seen

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
ARN = "arn:aws:states:us-east-1:000000000000:execution:Machine:run-1"
MACHINE_ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:Machine"
DEFINITION: dict[str, Any] = {
    "StartAt": "Start",
    "States": {
        "Start": {"Type": "Task", "Next": "ComputeMap"},
        "ComputeMap": {
            "Type": "Map",
            "Next": "Sum",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Compute",
                "States": {
                    "Compute": {"Type": "Task", "Next": "IsBatchDone"},
                    "IsBatchDone": {"Type": "Choice", "Choices": [{"Next": "BatchDone"}], "Default": "Compute"},
                    "BatchDone": {"Type": "Succeed"},
                },
            },
        },
        "Sum": {"Type": "Task", "End": True},
    },
}


def children_of(count: int) -> Children:
    children = Children()
    for number in range(count):
        started = BEGIN + timedelta(seconds=number / 100)
        took = timedelta(seconds=0.2 + (number % 97) / 50)
        children.add("SUCCEEDED", started, started + took, f"child-{number}", f"{number}")
    return children


def machine_of(states_: dict[str, StateFacts]) -> Machine:
    return Machine("Machine", DEFINITION, Counter(["SUCCEEDED"]), states_)


def facts_of(children: Children, failures: list[FailedItem], settings: dict[str, Any], error: str = "") -> Facts:
    run = Run(deployed_stack(MACHINE_ARN), ARN)
    run.__dict__["settings"] = settings  # as if run.json had been read
    described = {"executionArn": ARN, "name": "run-1", "stateMachineArn": MACHINE_ARN, "startDate": BEGIN}
    described |= {"status": "FAILED", "error": error, "cause": error} if error else {"status": "SUCCEEDED"}
    seen = Seen(described, {"maxConcurrency": 500, "toleratedFailureCount": 0})
    state = StateFacts(Counter(["SUCCEEDED"]), 0, '{"a":1}', error, error)
    machine = machine_of({"Start": state, "ComputeMap": state})
    part = Part(Work(run, seen, DEFINITION, "Machine"), children, [])
    return Facts(
        run=run,
        now=BEGIN + timedelta(hours=1),
        tree=Tree([Execution(described, None, History())], {"Machine": machine}),
        parts=[part],
        failures=Failures(group_failures(failures), len(failures), 0, is_known=True),
        spent="the function's memory can't be asked for",
        attempts={},
    )


def plain(page: str) -> str:
    """Return what a person reads of a page, cells apart."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]))


SETTINGS = {"workload": "squares", "item_count": 100_000, "batch_count": 100_000, "params": {}}


def test_children_are_counted_at_each_moment() -> None:
    children = Children()
    for first, last in ((0, 10), (2, 4), (3, 20)):
        children.add("SUCCEEDED", BEGIN + timedelta(seconds=first), BEGIN + timedelta(seconds=last), "c", "")
    moments = [BEGIN.timestamp() + second for second in (0, 2.5, 3.5, 5, 15, 25)]
    assert children.concurrency(moments) == [1, 2, 3, 2, 1, 0]


def test_only_the_slowest_children_keep_their_names() -> None:
    children = children_of(1_000)
    took = sorted(children.durations(), reverse=True)[:SLOWEST]
    assert [slow.seconds for slow in sorted(children.slowest, reverse=True)] == pytest.approx(took)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_percentile_is_the_smallest_that_so_many_do_not_exceed(values: list[float], share: float) -> None:
    durations = sorted(values)
    found = percentile(durations, share)
    assert found in durations
    assert sum(value <= found for value in durations) >= math.ceil(share * len(durations))
    assert found == durations[0] or sum(value < found for value in durations) < share * len(durations)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_histogram_draws_any_durations(values: list[float]) -> None:
    drawn = ET.fromstring(histogram_chart(sorted(values), "child"))
    bars = [bar for bar in drawn.iter("rect") if bar.get("class") == "bar"]
    assert bars
    assert all(float(bar.get("height", "nan")) > 0 for bar in bars)


def axis_of(children: Children) -> Axis:
    return Axis([Phase("ComputeMap", min(children.starts), max(children.stops))])


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 10)), min_size=1, max_size=60))
def test_no_two_children_overlap_in_a_lane_and_there_are_as_many_lanes_as_compute_at_a_time(
    spans: list[tuple[float, float]],
) -> None:
    children = Children()
    for first, seconds in spans:
        started = BEGIN + timedelta(seconds=first)
        children.add("SUCCEEDED", started, started + timedelta(seconds=seconds), "c", "")
    lanes = lanes_of(children, len(spans))
    assert lanes is not None
    for lane in set(lanes):
        own = sorted(
            (start, stop)
            for start, stop, each in zip(children.starts, children.stops, lanes, strict=True)
            if each == lane
        )
        assert all(stop <= start for (_, stop), (start, _) in pairwise(own))
    ends = sorted([*((start, 1) for start in children.starts), *((stop, -1) for stop in children.stops)])
    assert max(lanes) + 1 == max(1, *accumulate(change for _, change in ends))


@pytest.mark.parametrize(("count", "limit"), [(1, 1), (239, 239), (100_000, 2_000)])
def test_timeline_has_a_bar_a_child_until_it_is_a_density(count: int, limit: int) -> None:
    children = Children()
    for number in range(count):
        started = BEGIN + timedelta(seconds=number)
        children.add("SUCCEEDED", started, started + timedelta(seconds=0.5 + number % 7 / 20), "c", "")
    drawn = ET.fromstring(timeline_chart(children, axis_of(children), "child"))
    bars = [bar for bar in drawn.iter("rect") if bar.get("class") == "bar"]
    assert 0 < len(bars) <= limit


def test_children_that_failed_and_those_that_were_stopped_for_it_are_told_apart() -> None:
    children = Children()
    for status in ("SUCCEEDED", "FAILED", "ABORTED", "ABORTED"):
        children.add(status, BEGIN, BEGIN + timedelta(seconds=1), "c", "")
    drawn = timeline_chart(children, axis_of(children), "child")
    assert (drawn.count('class="bar bad"'), drawn.count('class="bar halted"')) == (1, 2)
    assert (children.failed, children.stopped) == (1, 2)
    page = plain(render(facts_of(children, [], SETTINGS)))
    assert "1 failed child executions" in page
    assert "2 stopped child executions" in page


def test_charts_of_children_that_took_no_time_are_drawn() -> None:
    children = Children()
    children.add("FAILED", BEGIN, BEGIN, "child", "0")
    axis = axis_of(children)
    for chart in (timeline_chart(children, axis, "child"), concurrency_chart(children, axis, "job")):
        assert "nan" not in ET.tostring(ET.fromstring(chart), encoding="unicode")


def test_child_that_waits_for_a_worker_waits_and_does_not_compute() -> None:
    children, begin = Children(), BEGIN.timestamp()
    for number in range(40):
        computed = [(begin + number, begin + number + 1)]
        children.add("SUCCEEDED", BEGIN, BEGIN + timedelta(seconds=number + 1), "c", "", computed=computed)
    children.add("ABORTED", BEGIN, BEGIN + timedelta(seconds=5), "never taken", "", computed=[])
    assert children.durations() == pytest.approx([1] * 40)
    assert children.concurrency([begin + 0.5, begin + 30.5]) == [1, 1]
    assert children.waiting([begin + 0.5, begin + 30.5]) == [40, 9]
    assert children.statuses.total() == 41
    assert "at most 1; at most" in concurrency_chart(children, axis_of(children), "child")


MOMENTS = st.lists(st.floats(0, 1_000), min_size=1, max_size=12).map(sorted)


@given(MOMENTS, st.lists(st.sampled_from(["Start", "ComputeMap", "Sum", None]), min_size=12, max_size=12))
def test_phases_add_up_to_the_duration_of_the_run_whatever_its_history_is(
    moments: list[float], names: list[str | None]
) -> None:
    marks = [(BEGIN + timedelta(seconds=moment), name) for moment, name in zip(moments, names, strict=False)]
    described = {"startDate": BEGIN, "stopDate": BEGIN + timedelta(seconds=max(1.0, moments[-1]))}
    phases = phases_of(Execution(described, None, History(marks=marks)), BEGIN)
    assert sum(by_name(phases).values()) == pytest.approx(max(1.0, moments[-1]), rel=0.01)
    assert all(phase.end >= phase.begin for phase in phases)
    axis = Axis(phases)
    assert len(axis.moments(10)) == 11
    assert all(0 <= axis.share(moment) <= 1 + 1e-9 for moment in axis.moments(10))


def test_run_is_drawn_without_the_pause_before_its_redrive() -> None:
    marks = [(0.0, "Start"), (10.0, "ComputeMap"), (20.0, None), (1_020.0, "ComputeMap"), (1_030.0, "Sum")]
    history = History(marks=[(BEGIN + timedelta(seconds=moment), name) for moment, name in marks])
    phases = phases_of(
        Execution({"startDate": BEGIN, "stopDate": BEGIN + timedelta(seconds=1_031)}, None, history), BEGIN
    )
    assert by_name(phases) == pytest.approx({"Start": 10, "ComputeMap": 20, IDLE: 1_000, "Sum": 1})
    axis = Axis(phases)
    assert axis.seconds == pytest.approx(31)
    assert axis.share(BEGIN.timestamp() + 1_025) == pytest.approx(25 / 31)


def test_own_line_is_the_innermost_one_of_the_traceback() -> None:
    traceback = (
        'Traceback (most recent call last):\n  File "/tmp/a/dbg.py", line 3, in compute\n    helper()\n'
        '  File "/tmp/a/dbg.py", line 12, in helper\n    return known["key2"]\nKeyError: \'key2\'\n'
    )
    assert own_line(traceback) == 'dbg.py:12 in helper: return known["key2"]'
    assert own_line("") == ""


def test_graph_has_a_box_and_a_link_for_every_state_inner_ones_included() -> None:
    nodes = {"Start": Node("SUCCEEDED", ""), "Compute": Node("FAILED", "2 failed")}
    drawn = ET.fromstring(draw_graph(DEFINITION, nodes))
    links = [link for link in drawn.iter("a") if link.get("class", "").startswith("state")]
    assert {link.get("href") for link in links} == {f"#state-{number}" for number in range(6)}
    assert [name for name, _ in states(DEFINITION)] == [
        *("Start", "ComputeMap", "Compute", "IsBatchDone", "BatchDone", "Sum")
    ]
    assert [link.get("class") for link in links].count("state NOT_REACHED") == 4
    assert len([edge for edge in drawn.iter("path") if edge.get("class") == "edge"]) == 5


def test_graph_of_a_state_that_leads_to_itself_and_of_one_that_nothing_leads_to_is_drawn() -> None:
    machine = {
        "StartAt": "Again",
        "States": {"Again": {"Type": "Choice", "Default": "Again"}, "Alone": {"Type": "Succeed"}},
    }
    assert len(list(ET.fromstring(draw_graph(machine, {})).iter("a"))) == 2


def test_page_of_100_000_children_stays_far_under_5_mb() -> None:
    # A density has 2,000 cells at the most, however many children there are.
    assert len(render(facts_of(children_of(100_000), [], SETTINGS))) < 500_000


def test_page_shows_what_a_workload_wrote_as_text_only() -> None:
    text = "<script>alert(1)</script>\"'&"
    failure = FailedItem(3, text, text, text, 2, 0)
    page = render(facts_of(children_of(3), [failure], {**SETTINGS, "params": {text: text}}, error=text))
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert" in page


def test_page_names_no_address_outside_itself() -> None:
    page = render(facts_of(children_of(3), [], SETTINGS))
    assert "http:" not in page
    assert "https:" not in page
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("is_local", "where"), [(False, "that are deployed now"), (True, "in the cloud assembly that was served last")]
)
def test_page_says_that_memory_is_the_present_one_not_what_an_older_run_had(
    is_local: bool, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    facts = facts_of(children_of(3), [], SETTINGS)
    run = replace(facts.run, target=replace(facts.run.target, is_local=is_local))
    page = render(replace(facts, run=run, spent=Spent(read_prices("us-east-1"), Ledger(), [], 0)))
    assert f"Memory and processor of functions are those {where}, also of a run from before they were changed." in page


def test_page_of_a_run_without_children_says_so() -> None:
    page = render(facts_of(Children(), [], {}, error=json.dumps({"errorMessage": "no", "errorType": "InvalidInput"})))
    assert "none has started" in page
    assert "InvalidInput: no" in page


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, {}),
        ({"SUCCEEDED": 3}, {"Compute": "SUCCEEDED", "IsBatchDone": "SUCCEEDED", "BatchDone": "SUCCEEDED"}),
        (
            {"SUCCEEDED": 3, "RUNNING": 1},
            {"Compute": "RUNNING", "IsBatchDone": "SUCCEEDED", "BatchDone": "SUCCEEDED"},
        ),
        ({"TIMED_OUT": 1, "RUNNING": 1}, {"Compute": "FAILED"}),
        ({"RUNNING": 2}, {"Compute": "RUNNING"}),
    ],
)
def test_states_inside_the_map_have_the_outcome_of_the_children(
    statuses: dict[str, int], expected: dict[str, str]
) -> None:
    children = Children()
    children.statuses.update(statuses)
    shown = nodes(machine_of({"ComputeMap": StateFacts(Counter(["SUCCEEDED"]))}), children, {})
    assert {name: node.status for name, node in shown.items() if name not in DEFINITION["States"]} == expected


def test_error_of_a_state_is_the_message_and_then_where_it_was_raised() -> None:
    cause = {
        "errorType": "ValueError",
        "errorMessage": "no",
        "stackTrace": ["  File a, line 1\n", "  File b, line 2\n"],
    }
    assert error_text("ValueError", json.dumps(cause)) == "ValueError: no\n  File a, line 1\n  File b, line 2"
    assert error_text("States.Timeout", None) == "States.Timeout"
    assert error_text(None, None) == ""


@pytest.fixture
def _recursion_limit() -> Iterator[None]:
    """Set the limit of a command: a library of other tests raises it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("_recursion_limit")
@pytest.mark.parametrize("depth", [1_900, 100_000])
def test_data_that_is_nested_too_deeply_to_be_indented_is_shown_as_it_is(depth: int) -> None:
    text = "[" * depth + "]" * depth
    assert indented(text) == text
    assert indented("[1]") == "[\n  1\n]"
