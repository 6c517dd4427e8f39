"""The script of the first deployment, as far as the local server can stand for an account."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import smoke_aws
from smoke_aws import Smoke

ROOT = Path(__file__).parents[2]


def test_smoke_computes_on_every_back_end_and_fails_as_it_should(tmp_path: Path) -> None:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/smoke_aws.py"), "--on-this-machine"],
        env={**os.environ, "PATH": programs, "HPC_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("smoke: ")]
    assert said[:3] == [f"smoke: {each}: {smoke_aws.TOTAL}" for each in ("lambda", "batch", "batch_callback")]
    assert said[3].startswith("smoke: a failed run was redriven to success")


def test_smoke_ends_at_a_wrong_total() -> None:
    def answer(*command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        assert not check
        assert command[-3:] == ("--aws", "--stack-name", "Other")
        return subprocess.CompletedProcess(command, 0, '{"output": {"total_sum": "1"}}')

    with pytest.raises(SystemExit, match=f"the total on lambda must be {smoke_aws.TOTAL}, is 1"):
        Smoke(answer, ["--aws", "--stack-name", "Other"]).compute(["lambda"])
