"""The report of a run on this machine: a child computes while a worker has it, and waits before that."""

import os
import re
from pathlib import Path

import pytest
from hpc_commands import assembly, call_with
from test_report_runs import plain

from hpc.report.facts import collect
from hpc.runs.run import Run
from hpc.targets.home import Home
from hpc.targets.looking import looking_target

SLEEPING = """
import time


def compute(item, params):
    time.sleep(0.05)
    if item in params.get("fail", []):
        raise ValueError(f"item {item} is bad")
    return item
"""
SECONDS = 0.05


def test_children_compute_when_workers_have_them_and_phases_add_up_to_the_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    (tmp_path / "sleeping.py").write_text(SLEEPING)
    run = ["run", "--size", "60", "--batch-size", "1", "--workload", str(tmp_path / "sleeping.py")]
    failing = ["--params", '{"fail": [7]}', "--tolerated-failure-percentage", "5"]
    assert call_with(capfd, *run, *failing, "--assembly", str(assembly())).returncode == 0
    cores = os.cpu_count() or 1
    with looking_target(Home.from_environment()) as target:
        [listed] = target.stepfunctions.list_executions(stateMachineArn=target.state_machine_arn)["executions"]
        facts = collect(Run(target, listed["executionArn"]))
    children = facts.children(is_on_jobs=False)
    assert children.statuses == {"SUCCEEDED": 60, "RUNNING": 0, "PENDING": 0}
    assert len(children.durations()) == 60
    assert children.durations()[0] >= SECONDS
    assert max(children.concurrency(sorted(children.starts))) <= cores
    # All began at once, so that the last of them waited for all others.
    assert sum(children.durations()) <= cores * facts.seconds
    assert len(children.waited_from) == 60
    assert sum(phase.seconds for phase in facts.phases) == pytest.approx(facts.seconds, rel=0.01)
    assert [phase.name for phase in facts.phases] == ["Start", "ComputeMap", "Sum"]
    out = tmp_path / "report.html"
    assert call_with(capfd, "report", "-o", str(out)).returncode == 0
    read = plain(out.read_text(encoding="utf-8"))
    most = re.search(r"Child executions at a time, at most (\d+)", read)
    assert most is not None
    assert int(most[1]) <= cores
    assert "◐ PARTIAL" in read
    assert "ComputeMap: PARTIAL" in read
    assert "sleeping.py:8 in compute: raise ValueError" in read
    assert f"hpc replay {listed['name']} 7" in read
