"""Jobs that have ended, on disk: DescribeJobs and ListJobs tell of them when another server runs.

A job is one row, written at its end; its task token is left out.
"""

import contextlib
import sqlite3
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from sfn_local.batch.jobs import AnyJob, ArrayJob, Attempt, Job
from sfn_local.batch.resources import JobDefinition, JobQueue, JobRequest
from sfn_local.batch.retry import Exit
from sfn_local.storage.journal import StorageError
from sfn_local.storage.store import Store, pack

# Source: AWS Batch user guide, "Job states": ended jobs are kept for 7 days.
KEPT_MILLISECONDS = 7 * 24 * 3_600 * 1_000
# Jobs are read page by page; an array job of 10,000 takes a tenth of a second to unpack.
UNPACKED_JOBS = 2
_FIELDS = ("created_at", "started_at", "stopped_at", "status", "status_reason", "is_cancelled", "is_terminated")


class JobArchive:
    """The ended jobs in a home's store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.find = lru_cache(UNPACKED_JOBS)(self._find)

    def keep(self, job: AnyJob) -> None:
        """Write a job that has ended, and drop those that are too old."""

        # In the journal's thread: nothing changes the job any more.
        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM jobs WHERE stopped < ?", (job.stopped_at - KEPT_MILLISECONDS,))
            connection.execute("INSERT OR REPLACE INTO jobs VALUES (?, ?, ?)", (job.id, job.stopped_at, pack(_to(job))))

        # A store that can't be written has told the executions, which end.
        with contextlib.suppress(StorageError):
            self._store.journal.submit(write)

    def _find(self, job_id: str) -> AnyJob | None:
        row = self._store.read_one("SELECT blob FROM jobs WHERE id = ?", (job_id,))
        return _from(job_id, self._store.unpack(row[0])) if row is not None else None


def _to(job: AnyJob) -> list[Any]:
    request = asdict(job.request)
    request["environment"] = {name: value for name, value in job.request.environment.items() if name != "TASK_TOKEN"}
    request["code"], request["definition"]["code"] = str(job.request.code), None
    return [request, _fields(job), [[*_fields(leaf), _attempts(leaf)] for leaf in job.leaves()]]


def _from(job_id: str, kept: list[Any]) -> AnyJob:
    given, fields, leaves = kept
    queue, definition = JobQueue(**given["queue"]), JobDefinition(**given["definition"])
    request = JobRequest(**{**given, "queue": queue, "definition": definition, "code": Path(given["code"])})
    job = ArrayJob(request, 0) if request.array_size else Job(request, 0)
    job.id = job_id
    for leaf, (*own, attempts) in zip(list(job.leaves()), leaves, strict=True):
        _set_fields(leaf, own)
        leaf.attempts = [Attempt(started, stopped, Exit(*exit_)) for started, stopped, exit_ in attempts]
        if isinstance(job, ArrayJob):
            leaf.id = f"{job_id}:{leaf.index}"
            job.counts.update({"SUBMITTED": -1, leaf.status: 1})
    _set_fields(job, fields)
    return job


def _fields(job: AnyJob) -> list[Any]:
    return [getattr(job, name) for name in _FIELDS]


def _set_fields(job: AnyJob, values: list[Any]) -> None:
    for name, value in zip(_FIELDS, values, strict=True):
        setattr(job, name, value)


def _attempts(job: Job) -> list[list[Any]]:
    return [
        [each.started_at, each.stopped_at, [getattr(each.exit, name) for name in Exit.__slots__]]
        for each in job.attempts
    ]
