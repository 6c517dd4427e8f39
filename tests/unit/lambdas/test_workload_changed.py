"""A run goes on with the workload that it was started with, or not at all."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas import compute, start, workloads
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


@pytest.mark.parametrize("kind", ["size", "items"])
def test_start_that_is_tried_again_refuses_a_file_that_has_changed_in_between(
    pipeline: Any, make_workload: Any, kind: str
) -> None:
    name = make_workload("def compute(item): return item\n")
    run = pipeline(**({"size": 4} if kind == "size" else {"items": [1, 2]}), workload=name)
    event = {"input": run.execution_input, "name": run.name, "started": "2026-11-22T04:13:45Z"}
    first = start.handler(event, CONTEXT)
    before = run.text("run.json")
    assert start.handler(event, CONTEXT) == first
    source = change(name)
    with pytest.raises(errors.WorkloadChangedError, match="has changed since the run was started"):
        start.handler(event, CONTEXT)
    # What an earlier attempt has at work stays as it was, and goes on once the file is put back.
    assert run.text("run.json") == before
    put_back(name, source)
    assert start.handler(event, CONTEXT) == first


def file_of(name: str) -> Path:
    return next(Path(folder, f"{name}.py") for folder in workloads.__path__ if Path(folder, f"{name}.py").is_file())


def change(name: str) -> str:
    """Change a workload's file; return what it was."""
    source = file_of(name).read_text()
    put_back(name, source + "# a change\n")
    return source


def put_back(name: str, source: str) -> None:
    file_of(name).write_text(source)
    workloads.load_unchanged.cache_clear()


def test_compute_goes_on_with_the_version_that_a_person_asked_for_where_it_has_read_the_settings_before(
    changed_run: Any,
) -> None:
    event = {"run": changed_run.name, "batch": changed_run.batches()[1]}
    with pytest.raises(errors.WorkloadChangedError):
        compute.handler(event, CONTEXT)
    settings = runs.settings_now(changed_run.BUCKET, changed_run.name)
    now = workloads.read_source(settings.workload).sha256
    replace(settings, workload_sha256=now, earlier_sha256s=[settings.workload_sha256]).write(changed_run.BUCKET)
    assert compute.handler(event, CONTEXT)["done"]
