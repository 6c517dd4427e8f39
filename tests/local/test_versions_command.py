"""A run whose workload was changed: what `hpc redrive` refuses, and what it goes on with where it is asked to."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from assemblies import copied
from hpc_commands import assembly, call_with, result_of

ADDITION = "def compute(item): return item\ndef combine(a, b): return a + b\n"
DOUBLING = ADDITION.replace("a + b", "a + b + 1")


class Runs:
    """Commands over an assembly, in a home of their own."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str], assembly_folder: Path) -> None:
        self.home = folder / "home"
        self.assembly = assembly_folder
        self.capture = capture

    def hpc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call_with(self.capture, *arguments, "--assembly", str(self.assembly), "--output", "json")

    def output(self, *arguments: str) -> dict[str, Any]:
        done = self.hpc(*arguments)
        assert done.returncode == 0, done.stderr
        output: dict[str, Any] = result_of(done)["output"]
        return output


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runs:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return Runs(tmp_path, capfd, assembly())


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runs:
    """Runs over an assembly with a workload `adding`, whose file a test changes."""
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return Runs(tmp_path, capfd, copied(tmp_path, workloads={"adding.py": ADDITION}))


def change(bundled: Runs, source: str) -> None:
    """Serve another version of the workload: an assembly of its own, as synthesis makes it."""
    changed = bundled.assembly.with_name(f"{bundled.assembly.name}-changed")
    shutil.copytree(bundled.assembly, changed)
    [file] = changed.glob("asset.*/lambdas/workloads/adding.py")
    file.write_text(source)
    bundled.assembly = changed


def test_sum_does_not_combine_with_another_version_of_a_bundled_workload(bundled: Runs) -> None:
    run = ("run", "--size", "10", "--batch-size", "2", "--workload", "adding", "--faults", "crash Sum")
    assert bundled.hpc(*run).returncode == 1
    change(bundled, DOUBLING)
    refused = bundled.hpc("redrive")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "WorkloadChangedError: workload adding has changed since the run was started" in refused.stderr
    asked = bundled.output("redrive", "--workload", "adding")
    assert (asked["total_sum"], asked["code_versions"]) == ("49", 2)


def test_finish_that_was_mended_is_run_again_where_it_is_asked_for(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "mean.py"
    file.write_text(ADDITION + "def finish(result): return {'mean': result / count}\n")
    failed = runs.hpc("run", "--size", "8", "--workload", str(file))
    assert failed.returncode == 1
    assert "NameError: name 'count' is not defined (mean.py:3 in finish)" in failed.stderr
    file.write_text(ADDITION + "def finish(result): return {'mean': result / 8}\n")
    assert "WorkloadChangedError" in runs.hpc("redrive").stderr
    done = runs.output("redrive", "--only-finish")
    assert (json.loads(done["result"]), done["code_versions"]) == ({"mean": 3.5}, 2)
    # And of a run that has succeeded.
    file.write_text(ADDITION + "def finish(result): return {'half': result / 2}\n")
    done = runs.output("redrive", "--only-finish")
    assert (json.loads(done["result"]), done["count"], done["code_versions"]) == ({"half": 14.0}, 8, 3)


def test_failed_item_that_was_mended_is_computed_with_the_mended_code(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "bug.py"
    file.write_text("def compute(item): return 6 // (item - 3)\ndef combine(a, b): return a + b\n")
    assert runs.hpc("run", "--size", "6", "--batch-size", "1", "--workload", str(file)).returncode == 1
    file.write_text("def compute(item): return 6 // (item - 3) if item != 3 else 0\ndef combine(a, b): return a + b\n")
    assert "WorkloadChangedError" in runs.hpc("redrive").stderr
    done = runs.output("redrive", "--workload", str(file))
    assert (done["total_sum"], done["count"], done["code_versions"]) == ("-2", 6, 2)


def test_items_that_failed_within_the_tolerance_are_computed_with_the_mended_code(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "bug.py"
    file.write_text("def compute(item): return 6 // (item - 3)\ndef combine(a, b): return a + b\n")
    run = ("run", "--size", "6", "--workload", str(file), "--tolerated-failure-percentage", "50")
    assert runs.output(*run)["failed"] == 1
    file.write_text("def compute(item): return 100\ndef combine(a, b): return a + b\n")
    assert "WorkloadChangedError" in runs.hpc("redrive").stderr
    done = runs.output("redrive", "--workload", str(file))
    assert (done["total_sum"], done["complete"], done["code_versions"]) == ("98", True, 2)
    # The version of the last run is what counts from now on.
    assert runs.output("redrive", "--only-finish")["total_sum"] == "98"


def test_copy_is_read_only_and_named_by_its_whole_hash_and_an_edited_one_is_not_run(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "bug.py"
    file.write_text("def compute(item): return 1 // item\n")
    assert runs.hpc("run", "--size", "2", "--batch-size", "1", "--workload", str(file)).returncode == 1
    [copy] = (runs.home / "workloads").glob("bug-*/bug.py")
    assert copy.stat().st_mode & 0o777 == 0o444
    assert len(copy.parent.name.removeprefix("bug-")) == 64
    file.unlink()
    copy.chmod(0o644)
    copy.write_text("def compute(item): return 5\n")
    refused = runs.hpc("redrive")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "WorkloadChangedError" in refused.stderr


def test_only_finish_of_a_run_that_has_more_to_do_is_refused(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "bug.py"
    file.write_text("def compute(item): return 1 // item\n")
    assert runs.hpc("run", "--size", "2", "--workload", str(file)).returncode == 1
    refused = runs.hpc("redrive", "--only-finish")
    assert refused.returncode == 2
    assert "ended in ComputeMap, before combine and finish" in refused.stderr


def test_redrive_names_a_workload_that_is_not_that_of_the_run(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "bug.py"
    file.write_text("def compute(item): return 1 // item\n")
    assert runs.hpc("run", "--size", "2", "--workload", str(file)).returncode == 1
    other = tmp_path / "other.py"
    other.write_text(file.read_text())
    refused = runs.hpc("redrive", "--workload", str(other))
    assert refused.returncode == 2
    assert "--workload must be the workload of" in refused.stderr
    assert os.fspath(other) in refused.stderr
