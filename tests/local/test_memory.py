"""Memory as a person meets it: a run that needs more than its function has, and a sample that says how much that is."""

import json
from pathlib import Path

import pytest
from hpc_commands import call, call_with, result_of

NEEDED = 2_500_000_000
LARGE = f"""
def compute(item):
    data = bytearray({NEEDED})
    data[::4096] = b"x" * len(data[::4096])
    return len(data)
"""


@pytest.fixture
def workload(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    path = tmp_path / "large.py"
    path.write_text(LARGE)
    return str(path)


def test_run_over_its_memory_fails_as_on_lambda_and_says_what_to_set(
    workload: str, capsys: pytest.CaptureFixture[str]
) -> None:
    done = call(capsys, "run", "--size", "1", "--workload", workload)
    assert done.returncode == 1
    assert "Runtime.ExitError" in done.stderr
    assert "Error: Runtime exited with error: signal: killed (out of memory: it used " in done.stderr
    assert "set hpc:compute_memory_mib to more, `hpc plan --sample 4` measures how much" in done.stderr
    status = call_with(capsys, "status").stdout
    assert "of 1,769 MiB, ended for it; set hpc:compute_memory_mib to more" in status
    told = result_of(call_with(capsys, "status", "--output", "json"))["memory"]
    assert told["of_mib"] == 1_769 < told["peak_mib"]


def test_sample_may_use_what_it_needs_and_advises_it(workload: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = call_with(capsys, "plan", "--size", "8", "--sample", "1", "--workload", workload, "--output", "json")
    assert done.returncode == 0, done.stderr
    [note] = [each for each in json.loads(done.stdout)["notes"] if each.startswith("measured: peak ")]
    assert int(note.split()[2].replace(",", "")) > NEEDED // 1024**2
