"""The person's own line and traceback, wherever a failed run is looked at; replay refuses a file that has changed."""

import subprocess
from pathlib import Path

import pytest
from assemblies import copied
from hpc_commands import assembly, call_with

SOURCE = """
def read(row):
    return row["key2"]


def compute(item):
    try:
        return read({})
    except KeyError as error:
        raise ValueError("bad row") from error
"""


class Looks:
    """A run that failed, and the commands that look at it."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.capture = capture
        self.workload = folder / "reading.py"

    def hpc(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return call_with(self.capture, *arguments)

    def run(self, source: str) -> "subprocess.CompletedProcess[str]":
        self.workload.write_text(source)
        return self.hpc("run", "--size", "1", "--workload", str(self.workload), "--assembly", str(assembly()))

    @property
    def copy(self) -> Path:
        """The copy of the workload that the run has."""
        [copy] = (self.folder / "home" / "workloads").glob("reading-*/reading.py")
        return copy


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Looks:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return Looks(tmp_path, capfd)


def test_every_command_shows_the_persons_own_line_and_what_was_raised_before(looks: Looks) -> None:
    shown = {"run": looks.run(SOURCE).stderr}
    shown["failures"] = looks.hpc("failures").stdout
    shown["logs"] = looks.hpc("logs").stdout
    shown["logs of the item"] = looks.hpc("logs", "latest", "0").stdout
    shown["replay"] = looks.hpc("replay", "latest", "0").stderr
    assert looks.hpc("report", "--out", str(looks.folder / "report.html")).returncode == 0
    for command, text in shown.items():
        assert "KeyError: 'key2'" in text, command
        assert "The above exception was the direct cause of the following exception:" in text, command
        assert "ValueError: bad row" in text, command
        # A carriage return lets a terminal write over the line.
        assert "\r" not in text, command
        assert 'reading.py", line 3, in read\n' in text, command
    page = (looks.folder / "report.html").read_text(encoding="utf-8")
    assert "ValueError: bad row (reading.py:10 in compute)" in page


def test_bare_assert_shows_its_line_in_the_first_line_of_the_failure(looks: Looks) -> None:
    shown = looks.run("def compute(item):\n    row = {'a': item}\n    assert row['a'] > 3\n").stderr
    assert "AssertionError: assert row['a'] > 3 (reading.py:3 in compute)" in shown


@pytest.mark.parametrize("function", ["0", "finish"])
def test_replay_refuses_a_copy_that_was_changed(looks: Looks, function: str) -> None:
    assert looks.run("def compute(item): return item\ndef finish(results): return list(results)\n").returncode == 0
    looks.copy.chmod(0o644)
    looks.copy.write_text("def compute(item): return 5\ndef finish(results): return 5\n")
    refused = looks.hpc("replay", "latest", function)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "WorkloadChangedError: workload reading has changed since the run was started" in refused.stderr
    done = looks.hpc("replay", "latest", function, "--workload", str(looks.workload))
    assert (done.returncode, done.stdout) == (0, {"0": "0\n", "finish": "[0]\n"}[function])


def test_replay_refuses_a_workload_of_the_project_that_is_not_what_was_deployed(looks: Looks, tmp_path: Path) -> None:
    made = copied(tmp_path, workloads={"squares.py": "def compute(item): return 1 // item\n"})
    failed = looks.hpc("run", "--size", "1", "--workload", "squares", "--assembly", str(made))
    assert failed.returncode == 1
    refused = looks.hpc("replay", "latest", "0")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "WorkloadChangedError: workload squares has changed since the run was started" in refused.stderr
    assert "put the file back, or give the changed one with --workload FILE" in refused.stderr
