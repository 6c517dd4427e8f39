"""Following an orchestration on AWS, and finding what was started just now, through answers that are late or fail."""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from stubs import MACHINE, deployed_stack

from hpc.commands.orchestrate import Orchestration
from hpc.commands.starting import new_run_name
from hpc.errors import LostRunError, NotStartedError
from hpc.runs import find, watch
from hpc.runs.find import find_execution, was_started_just_now
from hpc.runs.watch import Ended, Watch
from hpc.targets import patience
from hpc.targets.client import Target

ARN = MACHINE.replace("stateMachine", "execution") + ":orchestrate-1"
BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
ARGS = argparse.Namespace(stack_name="Mine", output="text", aws=True)
NO_CONNECTION = EndpointConnectionError(endpoint_url="endpoint")
Answer = dict[str, Any] | list[Any] | Exception


class Clock:
    """Time that only passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Service:
    """Answers each operation with what is given for it, the last answer again and again."""

    def __init__(self, **answers: list[Answer]) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def _next(self, operation: str) -> Any:
        self.calls.append(operation)
        answers = self.answers[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def describe_execution(self, **_: Any) -> Any:
        return self._next("describe_execution")

    def list_map_runs(self, **_: Any) -> Any:
        return self._next("list_map_runs")

    def describe_map_run(self, **_: Any) -> Any:
        return self._next("describe_map_run")

    def get_paginator(self, operation: str) -> "Service":
        self.operation = operation
        return self

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield self._next(self.operation)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (watch, patience, find):
        monkeypatch.setattr(module, "time", made)
    return made


def refused(code: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Operation")


def described(status: str, **more: Any) -> dict[str, Any]:
    end = {} if status == "RUNNING" else {"stopDate": BEGIN + timedelta(seconds=60)}
    return {"executionArn": ARN, "status": status, "startDate": BEGIN, **end, **more}


def finished(event_id: int, name: str) -> dict[str, Any]:
    output = json.dumps({"Output": {"name": name}})
    details = {"resource": "startExecution.sync:2", "output": output}
    return {"id": event_id, "type": "TaskSucceeded", "taskSucceededEventDetails": details}


def stack(service: Service) -> Target:
    target = deployed_stack(MACHINE)
    target.__dict__["stepfunctions"] = service
    return target


def follow(service: Service) -> tuple[list[str], Ended]:
    entries, ended = Orchestration(stack(service), ARN, ARGS).follow()
    return [entry["name"] for entry in entries], ended


NOTHING: Answer = {"events": []}
SUCCEEDED = described("SUCCEEDED", output="[]")


def test_entries_are_told_of_once_each_and_in_the_order_in_which_they_finish(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = finished(5, "one"), finished(9, "two")
    service = Service(
        describe_execution=[described("RUNNING"), described("RUNNING"), SUCCEEDED],
        get_execution_history=[NOTHING, {"events": [first]}, {"events": [second, first]}],
    )
    assert follow(service)[0] == ["one", "two"]
    assert capsys.readouterr().err.splitlines() == ["one: the totals agree", "two: the totals agree"]
    assert "list_map_runs" not in service.calls


@pytest.mark.parametrize("operation", ["describe_execution", "get_execution_history"])
@pytest.mark.parametrize(
    "error", [refused("ThrottlingException"), refused("InternalFailure", 500), refused("ExpiredToken"), NO_CONNECTION]
)
def test_orchestration_is_followed_through_what_passes(
    clock: Clock, operation: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, "renew", lambda _: None)
    answers: dict[str, list[Answer]] = {"describe_execution": [SUCCEEDED], "get_execution_history": [NOTHING]}
    answers[operation] = [*[error] * 12, *answers[operation]]
    assert follow(Service(**answers))[1].status == "SUCCEEDED"
    assert 200 < clock.now < 300


@pytest.mark.parametrize("operation", ["describe_execution", "get_execution_history"])
def test_orchestration_that_can_not_be_followed_is_found_again(operation: str) -> None:
    answers: dict[str, list[Answer]] = {"describe_execution": [SUCCEEDED], "get_execution_history": [NOTHING]}
    answers[operation] = [refused("AccessDeniedException")]
    with pytest.raises(LostRunError) as raised:
        follow(Service(**answers))
    assert raised.value.lines[-1] == "the run goes on: hpc status orchestrate-1 --aws --stack-name Mine"


def test_new_orchestration_may_be_unknown_and_its_output_late(clock: Clock) -> None:
    unknown = refused("ExecutionDoesNotExist")
    service = Service(
        describe_execution=[unknown, unknown, described("SUCCEEDED"), SUCCEEDED], get_execution_history=[NOTHING]
    )
    assert follow(service)[1].execution["output"] == "[]"
    assert clock.now == 3


def test_orchestration_of_hours_is_asked_about_a_few_times_a_minute(clock: Clock) -> None:
    service = Service(describe_execution=[described("RUNNING")], get_execution_history=[NOTHING])

    class Patient(Service):
        def describe_execution(self, **given: Any) -> Any:
            return SUCCEEDED if clock.now > 3 * 3_600 else service.describe_execution(**given)

    follow(Patient(get_execution_history=[NOTHING]))
    assert len(service.calls) < 4 * 60 * 3 + 60


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_counts_of_a_map_run_that_still_seems_to_run_are_looked_at_again(clock: Clock, status: str) -> None:
    listed = {"mapRuns": [{"mapRunArn": "map", "startDate": BEGIN}]}
    stale, settled = {"status": "RUNNING", "itemCounts": {}}, {"status": status, "itemCounts": {"failed": 1}}
    service = Service(
        describe_execution=[described(status, output="{}")],
        list_map_runs=[listed],
        describe_map_run=[stale, stale, settled],
    )
    assert Watch(stack(service), ARN).look().map_run == settled
    assert clock.now == 2


def test_map_run_of_a_stopped_execution_may_go_on(clock: Clock) -> None:
    running = {"status": "RUNNING"}
    service = Service(
        describe_execution=[described("ABORTED")],
        list_map_runs=[{"mapRuns": [{"mapRunArn": "map", "startDate": BEGIN}]}],
        describe_map_run=[running],
    )
    assert Watch(stack(service), ARN).look().map_run == running
    assert clock.now == 0


def test_map_run_that_never_ends_is_taken_as_it_is(clock: Clock) -> None:
    running = {"status": "RUNNING"}
    service = Service(
        describe_execution=[described("FAILED")],
        list_map_runs=[{"mapRuns": [{"mapRunArn": "map", "startDate": BEGIN}]}],
        describe_map_run=[running],
    )
    assert Watch(stack(service), ARN).look().map_run == running
    assert 30 <= clock.now < 60


def test_run_that_was_started_just_now_is_looked_for_again(clock: Clock) -> None:
    unknown = refused("ExecutionDoesNotExist")
    service = Service(describe_execution=[unknown, unknown, described("RUNNING")], list_executions=[{"executions": []}])
    name = new_run_name()
    assert find_execution(stack(service), name).endswith(f":{name}")
    assert clock.now == 2


def test_old_name_that_is_not_known_is_refused_at_once(clock: Clock) -> None:
    service = Service(describe_execution=[refused("ExecutionDoesNotExist")], list_executions=[{"executions": []}])
    with pytest.raises(NotStartedError, match="RUN must be latest"):
        find_execution(stack(service), "run-20200101T000000-abcdef")
    assert clock.now == 0


@pytest.mark.parametrize(
    "name", ["run-1", "x-20261399T999999-abcdef", "run-20200101T000000-abcdef", "run-20200101T0000-abcdef", ""]
)
def test_names_that_tell_of_no_moment_just_now(name: str) -> None:
    assert not was_started_just_now(name)
