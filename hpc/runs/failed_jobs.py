"""Failed jobs of AWS Batch by index: from the cause of a run that failed to what a person reads."""

from typing import Any

from hpc.errors import LostRunError
from hpc.json_objects import json_object
from hpc.targets.client import Target, explained

SHOWN_CHILDREN = 10


def failed_array_job(cause: str | None) -> dict[str, Any] | None:
    """Return the array job that a run failed with; the cause is then the job as DescribeJobs tells it."""
    job = json_object(cause)
    return job if "JobId" in job and "ArrayProperties" in job else None


def read_failed_children(target: Target, job: dict[str, Any]) -> list[str]:
    """Return a line about each of the first failed children.

    Raises
    ------
    LostRunError
        If AWS Batch does not tell, because it has forgotten the job for example.
    """
    with explained(LostRunError, f"asking about job {job['JobId']}"):
        listed = target.batch.list_jobs(arrayJobId=job["JobId"], jobStatus="FAILED", maxResults=SHOWN_CHILDREN)
        ids = [child["jobId"] for child in listed["jobSummaryList"]]
        children = target.batch.describe_jobs(jobs=ids)["jobs"] if ids else []
    count = job["ArrayProperties"].get("StatusSummary", {}).get("FAILED", len(children))
    lines = [_line(child) for child in sorted(children, key=lambda child: child["arrayProperties"]["index"])]
    more = [f"and {count - len(lines):,} more"] if count > len(lines) else []
    return [f"{count:,} of {job['ArrayProperties']['Size']:,} jobs failed:", *lines, *more]


def _line(child: dict[str, Any]) -> str:
    container = child.get("container", {})
    facts = {
        "exit code": container.get("exitCode"),
        "reason": container.get("reason"),
        "log stream": container.get("logStreamName"),
    }
    known = [f"{name} {value}" for name, value in facts.items() if value is not None]
    return f"  job {child['arrayProperties']['index']}: {'; '.join([child.get('statusReason', 'no reason'), *known])}"
