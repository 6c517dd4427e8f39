"""Runs whose items fail, exit or take too long when a test says so, and the commands that complete them."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hpc_commands import call_with, environment
from job_commands import assembly, command

SOURCE = '''
"""Fails at the items that a file names, and notes what it computes."""

import json
import os
import signal
import time
from pathlib import Path


def compute(item, params, index, seed):
    with open(params["log"], "a") as log:
        log.write(f"{index}\\n")
    if index in json.loads(Path(params["bad"]).read_text()):
        raise ValueError(f"{index} is bad")
    if index in params.get("exit", []) and not Path(params["mended"]).exists():
        os._exit(3)
    if index in params.get("kill", []) and not Path(params["mended"]).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(params.get("seconds", {}).get(str(index), 0))
    return [index, seed, item]
'''


class Runs:
    """Runs of a workload that is no part of the project, and what `hpc` says of them."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.capture = capture
        self.assembly = assembly()
        self.log = folder / "log"
        self.mended = folder / "mended"
        self.workload = folder / "partly.py"
        self.workload.write_text(SOURCE)

    def bad(self, *indexes: int) -> None:
        (self.folder / "bad.json").write_text(json.dumps(indexes))
        self.log.write_text("")

    def run(self, *arguments: str, **params: Any) -> subprocess.CompletedProcess[str]:
        given = {"log": str(self.log), "bad": str(self.folder / "bad.json"), "mended": str(self.mended), **params}
        options = ["--workload", str(self.workload), "--params", json.dumps(given), "--output", "json"]
        return call_with(self.capture, "run", "--assembly", str(self.assembly), *options, *arguments)

    def redrive(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return call_with(self.capture, "redrive", "--assembly", str(self.assembly), "--output", "json", *arguments)

    def killed(self, *arguments: str) -> None:
        """Run a command that is killed before Start has written anything."""
        killed = subprocess.run(
            [*command(*arguments), "--faults", "kill_runner Start"],
            env=environment(self.home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr

    def forget(self) -> None:
        """Let no item fail from now on, and note anew what is computed."""
        self.bad()
        self.mended.touch()

    def computed(self) -> list[int]:
        return sorted(int(line) for line in self.log.read_text().split())


def name_of(result: dict[str, Any]) -> str:
    return str(result["execution_arn"].rpartition(":")[2])
