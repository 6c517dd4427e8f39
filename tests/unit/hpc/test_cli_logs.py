"""`hpc logs`: whose lines are whose, in Lambda's text and JSON forms, in the logs of jobs, and in CloudWatch Logs."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from stubs import deployed_stack

from hpc.runs.log_files import local_lines
from hpc.runs.log_groups import BEFORE_MILLISECONDS, ReadEvents, cloudwatch_lines
from hpc.runs.log_lines import announcement, batch_lines
from hpc.runs.log_window import Window
from hpc.runs.own_lines import own_lines
from hpc.runs.run import Run
from hpc.targets.client import Target

NAME = "run-20261122T060025-6b2c55"
ACCOUNT = "us-east-1:000000000000"
JOB_DEFINITION = f"arn:aws:batch:{ACCOUNT}:job-definition/job:1"
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
WINDOW_END = BEGIN + timedelta(seconds=60)
START_MILLISECONDS, END_MILLISECONDS = (int(moment.timestamp() * 1000) for moment in (BEGIN, WINDOW_END))


def text_invocation(request: str, batch: int, *printed: str, run: str = NAME, is_killed: bool = False) -> list[str]:
    return [
        f"START RequestId: {request} Version: $LATEST",
        f"[INFO]\t2026-11-22T03:26:23.812Z\t{request}\t{announcement(run, batch)}",
        *printed,
        *([] if is_killed else [f"END RequestId: {request}", f"REPORT RequestId: {request}\tDuration: 1.00 ms"]),
    ]


def json_invocation(request: str, batch: int, *printed: str, run: str = NAME, is_killed: bool = False) -> list[str]:
    record = {"requestId": request}
    logged = {"level": "INFO", "message": announcement(run, batch), "logger": "lambdas.compute", **record}
    return [
        json.dumps({"time": "2026-11-22T03:26:23.811Z", "type": "platform.start", "record": record}),
        json.dumps(logged, separators=(",", ":")),
        *printed,
        *([] if is_killed else [json.dumps({"type": "platform.report", "record": record})]),
    ]


@given(
    form=st.sampled_from([text_invocation, json_invocation]),
    batches=st.lists(st.tuples(st.sampled_from([1, 2, 11, 12]), st.sampled_from([NAME, f"{NAME}-2"]), st.booleans())),
)
def test_lines_of_a_batch_are_those_of_its_invocations_whatever_is_beside_them(
    form: Any, batches: list[tuple[int, str, bool]]
) -> None:
    invocations = [
        form(f"id-{number}", batch, f"printed {number}", run=run, is_killed=is_killed)
        for number, (batch, run, is_killed) in enumerate(batches)
    ]
    own = [lines for lines, (batch, run, _) in zip(invocations, batches, strict=True) if (batch, run) == (1, NAME)]
    log = ["INIT_START Runtime Version: python:3.13", "of the module", *chain.from_iterable(invocations)]
    assert list(batch_lines(log, NAME, 1)) == list(chain.from_iterable(own))
    assert list(batch_lines(log, NAME, 1, count=1)) == list(chain.from_iterable(own[:1]))


def test_lines_of_an_invocation_that_died_end_where_the_next_environment_begins() -> None:
    log = [*text_invocation("a", 1, "last words", is_killed=True), "INIT_START Runtime Version: python:3.13", "import"]
    assert list(batch_lines(log, NAME, 1))[2:] == ["last words"]


def test_lines_of_a_batch_in_a_job_end_where_the_next_batch_is_announced() -> None:
    log = ["begin", f"INFO batch 1 of {NAME}", "one", f"INFO batch 2 of {NAME}", "two", f"INFO batch 3 of {NAME}"]
    assert list(batch_lines(log, NAME, 2)) == [f"INFO batch 2 of {NAME}", "two"]
    assert list(batch_lines(log, NAME, 4)) == []


def summed(request: str, stamp: str, *printed: str) -> list[str]:
    """Return the lines of an invocation of Sum, in an environment of its own."""
    stamped = f"[INFO]\t{stamp}Z\t{request}\tsumming a run"
    return ["INIT_START Runtime Version: python:3.13", f"START RequestId: {request}", stamped, *printed]


def test_lines_without_a_time_belong_to_the_run_of_their_invocation(target: Target, tmp_path: Path) -> None:
    own = summed("b", "2026-11-22T00:00:30.000", "own error")
    invocations = [
        summed("a", "2026-11-21T23:59:00.000", "an earlier error"),
        own,
        summed("c", "2026-11-22T00:02:00.000", "a later error"),
    ]
    (tmp_path / "sum.log").write_text("".join(f"{line}\n" for line in chain.from_iterable(invocations)))
    title, *lines = local_lines(tmp_path, run_of(target), Window(BEGIN, WINDOW_END, ["sum"]), None)
    assert title == f"==> {tmp_path / 'sum.log'} <=="
    # What begins before the first stamp after the window may still be of the run.
    assert lines == [*own, *invocations[2][:2]]


@pytest.fixture
def target() -> Target:
    machine = f"arn:aws:states:{ACCOUNT}:stateMachine:Machine"
    return replace(deployed_stack(machine), outputs={"JobDefinitionArn": JOB_DEFINITION})


@pytest.fixture
def stubs(target: Target, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Stubber]]:
    """Make the clients of a target answer what they are told to."""
    clients = {name: target.client(name) for name in ("logs", "lambda", "batch")}
    monkeypatch.setattr(Target, "client", lambda _target, service: clients[service])
    stubbers = {name: Stubber(client) for name, client in clients.items()}
    for stub in stubbers.values():
        stub.activate()
    yield stubbers
    for stub in stubbers.values():
        stub.assert_no_pending_responses()


def add_group(stubs: dict[str, Stubber]) -> None:
    settings = {"FunctionName": "compute", "LoggingConfig": {"LogGroup": "group"}}
    stubs["lambda"].add_response("get_function_configuration", settings, {"FunctionName": "compute"})


def asked(**more: Any) -> dict[str, Any]:
    return {"logGroupName": "group", "startTime": START_MILLISECONDS, "endTime": END_MILLISECONDS, **more}


def run_of(target: Target) -> Run:
    return Run(target, target.execution_arn(NAME))


def event(identity: str, stream: str, message: str, moment: int = START_MILLISECONDS) -> dict[str, Any]:
    return {"eventId": identity, "logStreamName": stream, "message": message, "timestamp": moment}


def test_logs_of_a_run_on_aws_come_from_each_group_page_by_page(target: Target, stubs: dict[str, Stubber]) -> None:
    add_group(stubs)
    page = {"events": [event("1", "a", "first\n")], "nextToken": "more"}
    stubs["logs"].add_response("filter_log_events", page, asked())
    second = {"events": [event("2", "a", "second")]}
    stubs["logs"].add_response("filter_log_events", second, asked(nextToken="more"))
    window = Window(BEGIN, WINDOW_END, ["compute"])
    assert list(cloudwatch_lines(run_of(target), window, None)) == ["==> group a <==", "first", "second"]


def test_lines_of_environments_that_write_at_the_same_time_belong_to_the_batches_of_their_own(
    target: Target, stubs: dict[str, Stubber]
) -> None:
    add_group(stubs)
    streams = {name: text_invocation(name, batch, "one", "two") for name, batch in (("a", 1), ("b", 2))}
    both = [
        event(f"{name}{place}", name, streams[name][place]) for place in range(len(streams["a"])) for name in streams
    ]
    stubs["logs"].add_response("filter_log_events", {"events": both}, asked())
    lines = cloudwatch_lines(run_of(target), Window(BEGIN, WINDOW_END, ["compute"]), None)
    parts = [
        ["==> group a <==", "-- 03:26:23.812 a (batch 1) --"],
        ["==> group b <==", "-- 03:26:23.812 b (batch 2) --"],
    ]
    expected = [[*part, line] for line in ("one", "two") for part in parts]
    assert list(own_lines(lines, NAME, lambda batch: " ab"[batch])) == list(chain.from_iterable(expected))


def test_followed_events_are_read_from_a_minute_before_the_newest_and_told_once(
    target: Target, stubs: dict[str, Stubber]
) -> None:
    minute = 60_000
    read = ReadEvents()
    looks = [
        (0, [event("1", "a", "first"), event("3", "a", "third", START_MILLISECONDS + 3 * minute)]),
        (2 * minute, [event(each, "a", each, START_MILLISECONDS + 3 * minute) for each in ("late", "3", "new")]),
        (2 * minute, [event(each, "a", each, START_MILLISECONDS + 3 * minute) for each in ("late", "3", "new")]),
    ]
    for since, events in looks:
        add_group(stubs)
        given = asked() | {"startTime": START_MILLISECONDS + since}
        stubs["logs"].add_response("filter_log_events", {"events": events}, given)
    window = Window(BEGIN, WINDOW_END, ["compute"])
    told = [list(cloudwatch_lines(run_of(target), window, None, read)) for _ in looks]
    assert told == [["==> group a <==", "first", "third"], ["==> group a <==", "late", "new"], []]


def test_logs_of_a_batch_on_aws_are_read_from_the_stream_that_announces_it(
    target: Target, stubs: dict[str, Stubber]
) -> None:
    add_group(stubs)
    moment = START_MILLISECONDS + 30_000
    announced = {"logStreamName": "stream", "timestamp": moment, "message": "..."}
    pattern = f'"batch 7 of {NAME}"'
    stubs["logs"].add_response("filter_log_events", {"events": [announced]}, asked(filterPattern=pattern))
    own = json_invocation("b", 7, "seven")
    log = [*json_invocation("a", 6, "six"), *own, *json_invocation("c", 8, "eight")]
    stubs["logs"].add_response(
        "filter_log_events",
        {"events": [{"message": f"{line}\n"} for line in log], "nextToken": "not needed"},
        asked(logStreamNames=["stream"]) | {"startTime": moment - BEFORE_MILLISECONDS},
    )
    window = Window(BEGIN, WINDOW_END, ["compute"])
    assert list(cloudwatch_lines(run_of(target), window, 7)) == ["==> group stream <==", *own]


def test_logs_of_jobs_on_aws_are_in_the_group_that_their_definition_names(
    target: Target, stubs: dict[str, Stubber]
) -> None:
    definition = {
        "jobDefinitionName": "job",
        "jobDefinitionArn": JOB_DEFINITION,
        "revision": 1,
        "type": "container",
        "containerProperties": {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "group"}}},
    }
    stubs["batch"].add_response(
        "describe_job_definitions", {"jobDefinitions": [definition]}, {"jobDefinitions": [JOB_DEFINITION]}
    )
    stubs["logs"].add_response("filter_log_events", {"events": []}, asked(filterPattern=f'"batch 7 of {NAME}"'))
    assert list(cloudwatch_lines(run_of(target), Window(BEGIN, WINDOW_END, [], has_jobs=True), 7)) == []
