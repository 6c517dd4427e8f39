"""The command as a person runs it, over an assembly with a workload that fails when it is told to."""

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

import pytest
from assemblies import copied
from workload_sources import REHEARSAL

from hpc.cli.main import main

HPC = Path(sys.executable).with_name("hpc")
MISSING_BUCKET = "a-bucket-that-is-missing"


@functools.cache
def assembly() -> Path:
    """Return a copy of the project's assembly with two workloads more, and a source bucket that is missing."""
    folder = Path(tempfile.mkdtemp(prefix="hpc-assembly-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    workloads = {"rehearsal.py": REHEARSAL, "echo.py": "def compute(item):\n    return item\n"}
    made = copied(folder, workloads=workloads)
    template_path = made / "HpcStack.template.json"
    template = json.loads(template_path.read_text())
    functions = [
        each["Properties"] for each in template["Resources"].values() if "Handler" in each.get("Properties", {})
    ]
    [start] = [each for each in functions if each["Handler"] == "lambdas.start.handler"]
    start["Environment"]["Variables"]["SOURCE_BUCKETS"] = MISSING_BUCKET
    template_path.write_text(json.dumps(template))
    return made


def environment(home: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a test's command: without AWS settings of the person who runs the tests."""
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


def call(capture: pytest.CaptureFixture[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which takes a tenth of the time; the home is the one of the environment."""
    return call_with(capture, *command(*arguments)[1:])


def call_with(capture: pytest.CaptureFixture[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, over the assembly that it names itself."""
    capture.readouterr()
    try:
        code = main(arguments)
    except SystemExit as exit_:  # how argparse ends
        code = int(str(exit_.code))
    shown = capture.readouterr()
    return subprocess.CompletedProcess(list(arguments), code, shown.out, shown.err)


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
