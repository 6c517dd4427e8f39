"""Events: a failed job's task is answered, a failed execution's jobs end."""

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas import job_events
from lambdas.jobs import job_control
from lambdas.run_files.errors import InvalidEventError

QUEUE = "arn:aws:batch:us-east-1:000000000000:job-queue/Jobs"
MAP_REDUCE = "arn:aws:states:us-east-1:000000000000:stateMachine:MapReduce-1"
SYNC_NESTED = "arn:aws:states:us-east-1:000000000000:stateMachine:SyncNested-1"
TOKEN = "a-task-token-that-nobody-may-see"
STOPPED = 1_700_000_000_000


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_QUEUE", QUEUE)
    monkeypatch.setenv("MAP_REDUCE_ARN", MAP_REDUCE)
    monkeypatch.setenv("SYNC_NESTED_ARN", SYNC_NESTED)


def stubbed(monkeypatch: pytest.MonkeyPatch, service: str, function: str) -> Iterator[Stubber]:
    client = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(job_events, function, lambda: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    yield from stubbed(monkeypatch, "stepfunctions", "step_functions_client")


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    yield from stubbed(monkeypatch, "batch", "batch_client")


def job_failed(*, token: str | None = TOKEN, **container: Any) -> dict[str, Any]:
    """An event as AWS Batch sends it, as far as it matters here and a little more."""
    variables = [{"name": "RUN", "value": "run-1"}] + ([{"name": "TASK_TOKEN", "value": token}] if token else [])
    return {
        "version": "0",
        "source": "aws.batch",
        "detail-type": "Batch Job State Change",
        "account": "000000000000",
        "detail": {
            "jobName": "MapReduce-run-1-batch_callback",
            "jobId": "job-1",
            "jobQueue": QUEUE,
            "status": "FAILED",
            "attempts": [],
            "statusReason": "Essential container in task exited",
            "container": {"command": [], "environment": variables, **container},
        },
    }


def execution_ended(machine: str, name: str, status: str = "ABORTED") -> dict[str, Any]:
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": f"{machine.replace('stateMachine', 'execution')}:{name}",
            "stateMachineArn": machine,
            "name": name,
            "status": status,
            "startDate": STOPPED - 5_000,
            "stopDate": STOPPED,
            "input": "{}",
        },
    }


def test_task_of_a_job_that_was_replaced_is_left_to_the_job_that_replaced_it(states: Stubber) -> None:
    # Delivered twice, an event submits two jobs with the same token; the first is ended by the second submission.
    event = job_failed(exitCode=143)
    event["detail"]["statusReason"] = job_control.REPLACED
    assert job_events.handler(event, None) == {"answered": False}


def test_task_of_a_failed_job_fails_with_what_is_known(states: Stubber) -> None:
    cause = (
        "job job-1 failed: Essential container in task exited; reason OutOfMemoryError: Container killed due to memory "
        "usage; exit code 137; log stream job/default/1"
    )
    states.add_response("send_task_failure", {}, {"taskToken": TOKEN, "error": "JobFailed", "cause": cause})
    event = job_failed(
        exitCode=137,
        reason="OutOfMemoryError: Container killed due to memory usage",
        logStreamName="job/default/1",
    )
    assert job_events.handler(event, None) == {"answered": True}


def test_task_of_a_job_that_never_started_fails_as_well(states: Stubber) -> None:
    states.add_response(
        "send_task_failure",
        {},
        {"taskToken": TOKEN, "error": "JobFailed", "cause": "job job-1 failed: no reason given"},
    )
    event = job_failed()
    del event["detail"]["statusReason"]
    assert job_events.handler(event, None) == {"answered": True}


@pytest.mark.parametrize(
    "event", [job_failed(token=None), {"detail-type": "Batch Job State Change", "detail": {"jobId": "a"}}]
)
def test_job_without_a_token_is_left_to_who_waits_for_it(states: Stubber, event: dict[str, Any]) -> None:
    assert job_events.handler(event, None) == {"answered": False}


@pytest.mark.parametrize("code", ["TaskTimedOut", "InvalidToken", "TaskDoesNotExist"])
def test_task_that_has_ended_is_no_error(states: Stubber, code: str) -> None:
    states.add_client_error("send_task_failure", code)
    assert job_events.handler(job_failed(), None) == {"answered": False}


def test_other_errors_are_raised_so_that_the_event_is_tried_again(states: Stubber) -> None:
    states.add_client_error("send_task_failure", "AccessDeniedException")
    with pytest.raises(Exception, match="AccessDeniedException"):
        job_events.handler(job_failed(), None)


def expect_jobs(batch: Stubber, name: str, *jobs: dict[str, Any]) -> None:
    summaries = [{"jobName": name, "status": "RUNNING", "createdAt": STOPPED - 1, **job} for job in jobs]
    batch.add_response(
        "list_jobs",
        {"jobSummaryList": summaries},
        {"jobQueue": QUEUE, "filters": [{"name": "JOB_NAME", "values": [name]}]},
    )


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "TIMED_OUT"])
@pytest.mark.parametrize(("machine", "prefix"), [(MAP_REDUCE, "MapReduce"), (SYNC_NESTED, "SyncNested")])
def test_jobs_of_an_ended_execution_end_with_it(batch: Stubber, machine: str, prefix: str, status: str) -> None:
    expect_jobs(
        batch, f"{prefix}-run-1-batch", {"jobId": "array", "status": "PENDING"}, {"jobId": "x", "status": "FAILED"}
    )
    batch.add_response("terminate_job", {}, {"jobId": "array", "reason": f"its execution is {status}"})
    expect_jobs(batch, f"{prefix}-run-1-batch_callback", {"jobId": "callback"})
    batch.add_response("terminate_job", {}, {"jobId": "callback", "reason": f"its execution is {status}"})
    assert job_events.handler(execution_ended(machine, "run-1", status), None) == {"terminated": ["array", "callback"]}


def test_jobs_of_a_redriven_execution_stay_when_the_event_is_late(batch: Stubber) -> None:
    expect_jobs(batch, "MapReduce-run-1-batch", {"jobId": "redriven", "createdAt": STOPPED + 1})
    expect_jobs(batch, "MapReduce-run-1-batch_callback")
    assert job_events.handler(execution_ended(MAP_REDUCE, "run-1"), None) == {"terminated": []}


def test_execution_of_another_machine_is_refused(batch: Stubber) -> None:
    with pytest.raises(InvalidEventError, match=r"no machine of this stack: arn:aws:states:.*:Other"):
        job_events.handler(execution_ended("arn:aws:states:us-east-1:000000000000:stateMachine:Other", "x"), None)


def test_stack_without_orchestrator_has_one_machine(batch: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNC_NESTED_ARN")
    with pytest.raises(InvalidEventError, match="no machine of this stack"):
        job_events.handler(execution_ended(SYNC_NESTED, "x"), None)


@pytest.mark.parametrize("event", [None, {}, {"detail-type": "Scheduled Event", "detail": {}}, {"detail-type": None}])
def test_other_events_are_refused_without_showing_them(event: Any) -> None:
    with pytest.raises(InvalidEventError, match=r"^an event must have a detail-type of Batch Job State Change, Step"):
        job_events.handler(event, None)


def test_no_log_holds_the_token(states: Stubber, caplog: pytest.LogCaptureFixture) -> None:
    states.add_response("send_task_failure", {})
    with caplog.at_level(logging.DEBUG, logger="lambdas"):
        job_events.handler(job_failed(), None)
    assert caplog.records
    assert all(TOKEN not in str(record.__dict__) for record in caplog.records)
