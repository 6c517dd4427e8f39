"""Semaphores and shared memory work on this machine and not on Lambda: a run says so, once."""

from pathlib import Path

import pytest
from hpc_commands import call_with
from job_commands import assembly

WARNING = "this fails on Lambda, which has no /dev/shm"
MAKES = {
    "Pool": "with multiprocessing.Pool(2) as pool:\n        return pool.map(abs, [item])[0]",
    "Lock": "with multiprocessing.Lock():\n        return item",
    "Queue": "multiprocessing.Queue()\n    return item",
    "Event": "multiprocessing.get_context('spawn').Event()\n    return item",
    "ProcessPoolExecutor": "with concurrent.futures.ProcessPoolExecutor(1) as pool:\n"
    "        return pool.submit(abs, item).result()",
    "SharedMemory": "memory = shared_memory.SharedMemory(create=True, size=8)\n    memory.close()\n"
    "    memory.unlink()\n    return item",
}
MAKES_NOT = {
    "Pipe": "here, there = multiprocessing.Pipe()\n"
    "    process = multiprocessing.Process(target=there.send, args=(item,))\n    process.start()\n"
    "    value = here.recv()\n    process.join()\n    return value",
    "threads": "with concurrent.futures.ThreadPoolExecutor(1) as pool:\n        return pool.submit(abs, item).result()",
}
IMPORTS = "import concurrent.futures\nimport multiprocessing\nfrom multiprocessing import shared_memory\n"


@pytest.fixture
def workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPC_HOME", str(tmp_path / "home"))
    return tmp_path / "sharing.py"


def warnings(capture: pytest.CaptureFixture[str], workload: Path, body: str, *options: str) -> int:
    """Return how often a run warns."""
    workload.write_text(f"{IMPORTS}\n\ndef compute(item):\n    {body}\n")
    given = ("--size", "4", "--batch-size", "1", "--workload", str(workload), "--assembly", str(assembly()))
    done = call_with(capture, "run", *given, *options)
    assert (done.returncode, "[0,1,2,3]" in done.stdout) == (0, True), done.stderr
    return done.stderr.count(WARNING)


@pytest.mark.parametrize("what", MAKES)
def test_run_warns_once_of_what_fails_on_lambda(workload: Path, capfd: pytest.CaptureFixture[str], what: str) -> None:
    assert warnings(capfd, workload, MAKES[what]) == 1


@pytest.mark.parametrize("what", MAKES_NOT)
def test_run_does_not_warn_of_what_lambda_has(workload: Path, capfd: pytest.CaptureFixture[str], what: str) -> None:
    assert warnings(capfd, workload, MAKES_NOT[what]) == 0


@pytest.mark.parametrize("back_end", ["batch", "batch_callback"])
def test_jobs_may_make_semaphores(workload: Path, capfd: pytest.CaptureFixture[str], back_end: str) -> None:
    assert warnings(capfd, workload, MAKES["Pool"], "--back-end", back_end) == 0
