"""`hpc logs --follow` beside a run that goes on: lines come as they are printed, and the command ends with the run."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc_commands import HPC, assembly, environment

WAITING = """
import time
from pathlib import Path


def compute(item, params):
    print(f"item {item} begins")
    while not Path(params["go"]).exists():
        time.sleep(0.02)
    print(f"item {item} ends")
    return item
"""


@contextmanager
def started(home: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        [str(HPC), *arguments], env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_lines_come_while_the_run_goes_on_each_once_below_the_items_that_they_are_of(tmp_path: Path) -> None:
    home, go = tmp_path / "home", tmp_path / "go"
    (tmp_path / "waiting.py").write_text(WAITING)
    run = ("run", "--size", "4", "--batch-size", "1", "--workload", str(tmp_path / "waiting.py"), "--name", "waiting")
    options = ("--params", json.dumps({"go": str(go)}), "--assembly", str(assembly()))
    with started(home, *run, *options) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "started waiting\n"
        with started(home, "logs", "waiting", "--follow") as follower:
            assert follower.stdout is not None
            assert follower.stderr is not None
            lines: list[str] = []
            while not any("begins" in line for line in lines):
                lines.append(follower.stdout.readline())
                assert lines[-1], follower.stderr.read()
            assert not any("ends" in line for line in lines)
            go.touch()
            # Not communicate(): it would not see lines that came with the one that was read last.
            rest = follower.stdout.read()
            assert follower.wait() == 0, follower.stderr.read()
        running.communicate(timeout=120)
        assert running.returncode == 0
    lines = [line.strip() for line in [*lines, *rest.splitlines()]]
    heading = ""
    for line in lines:
        heading = line if line.startswith("--") else heading
        if line.startswith("item"):
            number = line.split()[1]
            assert f" item {number} (batch {number}) --" in heading
    printed = sorted(line for line in lines if line.startswith("item"))
    assert printed == sorted(f"item {item} {word}" for item in range(4) for word in ("begins", "ends"))
