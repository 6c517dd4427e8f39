"""Ended jobs on disk: told of by another server just as by the one that ran them."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sfn_local.batch.archive import KEPT_MILLISECONDS, JobArchive
from sfn_local.batch.jobs import AnyJob, ArrayJob, Attempt, Job
from sfn_local.batch.retry import Exit
from sfn_local.batch.service import BatchService
from sfn_local.clock import Clock
from sfn_local.storage.journal import StorageError
from sfn_local.storage.store import Store
from test_batch_local_listing import ACCOUNT, DEFINITION, QUEUE, request


def service(folder: Path, store: Store) -> BatchService:
    made = BatchService(
        account=ACCOUNT,
        clock=Clock(),
        slots=1,
        log_folder=folder,
        base_environment={},
        on_change=lambda _job: None,
        archive=JobArchive(store),
    )
    made.resources.add([QUEUE], [DEFINITION])
    return made


def ended(job: AnyJob, stopped_at: int = 30) -> AnyJob:
    """End a job whose first child failed and was tried again."""
    for leaf in job.leaves():
        leaf.status, leaf.started_at, leaf.stopped_at = "SUCCEEDED", 10, stopped_at
        leaf.attempts = [Attempt(10, 20, Exit(1, "lost", "killed")), Attempt(20, stopped_at, Exit(0, "done"))]
    if isinstance(job, ArrayJob):
        job.status, job.started_at, job.stopped_at = "SUCCEEDED", 10, stopped_at
        job.counts.update({"SUBMITTED": -len(job.children), "SUCCEEDED": len(job.children)})
    return job


def told(of: BatchService, job_id: str) -> list[Any]:
    """Return all that the service tells of a job."""

    def call(action: str, **params: Any) -> dict[str, Any]:
        return asyncio.run(of.handle(action, params, "test"))

    described = call("DescribeJobs", jobs=[job_id, f"{job_id}:1"])
    is_array = "arrayProperties" in described["jobs"][0]
    return [described, call("ListJobs", arrayJobId=job_id, jobStatus="SUCCEEDED") if is_array else None]


@pytest.mark.parametrize("array_size", [0, 3])
def test_ended_job_is_told_of_by_the_next_server_as_by_its_own(tmp_path: Path, array_size: int) -> None:
    with closing(Store(tmp_path / "store.sqlite")) as store:
        first = service(tmp_path, store)
        made = request("job", array_size=array_size)
        job = ended(ArrayJob(made, 5) if array_size else Job(made, 5))
        first.store.add(job)
        JobArchive(store).keep(job)
        expected = told(first, job.id)
    with closing(Store(tmp_path / "store.sqlite")) as store:
        assert told(service(tmp_path, store), job.id) == expected


def test_job_whose_record_is_broken_is_named_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with closing(Store(path)) as store:
        job = ended(Job(request("job"), 5))
        JobArchive(store).keep(job)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE jobs SET blob = x'0011'")
    with closing(Store(path)) as store, pytest.raises(StorageError, match=rf"cannot read {path}: .* is broken"):
        told(service(tmp_path, store), job.id)


def test_task_token_of_an_ended_job_is_not_kept(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "store.sqlite")) as store:
        job = Job(request("job"), 5)
        object.__setattr__(job.request, "environment", {"TASK_TOKEN": "secret", "RUN": "run-1"})
        JobArchive(store).keep(ended(job))
        store.journal.flush().result()
        kept = JobArchive(store).find(job.id)
        assert kept is not None
        assert kept.request.environment == {"RUN": "run-1"}


def test_job_is_dropped_after_seven_days(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "store.sqlite")) as store:
        old, young = ended(Job(request("old"), 5)), ended(Job(request("young"), 5), stopped_at=31 + KEPT_MILLISECONDS)
        for job in (old, young):
            JobArchive(store).keep(job)
        store.journal.flush().result()
        assert JobArchive(store).find(old.id) is None
        assert JobArchive(store).find(young.id) is not None


def test_old_jobs_are_found_without_a_walk_through_all(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "store.sqlite")) as store:
        (step,) = store.read("EXPLAIN QUERY PLAN DELETE FROM jobs WHERE stopped < ?", (1,))
        assert "jobs_by_end" in step["detail"]
