"""Jobs and array jobs: their state as DescribeJobs tells it.

Source: AWS Batch user guide, "Job states" and "Array jobs".
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sfn_local.batch.resources import JobRequest
from sfn_local.batch.retry import Exit

STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
FINISHED = frozenset(("SUCCEEDED", "FAILED"))
NOT_STARTED = frozenset(("SUBMITTED", "PENDING", "RUNNABLE"))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has ended; times in milliseconds since 1970."""

    started_at: int
    stopped_at: int
    exit: Exit


class Job:
    """A job that is one process at a time: a single job, or a child of an array job.

    Attributes
    ----------
    index : int or None
        Index of a child of an array job.
    end_requested : Exit or None
        How the attempt that runs ends because somebody ended it.
    ended : asyncio.Event or None
        Set at the end of a job that is no child.
    """

    __slots__ = (
        "array",
        "attempts",
        "created_at",
        "end_requested",
        "ended",
        "id",
        "index",
        "is_cancelled",
        "is_terminated",
        "number",
        "request",
        "started_at",
        "status",
        "status_reason",
        "stopped_at",
        "timer",
    )

    def __init__(
        self, request: JobRequest, created_at: int, *, array: "ArrayJob | None" = None, index: int | None = None
    ) -> None:
        self.id = str(uuid.uuid4()) if array is None else f"{array.id}:{index}"
        self.request = request
        self.array = array
        self.index = index
        self.number = 0
        self.created_at = created_at
        self.started_at = 0
        self.stopped_at = 0
        self.status = "SUBMITTED"
        self.status_reason: str | None = None
        self.attempts: list[Attempt] = []
        self.is_cancelled = False
        self.is_terminated = False
        self.end_requested: Exit | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event() if array is None else None

    @property
    def log_name(self) -> str:
        """Path of its log, below the folder of logs."""
        return f"jobs/{self.id.replace(':', '/')}.log"

    def leaves(self) -> "Iterator[Job]":
        """Yield the jobs that are processes."""
        yield self


class ArrayJob:
    """An array job: its status follows from its children's."""

    __slots__ = (
        "children",
        "counts",
        "created_at",
        "ended",
        "id",
        "is_cancelled",
        "is_terminated",
        "number",
        "request",
        "started_at",
        "status",
        "status_reason",
        "stopped_at",
    )

    def __init__(self, request: JobRequest, created_at: int) -> None:
        self.id = str(uuid.uuid4())
        self.request = request
        self.number = 0
        self.created_at = created_at
        self.started_at = 0
        self.stopped_at = 0
        self.status = "SUBMITTED"
        self.status_reason: str | None = None
        self.is_cancelled = False
        self.is_terminated = False
        self.ended = asyncio.Event()
        self.children = [Job(request, created_at, array=self, index=index) for index in range(request.array_size)]
        self.counts: Counter[str] = Counter(SUBMITTED=request.array_size)

    def leaves(self) -> Iterator[Job]:
        """Yield the jobs that are processes."""
        yield from self.children

    @property
    def final_status(self) -> str | None:
        """The status that it has come to: FAILED if a child failed, and only when every child is at its end."""
        if sum(self.counts[status] for status in FINISHED) < len(self.children):
            return None
        return "FAILED" if self.counts["FAILED"] else "SUCCEEDED"


AnyJob = Job | ArrayJob
