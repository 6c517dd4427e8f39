"""Assemblies with jobs and without, from the same sources."""

import json
from pathlib import Path

import pytest

from hpc.targets.synthesis import PIPELINE, WITH_JOBS, Variant, find_assembly

# Stands for the project's app.py: writes an assembly, and in it the context that it was given.
APP = """
import os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
out.mkdir(parents=True)
(out / "manifest.json").write_text("{}")
(out / "context").write_text(os.environ["CDK_CONTEXT_JSON"])
with open("count", "a") as count:
    count.write("x")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "app.py").write_text(APP)
    return folder


def synthesized_count(project: Path) -> int:
    return len((project / "count").read_text())


def test_assembly_with_jobs_is_another_one_with_its_own_context(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    plain, with_jobs = find_assembly(project, home), find_assembly(project, home, variant=WITH_JOBS)
    assert plain != with_jobs
    contexts = [json.loads((each / "context").read_text()) for each in (plain, with_jobs)]
    assert [context.get("hpc:batch", False) for context in contexts] == [False, True]
    assert [context.get("hpc:orchestrator", False) for context in contexts] == [False, True]
    assert find_assembly(project, home) == plain
    assert find_assembly(project, home, variant=WITH_JOBS) == with_jobs
    assert synthesized_count(project) == 2


def test_variants_have_names_of_their_own() -> None:
    other = Variant({**WITH_JOBS.context, "hpc:batch_spot": True})
    assert len({PIPELINE.suffix, WITH_JOBS.suffix, other.suffix}) == 3


def test_server_with_jobs_serves_the_pipeline_too(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with_jobs = find_assembly(project, home, variant=WITH_JOBS)
    assert find_assembly(project, home, in_use=with_jobs) == with_jobs
    assert synthesized_count(project) == 1


def test_server_of_the_pipeline_does_not_serve_jobs(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    plain = find_assembly(project, home)
    assert find_assembly(project, home, variant=WITH_JOBS, in_use=plain) != plain


def test_server_of_sources_that_have_changed_serves_nothing_wanted(project: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with_jobs = find_assembly(project, home, variant=WITH_JOBS)
    (project / "cdk.json").write_text("{}")
    assert find_assembly(project, home, in_use=with_jobs) != with_jobs
