"""Finds the jobs of one queue by name, and ends them."""

import math
from collections.abc import Iterator
from typing import Any

FINISHED = frozenset({"SUCCEEDED", "FAILED"})
# Why a job was ended whose task has submitted another one: the status reason that its event has then.
REPLACED = "another attempt of its task replaces it"


def terminate_jobs(
    client: Any, queue: str, name: str, reason: str, *, created_before_milliseconds: float = math.inf
) -> list[str]:
    """End every job of that name that is not at its end yet, and return their ids."""
    ended = [
        job["jobId"] for job in unfinished_jobs(client, queue, name) if job["createdAt"] <= created_before_milliseconds
    ]
    for job_id in ended:
        client.terminate_job(jobId=job_id, reason=reason)
    return ended


def unfinished_jobs(client: Any, queue: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield the jobs of that name that are queued or running, a whole array job as one."""
    pages = client.get_paginator("list_jobs").paginate(
        # The filter doesn't tell upper case from lower, and shows jobs in whatever status.
        jobQueue=queue,
        filters=[{"name": "JOB_NAME", "values": [name]}],
    )
    for page in pages:
        for job in page["jobSummaryList"]:
            if job["jobName"] == name and job["status"] not in FINISHED:
                yield job
