"""A disk that is full ends a run with one line, and what ran can still be looked at.

A limit on the size of a process's files stands for the disk: a write meets it in the same way.
"""

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hpc_commands import command, environment, hpc

from hpc.files import ROOM_BYTES

LARGE = """
import os

def compute(item):
    return os.urandom(1_000_000).hex()

def combine(a, b):
    return min(a, b)
"""


def files_of_at_most(size_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def limited(home: Path, size_bytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=files_of_at_most(size_bytes),
    )


def test_run_on_a_full_disk_ends_with_one_line(tmp_path: Path) -> None:
    workload = tmp_path / "large.py"
    workload.write_text(LARGE)
    run = limited(tmp_path / "home", 1_500_000, "run", "--workload", str(workload), "--size", "8")
    assert run.returncode == 1, run.stderr
    [line] = [line for line in run.stderr.splitlines() if "can't be written to the disk of" in line]
    assert " FAILED after " in line
    assert "Runner.StorageFailed: s3://" in line
    assert "File too large" in line
    assert "Traceback" not in run.stderr
    # What failed can be run again where there is room.
    redriven = hpc(tmp_path / "home", "redrive")
    assert redriven.returncode == 0, redriven.stderr


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("full") / "home"
    run = hpc(home, "run", "--size", "4", "--workload", "squares")
    assert run.returncode == 0, run.stderr
    return home


def contents(home: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("arguments", ["status", "runs", "result", "failures", "logs"])
def test_home_on_a_full_disk_is_looked_at_without_a_change(full_home: Path, arguments: str) -> None:
    expected = hpc(full_home, arguments)
    before = contents(full_home)
    seen = limited(full_home, ROOM_BYTES - 1, arguments)
    assert (seen.returncode, seen.stdout) == (expected.returncode, expected.stdout), seen.stderr
    assert contents(full_home) == before


@pytest.mark.parametrize("arguments", [["run", "--size", "1"], ["redrive"]])
def test_home_on_a_full_disk_starts_nothing(full_home: Path, arguments: list[str]) -> None:
    refused = limited(full_home, ROOM_BYTES - 1, *arguments)
    assert refused.returncode == 2
    assert f"HPC_HOME must be on a disk with {ROOM_BYTES} bytes of room" in refused.stderr
