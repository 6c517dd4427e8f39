"""The command as a person runs it, over an assembly that has one workload more: one that fails when it is told to."""

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hpc.synthesis import find_assembly

PROJECT = Path(__file__).parents[2]
HPC = Path(sys.executable).with_name("hpc")
REHEARSAL = '''
"""Fails and waits as its params say."""

import os
import time


def compute(item, params):
    if item in params.get("raise", []):
        raise ValueError(f"{item} is bad")
    if item in params.get("exit", []):
        os._exit(3)
    time.sleep(params.get("seconds", 0))
    return item


def combine(a, b):
    return a + b


def finish(result):
    return result or 0
'''


@functools.cache
def assembly() -> Path:
    """Synthesize once for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="hpc-assembly-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = folder / "assembly"
    shutil.copytree(find_assembly(PROJECT, folder), made)
    [workloads] = made.glob("asset.*/lambdas/workloads")
    (workloads / "rehearsal.py").write_text(REHEARSAL)
    return made


def environment(home: Path, **changes: str) -> dict[str, str]:
    """What a test's command sees: no AWS setting of whoever runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HPC_"))}
    return own | {"HPC_HOME": str(home)} | changes


def command(*arguments: str) -> list[str]:
    """Return the command line; `run` gets the tests' assembly."""
    extra = ["--assembly", str(assembly())] if arguments[0] == "run" and "--aws" not in arguments else []
    return [str(HPC), *arguments, *extra]


def hpc(home: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        env=environment(home, **changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def result_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Read the one JSON object that stdout has to be."""
    assert "Traceback" not in done.stderr, done.stderr
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def key_total(size: int) -> int:
    """Return the answer of the default workload by its recurrence, in one pass."""
    counts: list[int] = []
    for n in range(size):
        terms = zip((128, 1_863, 42_451, 78_341), range(1, 5), strict=True)
        counts.append(sum(weight * counts[n - part] for weight, part in terms if part <= n) if n else 1)
    return sum(counts)


def digits(number: int) -> str:
    """Write an integer of any length; Python's own limit is 4,300 digits."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return str(number)
    finally:
        sys.set_int_max_str_digits(before)
