"""The commands that use jobs, over an assembly that has them and tries a failed array job again after a second."""

import atexit
import functools
import json
import shutil
import tempfile
import time
from pathlib import Path

from assemblies import copied
from hpc_commands import HPC

from hpc.synthesis import WITH_JOBS

# Tells its process id, then waits, or kills its process the first time or always.
WORKLOAD = '''
"""Ends and waits as its params say."""

import os
import signal
import time
from pathlib import Path


def compute(item, params):
    folder = Path(params["folder"])
    if item == params.get("at"):
        first = not (folder / "killed").exists()
        (folder / "killed").touch()
        if first or params.get("always"):
            os.kill(os.getpid(), signal.SIGKILL)
    if params.get("seconds"):
        (folder / f"{os.getpid()}.pid").touch()
        time.sleep(params["seconds"])
    return item


def combine(a, b):
    return a + b


def finish(result):
    return result or 0
'''


@functools.cache
def assembly() -> Path:
    """Synthesize once for all tests of this process."""
    folder = Path(tempfile.mkdtemp(prefix="hpc-jobs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = copied(folder, WITH_JOBS)
    template = made / "HpcStack.template.json"
    text = template.read_text()
    waits = json.dumps(json.dumps({"IntervalSeconds": 30}, separators=(",", ":"))[1:-1])[1:-1]
    assert waits in text
    template.write_text(text.replace(waits, waits.replace("30", "1")))
    return made


def arguments(name: str, *rest: str) -> list[str]:
    return [name, *rest, "--assembly", str(assembly())]


def command(name: str, *rest: str) -> list[str]:
    return [str(HPC), *arguments(name, *rest)]


def write_workload(folder: Path) -> str:
    path = folder / "ending.py"
    path.write_text(WORKLOAD)
    return str(path)


def process_ids(folder: Path, count: int) -> list[int]:
    """Wait until ``count`` processes compute, and return their ids."""
    limit = time.monotonic() + 60
    while len(found := list(folder.glob("*.pid"))) < count:
        assert time.monotonic() < limit, "the jobs did not begin"
        time.sleep(0.05)
    return [int(path.stem) for path in found]
