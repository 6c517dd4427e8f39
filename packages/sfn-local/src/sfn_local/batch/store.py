"""The jobs of this server's life, found by id or ARN and listed by queue or array; earlier ones found only.

**Differs from AWS:** a queue lists the jobs of the server that runs, the latest ``MAX_KEPT_JOBS``.  Jobs that had ended
before are found by id for 7 days, as in the service; those that had not when their server ended are forgotten.
"""

from collections.abc import Callable, Iterator

from sfn_local.batch.jobs import AnyJob, ArrayJob

MAX_KEPT_JOBS = 100_000


class JobStore:
    """Jobs by id; each has a number, in the order of submission.

    Parameters
    ----------
    load : callable
        Finds a job that is not in memory.
    """

    def __init__(self, load: Callable[[str], AnyJob | None] = lambda _job_id: None) -> None:
        self._load = load
        self._jobs: dict[str, AnyJob] = {}
        self._count = 0
        self._kept = 0

    def add(self, job: AnyJob) -> None:
        """Keep a job, and forget old ones."""
        self._count += 1
        job.number = self._count
        self._jobs[job.id] = job
        self._kept += _weight(job)
        for old in list(self._jobs.values()) if self._kept > MAX_KEPT_JOBS else ():
            if self._kept <= MAX_KEPT_JOBS:
                break
            if old.stopped_at:
                del self._jobs[old.id]
                self._kept -= _weight(old)

    def find(self, named: str) -> AnyJob | None:
        """Return the job with this id or ARN."""
        job_id, _, index = named.rpartition("job/")[2].partition(":")
        job = self._jobs.get(job_id) or self._load(job_id)
        if not index:
            return job
        is_child = isinstance(job, ArrayJob) and index.isascii() and index.isdigit() and int(index) < len(job.children)
        return job.children[int(index)] if is_child else None  # type: ignore[union-attr]  # checked in the line before

    def newest_first(self, queue_arn: str) -> Iterator[AnyJob]:
        """Yield the jobs of a queue; an array job is one."""
        for job in reversed(self._jobs.values()):
            if job.request.queue.arn == queue_arn:
                yield job


def _weight(job: AnyJob) -> int:
    return sum(1 for _ in job.leaves())
