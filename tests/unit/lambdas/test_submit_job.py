"""Submit: one job for a token, and none left of an earlier attempt."""

import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas import submit_job
from lambdas.run_files.errors import ConfigurationError, InvalidEventError

QUEUE = "arn:aws:batch:us-east-1:000000000000:job-queue/Jobs"
DEFINITION = "arn:aws:batch:us-east-1:000000000000:job-definition/Job:3"
TOKEN = "a-task-token-that-nobody-may-see"
NAME = "MapReduce-run-1-batch_callback"
EVENT = {"run": "run-1", "job_name": NAME, "task_token": TOKEN}


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """AWS Batch's client, with answers that botocore checks against the service's model."""
    client = boto3.client("batch", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(submit_job, "batch_client", lambda: client)
    monkeypatch.setenv("JOB_QUEUE", QUEUE)
    monkeypatch.setenv("JOB_DEFINITION", DEFINITION)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def expect_listing(batch: Stubber, *jobs: tuple[str, str, str], token: str | None = None, next_token: str = "") -> None:
    summaries = [
        {"jobId": job_id, "jobName": name, "status": status, "createdAt": 1_000} for job_id, name, status in jobs
    ]
    request: dict[str, Any] = {"jobQueue": QUEUE, "filters": [{"name": "JOB_NAME", "values": [NAME]}]}
    response: dict[str, Any] = {"jobSummaryList": summaries}
    batch.add_response(
        "list_jobs",
        response | ({"nextToken": next_token} if next_token else {}),
        request | ({"nextToken": token} if token else {}),
    )


def expect_submission(batch: Stubber) -> None:
    batch.add_response(
        "submit_job",
        {"jobName": NAME, "jobId": "new"},
        {
            "jobName": NAME,
            "jobQueue": QUEUE,
            "jobDefinition": DEFINITION,
            "tags": {"hpc-run": NAME},
            "containerOverrides": {
                "environment": [{"name": "RUN", "value": "run-1"}, {"name": "TASK_TOKEN", "value": TOKEN}]
            },
        },
    )


def test_submit_hands_run_and_token_to_the_job(batch: Stubber) -> None:
    expect_listing(batch)
    expect_submission(batch)
    assert submit_job.handler(EVENT, None) == {"job_id": "new"}


def test_submit_ends_what_an_earlier_attempt_left_and_nothing_else(batch: Stubber) -> None:
    statuses = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
    expect_listing(batch, *((status, NAME, status) for status in statuses[:3]), next_token="more")
    # The service's filter does not tell upper case from lower.
    others = [("other", NAME.upper(), "RUNNING"), ("ended", NAME, "SUCCEEDED"), ("lost", NAME, "FAILED")]
    expect_listing(batch, *((status, NAME, status) for status in statuses[3:]), *others, token="more")
    for status in statuses:
        batch.add_response("terminate_job", {}, {"jobId": status, "reason": "another attempt of its task replaces it"})
    expect_submission(batch)
    submit_job.handler(EVENT, None)


def test_submit_logs_no_token(batch: Stubber, caplog: pytest.LogCaptureFixture) -> None:
    expect_listing(batch)
    expect_submission(batch)
    with caplog.at_level(logging.DEBUG, logger="lambdas"):
        submit_job.handler(EVENT, None)
    [record] = caplog.records
    assert TOKEN not in str(record.__dict__)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"run": "r", "job_name": "j"},
        EVENT | {"more": "x"},
        EVENT | {"run": 1},
        EVENT | {"task_token": None},
    ],
)
def test_submit_refuses_other_events_without_showing_them(batch: Stubber, event: Any) -> None:
    with pytest.raises(InvalidEventError, match=r"^submit takes the texts job_name, run, task_token$"):
        submit_job.handler(event, None)


def test_submit_names_the_variable_that_is_not_set(batch: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOB_QUEUE")
    with pytest.raises(ConfigurationError, match="JOB_QUEUE is not set"):
        submit_job.handler(EVENT, None)
