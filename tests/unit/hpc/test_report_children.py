"""Children as a report reads them, on a stubbed AWS: from result files, from lists page by page, or from counts."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from stubs import answering, deployed_stack

from hpc.commands.status import Status
from hpc.runs.child_times import COUNTS, LISTED_STATUSES, listed_children, read_children
from hpc.runs.overview import Overview, children_so_far
from hpc.runs.run import Run
from hpc.runs.spent import Part
from hpc.runs.tree import Tree, Work
from hpc.runs.watch import Seen
from hpc.targets.client import Target

ACCOUNT = "us-east-1:000000000000"
MACHINE = f"arn:aws:states:{ACCOUNT}:stateMachine:Machine"
RUN = f"arn:aws:states:{ACCOUNT}:execution:Machine:run-1"
MAP_RUN_ARN = f"arn:aws:states:{ACCOUNT}:mapRun:Machine/ComputeMap:1d4d6ad0"
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
NOW = BEGIN + timedelta(seconds=100)


def moment(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


# Of a Map Run that was redriven, beside its counts.
REDRIVEN = {"redriveDate": moment(90), "redriveCount": 1}


def map_run(**counts: int) -> dict[str, Any]:
    counted = {name: counts.get(name, 0) for name in COUNTS.values()} | {"total": sum(counts.values())}
    return {"mapRunArn": MAP_RUN_ARN, "itemCounts": counted, "startDate": BEGIN}


@pytest.fixture
def target() -> Target:
    return deployed_stack(MACHINE)


@pytest.fixture
def states(target: Target) -> Iterator[Stubber]:
    with answering(target.stepfunctions) as stub:
        yield stub


@pytest.fixture
def s3(target: Target) -> Iterator[Stubber]:
    with answering(target.s3) as stub:
        yield stub


def child(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "executionArn": f"arn:aws:states:{ACCOUNT}:execution:Machine/ComputeMap:child-{number}",
        "stateMachineArn": f"{MACHINE}/ComputeMap",
        "name": f"child-{number}",
        "status": status,
        "startDate": moment(number / 100),
        **({} if status == "RUNNING" else {"stopDate": moment(number / 100 + 2)}),
        **more,
    }


def add_lists(stub: Stubber, **of_status: list[dict[str, Any]]) -> None:
    """Answer ListExecutions for every status, in pages of 1,000."""
    for status in LISTED_STATUSES:
        given = of_status.get(status, [])
        for first in range(0, max(1, len(given)), 1_000):
            more = {"nextToken": str(first + 1_000)} if first + 1_000 < len(given) else {}
            token = {"nextToken": str(first)} if first else {}
            asked = {"mapRunArn": MAP_RUN_ARN, "statusFilter": status, "maxResults": 1_000, **token}
            stub.add_response("list_executions", {"executions": given[first : first + 1_000], **more}, asked)


def add_object(stub: Stubber, key: str, body: bytes) -> None:
    stream = StreamingBody(io.BytesIO(body), len(body))
    stub.add_response("get_object", {"Body": stream}, {"Bucket": "results", "Key": key})


def test_children_beyond_the_first_1000_are_counted_while_the_map_run_goes_on(target: Target, states: Stubber) -> None:
    succeeded = [child(number, "SUCCEEDED") for number in range(2_345)]
    add_lists(states, SUCCEEDED=succeeded, RUNNING=[child(9_000, "RUNNING")])
    children = listed_children(target, map_run(succeeded=2_345, running=1), NOW)
    assert (children.statuses, len(children.starts)) == ({"SUCCEEDED": 2_345, "RUNNING": 1}, 2_346)
    assert max(children.durations()) == pytest.approx(10)


def test_child_that_was_redriven_has_run_since_then(target: Target, states: Stubber) -> None:
    add_lists(states, RUNNING=[child(0, "RUNNING", redriveDate=moment(97))])
    assert listed_children(target, map_run(running=1), NOW).durations() == pytest.approx([3])


def refuse_lists(states: Stubber) -> None:
    """Answer one look at the children of a Map Run as the service does where they are Express ones."""
    for _ in LISTED_STATUSES:
        states.add_client_error("list_executions", "StateMachineTypeNotSupported", "not of EXPRESS")


def leave_untold(states: Stubber, s3: Stubber) -> None:
    """Let nothing tell of Express children: they are looked for twice, and run, so that there are no result files."""
    refuse_lists(states)
    refuse_lists(states)
    s3.add_client_error("get_object", "NoSuchKey", "no manifest yet", 404)


def test_express_children_that_are_not_listed_are_counted(target: Target, states: Stubber) -> None:
    refuse_lists(states)
    children = listed_children(target, map_run(succeeded=7, failed=1, running=2, pending=5), NOW)
    assert +children.statuses == Counter(SUCCEEDED=7, FAILED=1, RUNNING=2, PENDING=5)
    assert children.durations() == []


def test_express_children_that_run_cost_what_as_many_as_run_now_have_cost(
    target: Target, states: Stubber, s3: Stubber
) -> None:
    leave_untold(states, s3)
    run = Run(target, RUN)
    children = children_so_far(run, map_run(succeeded=6, running=2), (), NOW)
    assert sum(children.durations()) == pytest.approx(200)


def test_express_children_of_a_redrive_have_cost_nothing_while_the_run_was_idle(
    target: Target, states: Stubber, s3: Stubber
) -> None:
    leave_untold(states, s3)
    run = Run(target, RUN)
    redriven = {**map_run(succeeded=6, running=2), **REDRIVEN}
    assert sum(children_so_far(run, redriven, (moment(90),), NOW).durations()) == pytest.approx(20)


def status_of(target: Target, shown: dict[str, Any], read: dict[str, Any] | None = None) -> Status:
    """Look at a run whose Map Run is as shown, with an overview that was read of an earlier answer or of the same."""
    execution = {"status": "RUNNING", "startDate": BEGIN}
    run, read = Run(target, RUN), read or shown
    children = children_so_far(run, read, (), NOW)
    part = Part(Work(run, Seen(execution, read), {}, "Machine"), children, [])
    return Status(run, Seen(execution, shown), [], Overview(Tree(), [part], "not asked"), NOW)


def test_rate_is_over_the_time_since_the_map_run_began(target: Target, states: Stubber) -> None:
    add_lists(states, SUCCEEDED=[child(number, "SUCCEEDED") for number in range(50)])
    status = status_of(target, map_run(succeeded=50, pending=50))
    assert (status.rate, status.seconds_left) == (pytest.approx(0.5), pytest.approx(100))


def test_rate_of_a_redrive_is_of_what_was_done_since_then(target: Target, states: Stubber) -> None:
    before = [child(number, "SUCCEEDED") for number in range(40)]
    since = [child(9_300 + number, "SUCCEEDED") for number in range(20)]
    again = [child(number, "SUCCEEDED", redriveDate=moment(90), stopDate=moment(95)) for number in range(40, 45)]
    waiting = [child(number, "FAILED") for number in range(45, 50)]
    running = [child(50, "RUNNING", redriveDate=moment(90))]
    add_lists(states, SUCCEEDED=[*before, *since, *again], FAILED=waiting, RUNNING=running)
    # Three of those that failed before can't be redriven; they are done, but not since then.
    shown = {**map_run(succeeded=65, failed=3, running=1, pending=31), **REDRIVEN}
    shown["itemCounts"] |= {"pendingRedrive": 5, "failuresNotRedrivable": 3}
    status = status_of(target, shown)
    assert (status.rate, status.seconds_left) == (pytest.approx(2.5), pytest.approx(32 / 2.5))


def test_rate_of_a_redrive_is_not_told_before_something_is_done(target: Target, states: Stubber) -> None:
    add_lists(states, SUCCEEDED=[child(0, "SUCCEEDED")], RUNNING=[child(1, "RUNNING", redriveDate=moment(90))])
    status = status_of(target, {**map_run(succeeded=1, running=1), **REDRIVEN})
    assert (status.rate, status.seconds_left) == (None, None)


def test_rate_of_a_redrive_is_not_told_where_children_do_not_tell_when_they_ended(
    target: Target, states: Stubber, s3: Stubber
) -> None:
    leave_untold(states, s3)
    status = status_of(target, {**map_run(succeeded=7, running=1), **REDRIVEN})
    assert (status.rate, status.seconds_left) == (None, None)


def test_rate_of_a_redrive_is_not_told_from_an_overview_before_it(target: Target, states: Stubber) -> None:
    add_lists(states, SUCCEEDED=[child(0, "SUCCEEDED")], RUNNING=[child(1, "RUNNING")])
    earlier = map_run(succeeded=1, running=1)
    status = status_of(target, {**map_run(succeeded=2), **REDRIVEN}, earlier)
    assert status.rate is None


def test_children_of_a_map_run_that_has_ended_come_from_its_result_files(target: Target, s3: Stubber) -> None:
    def record(name: str, status: str, **more: Any) -> str:
        times = {"StartDate": moment(0).isoformat(), "StopDate": moment(50).isoformat()}
        batch = json.dumps({"batch": {"batch": 0, "first": 3, "count": 2}})
        return json.dumps(
            {"Name": name, "ExecutionArn": f"arn:{name}", "Status": status, "Input": batch, **times, **more}
        )

    folder = "runs/run-1/map/1d4d6ad0/"
    names = {"SUCCEEDED": [{"Key": "s.jsonl"}], "FAILED": [], "PENDING": [{"Key": "p.jsonl"}]}
    add_object(s3, f"{folder}manifest.json", json.dumps({"ResultFiles": names}).encode())
    lines = [record("first", "SUCCEEDED"), record("again", "SUCCEEDED", RedriveCount=1)]
    add_object(s3, "s.jsonl", "\n".join(lines).encode())
    add_object(s3, "p.jsonl", json.dumps({"Status": "PENDING", "Input": "{}"}).encode())
    run = Run(target, RUN)
    children = read_children(run, map_run(), (moment(20), moment(45), moment(70)), NOW)
    assert children.durations() == pytest.approx([5, 50])
    assert (children.statuses, children.redrives) == ({"SUCCEEDED": 2, "PENDING": 1}, 1)
    assert (max(children.slowest).share, max(children.slowest).id) == ("items 3 to 4", "arn:first")
