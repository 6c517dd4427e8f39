"""Jobs of AWS Batch through its API: described by id, the children of array jobs listed page by page."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hpc.targets.client import Target

# Limits of DescribeJobs and ListJobs.
DESCRIBED, LISTED = 100, 100
# ListJobs tells of one at a time; jobs that wait are only counted.
WAITING = ("SUBMITTED", "PENDING", "RUNNABLE")
STARTED = ("STARTING", "RUNNING", "SUCCEEDED", "FAILED")
ENDED = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class JobSize:
    """Size of a job, which AWS Batch bills by the second."""

    vcpus: float
    memory_mib: float
    architecture: str


@dataclass(frozen=True)
class Leaf:
    """A job that is one container: a job by itself, or a child of an array job."""

    id: str
    name: str
    index: int | None
    status: str
    started: datetime | None
    stopped: datetime | None
    reason: str


def jobs_by_id(target: Target, job_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Return the jobs that AWS Batch still knows: it forgets them 7 days after their end."""
    ids = list(job_ids)
    found: list[dict[str, Any]] = []
    for first in range(0, len(ids), DESCRIBED):
        found += target.batch.describe_jobs(jobs=ids[first : first + DESCRIBED])["jobs"]
    return found


def leaves(target: Target, job: dict[str, Any]) -> Iterator[Leaf]:
    """Yield the children of a job that DescribeJobs told of that do not wait, or the job itself if it is no array."""
    if not job.get("arrayProperties", {}).get("size"):
        yield _leaf(job)
        return
    pages = target.batch.get_paginator("list_jobs")
    for status in STARTED:
        for page in pages.paginate(arrayJobId=job["jobId"], jobStatus=status, PaginationConfig={"PageSize": LISTED}):
            yield from map(_leaf, page["jobSummaryList"])


def count_leaves(job: dict[str, Any]) -> Counter[str]:
    """Return the number of containers by status, without listing them."""
    summary = job.get("arrayProperties", {}).get("statusSummary")
    return Counter(summary) if summary else Counter([job["status"]])


def size_of(job: dict[str, Any]) -> JobSize:
    """Return what a job that DescribeJobs told of has."""
    container = job.get("container", {})
    needs = {need["type"]: float(need["value"]) for need in container.get("resourceRequirements", ())}
    architecture = container.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    return JobSize(needs.get("VCPU", 0.0), needs.get("MEMORY", 0.0), str(architecture).lower())


def _leaf(job: dict[str, Any]) -> Leaf:
    index = job.get("arrayProperties", {}).get("index")
    name = job["jobName"] if index is None else f"{job['jobName']}:{index}"
    status = job["status"]
    return Leaf(
        id=job["jobId"],
        name=name,
        index=index,
        status=status if status in ENDED else "RUNNING" if status in ("STARTING", "RUNNING") else "PENDING",
        started=_moment(job.get("startedAt")),
        stopped=_moment(job.get("stoppedAt")) if status in ENDED else None,
        reason=job.get("statusReason", ""),
    )


def _moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1_000, UTC) if milliseconds else None
