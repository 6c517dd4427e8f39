"""Runs that bring their workload, a file with a module beside it or a folder: on every back end, replayed, redriven."""

import functools
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hpc_commands import call_with, result_of
from job_commands import assembly

Call = Callable[..., "subprocess.CompletedProcess[str]"]
THREE_FAILS = "def half(x):\n    if x == 3: raise ValueError('three')\n    return x / 2\n"
MENDED = "def half(x):\n    return x / 2\n"
MAIN = "import helper\ndef compute(item): return helper.half(item)\ndef combine(a, b): return a + b\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid/workload.py").write_text(
        f"{MAIN}from pathlib import Path\nassert Path(__file__).with_name('n').exists()"
    )
    (tmp_path / "grid/n").write_text("1")
    (tmp_path / "grid/mine.py").write_text(MAIN)
    (tmp_path / "grid/helper.py").write_text(THREE_FAILS)
    return functools.partial(call_with, capfd)


NAMED = pytest.mark.parametrize("named", ["grid/", "grid/mine.py"])


@NAMED
@pytest.mark.parametrize("back_end", ["lambda", "batch", "batch_callback"])
def test_every_back_end_computes_with_what_the_run_brings(here: Call, named: str, back_end: str) -> None:
    Path("grid/helper.py").write_text(MENDED)
    options = ("--size", "6", "--batch-size", "2", "--workload", named, "--back-end", back_end)
    done = here("run", *options, "--assembly", str(assembly()), "--output", "json")
    assert json.loads(result_of(done)["output"]["result"]) == 7.5


@NAMED
def test_run_is_replayed_and_redriven_with_what_it_brought_or_brings_now(here: Call, named: str) -> None:
    run = here("run", "--size", "6", "--batch-size", "2", "--workload", named, "--assembly", str(assembly()))
    assert run.returncode == 1
    assert "item 3 failed: ValueError: three" in run.stderr
    assert here("replay", "latest", "3").returncode == 1
    assert here("replay", "latest", "2").stdout == "1.0\n"
    Path("grid/helper.py").write_text(MENDED)
    assert here("replay", "latest", "3").returncode == 1
    assert here("replay", "latest", "3", "--workload", named).stdout == "1.5\n"
    refused = here("redrive")
    assert refused.returncode == 2
    assert "has changed since the run was started: " in refused.stderr
    assert here("redrive", "--workload", "grid/helper.py").returncode == 2
    done = here("redrive", "--workload", named, "--output", "json")
    output = result_of(done)["output"]
    assert (json.loads(output["result"]), output["code_versions"]) == (7.5, 2)
    assert here("replay", "latest", "combine").stdout == "7.5\n"


def test_redrive_of_what_has_not_changed_goes_on_with_it(here: Call) -> None:
    here("run", "--size", "6", "--batch-size", "2", "--workload", "grid/", "--assembly", str(assembly()))
    again = here("redrive")
    assert again.returncode == 1
    assert "another version" not in again.stderr
    Path("grid/helper.py").unlink()
    assert "has changed since the run was started" in here("redrive").stderr


def test_folder_that_can_not_travel_is_refused_by_name(here: Call) -> None:
    def refused(message: str) -> None:
        done = here("run", "--size", "1", "--workload", "grid/", "--assembly", str(assembly()))
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr

    odd = Path(os.fsdecode(b"grid/\xff.txt"))
    odd.touch()
    refused("holds a file whose name is not printable UTF-8")
    odd.unlink()
    Path("grid/link").symlink_to("/etc/hostname")
    refused("holds a link that leaves the folder: grid/link")
    Path("grid/link").unlink()
    Path("grid/workload.py").write_text("def compute(item): return item\ndef compute_batch(items): return items\n")
    refused("must define either compute or compute_batch, it defines both")
    Path("grid/workload.py").unlink()
    refused("must be a folder with grid.py or workload.py")
