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
from workload_sources import ENDING

from hpc.targets.synthesis import WITH_JOBS


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
    path.write_text(ENDING)
    return str(path)


def process_ids(folder: Path, count: int) -> list[int]:
    """Wait until ``count`` processes compute, and return their ids."""
    limit = time.monotonic() + 60
    while len(found := list(folder.glob("*.pid"))) < count:
        assert time.monotonic() < limit, "the jobs did not begin"
        time.sleep(0.05)
    return [int(path.stem) for path in found]
