"""hpc:run_timeout_seconds ends a run on this machine as it does on AWS."""

import json
import re
from pathlib import Path

import pytest
from assemblies import copied
from hpc_commands import call, call_with
from workload_sources import REHEARSAL


def test_a_run_that_takes_longer_than_it_may_ends_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = copied(tmp_path, workloads={"rehearsal.py": REHEARSAL})
    template = made / "HpcStack.template.json"
    limited, count = re.subn(r"(TimeoutSeconds\W+)90000\b", r"\g<1>2", template.read_text())
    assert count == 1
    template.write_text(limited)
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    arguments = ["--size", "2", "--workload", "rehearsal", "--params", '{"seconds": 600}', "--assembly", str(made)]
    done = call_with(capfd, "run", *arguments)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    status = json.loads(call(capfd, "status", "latest", "--output", "json").stdout)
    assert status["status"] == "TIMED_OUT"
    assert "TIMED_OUT" in done.stderr
    assert call(capfd, "failures", "latest").returncode == 0
