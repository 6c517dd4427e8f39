"""`hpc redrive`: from a run that failed, was stopped or was killed to its result."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hpc_commands import assembly, call, command, environment, hpc, result_of
from sfn_local.server import attach

from hpc.commands import redrive
from hpc.commands.merge import needs_new_run
from hpc.runs.find import find_run
from hpc.targets.client import Target

FLAKY = '''
"""Fails at some items until a file is there, and notes what it computes."""

import os
import time
from pathlib import Path


def compute(item, params):
    with open(params["log"], "a") as log:
        log.write(f"{item}\\n")
    if item in params.get("bad", []) and not Path(params["mended"]).exists():
        raise ValueError(f"{item} is bad")
    while item in params.get("slow", []) and not Path(params["mended"]).exists():
        time.sleep(0.01)
    return item


def combine(a, b):
    return a + b
'''


class Run:
    """A run of 12 items by a workload that is no part of the project."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.home = folder / "home"
        self.mended = folder / "mended"
        self.log = folder / "log"
        self.workload = folder / "flaky.py"
        self.workload.write_text(FLAKY)

    def start(self, **params: object) -> subprocess.CompletedProcess[str]:
        return call(self.capture, *self.arguments(**params))

    def arguments(self, **params: object) -> list[str]:
        given = json.dumps({"log": str(self.log), "mended": str(self.mended), **params})
        return [
            *("run", "--size", "12", "--batch-size", "1", "--output", "json"),
            *("--workload", str(self.workload), "--params", given),
        ]

    def killed_in_start(self, **params: object) -> str:
        """Return the name of a run whose command was killed before Start wrote anything."""
        killed = hpc(self.home, *self.arguments(**params), "--faults", "kill_runner Start")
        assert killed.returncode == -signal.SIGKILL
        return killed.stderr.split()[1]

    def redrive(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call(self.capture, "redrive", "--assembly", str(assembly()), "--output", "json", *arguments)

    def computed(self) -> list[int]:
        """Return the items in the order in which they were begun."""
        return [int(line) for line in self.log.read_text().split()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    run = Run(tmp_path, capfd)
    monkeypatch.setenv("HPC_HOME", str(run.home))
    return run


def test_run_that_failed_is_redriven_and_computes_only_what_had_failed(run: Run) -> None:
    failed = run.start(bad=[3, 7])
    assert failed.returncode == 1
    kept = result_of(failed)["map_run"]["succeeded"]
    before = run.computed()
    run.mended.touch()
    done = run.redrive()
    result = result_of(done)
    assert (done.returncode, result["status"]) == (0, "SUCCEEDED")
    assert result["output"]["result"] == str(sum(range(12)))
    assert result["map_run"]["succeeded"] == 12
    # What was in flight as the run failed is computed once more, what had succeeded is not.
    again = run.computed()[len(before) :]
    assert {3, 7} <= set(again)
    assert len(again) == len(set(again)) == 12 - kept


def test_run_whose_command_was_killed_is_redriven_to_its_exact_result(run: Run) -> None:
    process = subprocess.Popen(
        command(*run.arguments(slow=[11])), env=environment(run.home), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("started")
    while not run.log.exists() or len(run.computed()) < 12:
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    run.mended.touch()
    result = result_of(run.redrive())
    assert result["output"]["result"] == str(sum(range(12)))
    assert result["output"]["duplicates"] == 0
    assert set(run.computed()) == set(range(12))
    assert run.computed().count(11) == 2


def test_run_whose_workload_file_has_changed_is_not_redriven_without_a_word(run: Run) -> None:
    run.start(bad=[3])
    run.workload.write_text(FLAKY + "# mended\n")
    run.mended.touch()
    done = run.redrive()
    assert (done.returncode, done.stdout) == (2, "")
    assert "WorkloadChangedError: workload flaky has changed since the run was started" in done.stderr
    assert f"--workload {run.workload}" in done.stderr
    # What is refused is not used up, and a file that was put back is no change.
    run.workload.write_text(FLAKY)
    done = run.redrive()
    assert "(redrive 1)" in done.stderr
    assert result_of(done)["output"]["result"] == str(sum(range(12)))
    assert "code_versions" not in result_of(done)["output"]


def test_workload_file_that_is_gone_does_not_matter(run: Run) -> None:
    run.start(bad=[3])
    run.workload.unlink()
    run.mended.touch()
    assert result_of(run.redrive())["status"] == "SUCCEEDED"


def test_deployed_workload_that_changed_is_refused(run: Run) -> None:
    changed = run.log.parent / "assembly"
    shutil.copytree(assembly(), changed)
    options = ["--workload", "rehearsal", "--params", '{"raise": [2]}', "--batch-size", "1"]
    failed = call(run.capture, "run", "--size", "4", *options)
    assert failed.returncode == 1
    [workload] = changed.glob("asset.*/lambdas/workloads/rehearsal.py")
    workload.write_text(workload.read_text() + "# mended\n")
    done = call(run.capture, "redrive", "--assembly", str(changed))
    assert done.returncode == 2
    assert "WorkloadChangedError: workload rehearsal has changed since the run was started" in done.stderr


def test_run_that_succeeded_and_one_that_does_not_exist_are_refused_by_name(run: Run) -> None:
    name = result_of(run.start())["execution_arn"].rpartition(":")[2]
    done = run.redrive(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name} SUCCEEDED and is complete: there is nothing to redrive" in done.stderr
    done = run.redrive("run-of-nobody")
    assert (done.returncode, done.stdout) == (2, "")
    assert "run-of-nobody" in done.stderr
    assert "Traceback" not in done.stderr


def test_server_that_only_looks_for_the_run_is_one_whose_end_others_wait_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.start(bad=[3])
    run.mended.touch()
    seen = []

    def is_short_lived() -> bool:
        connection = attach(run.home)
        assert connection is not None
        return connection.is_short_lived

    def find(target: Target, named: str | None) -> str:
        seen.append(is_short_lived())
        return find_run(target, named)

    def go_on(described: dict[str, Any]) -> bool:
        seen.append(is_short_lived())
        return needs_new_run(described)

    monkeypatch.setattr(redrive, "find_run", find)
    monkeypatch.setattr(redrive, "needs_new_run", go_on)
    assert result_of(run.redrive())["status"] == "SUCCEEDED"
    assert seen == [True, False]


def test_run_that_was_killed_in_start_is_redriven_with_the_copy_of_its_workload_file(run: Run) -> None:
    run.killed_in_start()
    run.workload.unlink()
    done = run.redrive()
    assert (done.returncode, result_of(done)["output"]["result"]) == (0, str(sum(range(12))))


def test_run_that_was_killed_in_start_has_its_own_one_of_two_versions_of_a_file(run: Run) -> None:
    name = run.killed_in_start()
    run.workload.write_text(FLAKY.replace("return item", "return 2 * item"))
    assert run.start().returncode == 0
    run.workload.unlink()
    done = run.redrive(name)
    assert result_of(done)["output"]["result"] == str(sum(range(12)))


def test_run_that_was_killed_in_start_with_one_of_two_unknown_versions_of_a_file_is_refused(run: Run) -> None:
    name = run.killed_in_start()
    run.workload.write_text(FLAKY + "# another version\n")
    assert run.start().returncode == 0
    (run.home / "workloads" / "origins.jsonl").unlink()
    done = run.redrive(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name} can't be redriven: it ended in Start, and 2 versions of its workload flaky are in" in done.stderr


@pytest.mark.parametrize("is_in_start", [False, True])
def test_run_whose_copy_of_the_workload_file_is_gone_is_refused_before_a_redrive_is_used_up(
    run: Run, *, is_in_start: bool
) -> None:
    if is_in_start:
        run.killed_in_start()
    else:
        run.start(bad=[3])
        run.mended.touch()
    run.workload.unlink()
    kept = run.home / "workloads"
    kept.rename(run.home / "elsewhere")
    done = run.redrive()
    assert (done.returncode, done.stdout) == (2, "")
    assert "can't be redriven: the copy of its workload file flaky.py is gone from" in done.stderr
    (run.home / "elsewhere").rename(kept)
    done = run.redrive()
    assert "(redrive 1)" in done.stderr
    assert result_of(done)["status"] == "SUCCEEDED"
