"""A run goes on with the workload that it was started with, or not at all."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import compute, workloads
from lambdas.jobs import job_part
from lambdas.run_files import errors, runs

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)


@pytest.fixture
def changed_run(pipeline: Any, make_workload: Any) -> Any:
    """A run of two batches whose workload is changed after the first."""
    name = make_workload("def compute(item): return item\ndef combine(a, b): return a + b\n")
    run = pipeline(size=4, workload=name, batch_size=2)
    run.first_output()
    file = next(Path(folder, f"{name}.py") for folder in workloads.__path__ if Path(folder, f"{name}.py").is_file())
    file.write_text(file.read_text() + "# a change\n")
    workloads.load_unchanged.cache_clear()
    return run


def test_compute_refuses_a_workload_that_has_changed(changed_run: Any) -> None:
    event = {"run": changed_run.name, "batch": changed_run.batches()[1]}
    with pytest.raises(errors.WorkloadChangedError, match="has changed since the run was started"):
        compute.handler(event, CONTEXT)


def test_job_refuses_a_workload_that_has_changed(changed_run: Any) -> None:
    settings = runs.read_settings(changed_run.BUCKET, changed_run.name)
    with pytest.raises(errors.WorkloadChangedError):
        job_part.write_part(changed_run.BUCKET, settings, range(1, 2), f"runs/{changed_run.name}/batch/0.jsonl")
