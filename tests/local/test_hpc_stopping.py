"""Ends that are not the run's own: Ctrl-C, signals, `hpc stop`, and commands that share a server."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from assemblies import synthesized
from hpc_commands import HPC, assembly, call, command, environment, hpc, result_of
from processes import descendants, wait_until_gone
from sfn_local.server import LocalServer, attach

FOREVER = ["run", "--size", "4", "--workload", "rehearsal", "--params", '{"seconds": 600}', "--batch-size", "1"]
ENDS_WITHIN_SECONDS = 60


@dataclass
class Running:
    """A command that has started a run."""

    process: subprocess.Popen[str]
    run_name: str
    stderr: IO[str]

    def descendants(self) -> list[int]:
        """Wait until a worker computes; return the processes that this one has started."""
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while time.monotonic() < deadline:
            found = descendants(self.process.pid)
            if len(found) > 1:
                return found
            time.sleep(0.02)
        raise AssertionError("no worker has started")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=ENDS_WITHIN_SECONDS)
        return self.process.returncode, out, err


Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Run a command to its end in this process, beside those that have one of their own."""
    monkeypatch.setenv("HPC_HOME", str(tmp_path))
    return lambda *arguments: call(capfd, *arguments)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a command in a session of its own, and wait until its run has started."""
    processes = []

    def start_command(*arguments: str, home: Path = tmp_path) -> Running:
        process = subprocess.Popen(
            command(*arguments),
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("started run-"), first + process.stderr.read()
        return Running(process, first.split()[1], process.stderr)

    yield start_command
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signal_stops_a_local_run_and_leaves_no_process(
    start: Callable[..., Running], number: signal.Signals, code: int
) -> None:
    running = start(*FOREVER)
    processes = running.descendants()
    os.killpg(running.process.pid, number)  # the whole group, as a terminal does
    assert running.end() == (code, "", f"stopped {running.run_name}\n")
    wait_until_gone(processes)


def test_killed_command_leaves_no_process_and_its_home_works_again(start: Callable[..., Running], here: Call) -> None:
    running = start(*FOREVER)
    processes = running.descendants()
    running.process.kill()
    wait_until_gone(processes)
    assert here("run", "--size", "3", "--output", "json").returncode == 0


def test_hpc_stop_stops_the_run_of_another_command(start: Callable[..., Running], tmp_path: Path) -> None:
    running = start(*FOREVER, "--output", "json")
    stopped = hpc(tmp_path, "stop", running.run_name)
    assert (stopped.returncode, stopped.stdout, stopped.stderr) == (0, "", f"stopped {running.run_name}\n")
    code, out, err = running.end()
    result = result_of(subprocess.CompletedProcess([], code, out, err))
    assert code == 1
    assert (result["status"], result["output"], result["cause"]) == ("ABORTED", None, "stopped by hpc stop")


def test_hpc_stop_says_what_it_was_given_when_there_is_no_such_run(start: Callable[..., Running], here: Call) -> None:
    alone = here("stop", "run-1")
    assert alone.returncode == 2
    assert "no local server runs" in alone.stderr
    start(*FOREVER)
    for run in ("run-1", "arn:aws:states:us-east-1:111111111111:execution:Other:run-1", "no such name"):
        done = here("stop", run)
        assert done.returncode == 2
        assert run in done.stderr
        assert "Traceback" not in done.stderr


def test_file_in_the_place_of_the_home_has_no_server(
    here: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.write_text("no folder")
    monkeypatch.setenv("HPC_HOME", str(home))
    assert attach(home) is None
    done = here("stop", "run-1")
    assert done.returncode == 2
    assert f"no local server runs for {home}" in done.stderr


def test_second_command_uses_the_server_of_the_first(start: Callable[..., Running], here: Call) -> None:
    first = start(*FOREVER)
    second = here("run", "--size", "5", "--workload", "squares", "--max-concurrency", "1", "--detach")
    name = second.stdout.strip().rpartition(":")[2]
    assert second.returncode == 0
    assert f"hpc stop {name}" in second.stderr
    assert here("stop", name).returncode == 0
    assert here("stop", second.stdout.strip()).stderr == f"{name} has already ended: ABORTED\n"
    assert first.process.poll() is None


def test_server_lives_until_the_runs_of_other_commands_have_ended(start: Callable[..., Running], here: Call) -> None:
    host = start(*FOREVER)
    guest = start(*FOREVER)
    assert here("stop", host.run_name).returncode == 0
    lines = [host.stderr.readline() for _ in range(2)]
    while not lines[-1].startswith("still serving"):
        lines.append(host.stderr.readline())
    assert lines[-1] == f"still serving {guest.run_name} (Ctrl-C ends it)\n"
    assert here("stop", guest.run_name).returncode == 0
    assert guest.end()[0] == 1
    assert host.end()[0] == 1


def test_guest_of_a_killed_server_finds_out_what_became_of_its_run(start: Callable[..., Running]) -> None:
    host = start(*FOREVER)
    guest = start(*FOREVER, "--output", "json")
    host.process.kill()
    code, out, err = guest.end()
    result = result_of(subprocess.CompletedProcess([], code, out, err))
    assert (code, result["status"]) == (1, "ABORTED")
    assert result["execution_arn"].endswith(guest.run_name)


def test_commands_at_the_same_time_all_get_their_results(tmp_path: Path) -> None:
    """Whichever comes first hosts the server; the others must not depend on how long it lives."""
    options = ["run", "--workload", "squares", "--output", "json", "--size"]
    processes = [
        subprocess.Popen(
            command(*options, str(size)),
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for size in range(10, 14)
    ]
    results = [
        result_of(subprocess.CompletedProcess([], process.returncode, *process.communicate())) for process in processes
    ]
    assert [result["status"] for result in results] == ["SUCCEEDED"] * 4
    assert [result["output"]["total_sum"] for result in results] == ["285", "385", "506", "650"]


def test_run_with_other_sources_is_refused_while_a_server_runs(start: Callable[..., Running], tmp_path: Path) -> None:
    shutil.copytree(synthesized(), tmp_path / "cdk.out" / synthesized().name)
    start(*FOREVER)
    done = subprocess.run(
        [HPC, "run", "--size", "3"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "serves other sources" in done.stderr


@pytest.mark.parametrize("looking", [False, True])
def test_command_waits_for_the_end_of_one_that_only_looks(tmp_path: Path, here: Call, looking: bool) -> None:
    """What only looks serves what ran last, which may lack what a run needs, and takes it away in a moment."""
    (tmp_path / "own.py").write_text("def compute(item):\n    return item\n")
    first = here("run", "--size", "3", "--workload", "squares")
    assert first.returncode == 0, first.stderr
    following = ("runs",) if looking else ("run", "--size", "2", "--workload", str(tmp_path / "own.py"))
    with LocalServer(tmp_path, assembly(), is_short_lived=True):
        process = subprocess.Popen(
            command(*following), env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)  # long enough to be refused, or to attach
        assert process.poll() is None
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert ("SUCCEEDED" if looking else "2 computed") in out


@pytest.mark.parametrize("is_short_lived", [False, True])
def test_only_a_server_that_is_to_compute_starts_the_process_that_workers_come_from(
    tmp_path: Path, is_short_lived: bool
) -> None:
    with LocalServer(tmp_path, assembly(), is_short_lived=is_short_lived):
        assert (tmp_path / "logs/workers.log").exists() is not is_short_lived


def test_detach_is_refused_when_no_server_would_outlive_the_command(here: Call) -> None:
    done = here("run", "--size", "3", "--detach")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a local run ends with the command that hosts it" in done.stderr
