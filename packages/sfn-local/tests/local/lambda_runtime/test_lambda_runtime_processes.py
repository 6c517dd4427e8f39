"""Worker processes: as many as may work at once, each replaced when it dies, none left at the end."""

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from lambda_workers import lambda_workers
from processes import is_alive, wait_until_gone
from sfn_local.lambda_runtime.fork_server import ForkServer
from sfn_local.lambda_runtime.runtime import FunctionError, LambdaRuntime, RuntimeStoppedError

PIDS = """
import os
def handler(event, context):
    return [os.getppid(), os.getpid()]
"""
# Reports over the pipe whose name it gets, then never ends.
STUCK = """
import os, subprocess, sys
def handler(event, context):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(event, "w") as pipe:
        pipe.write(f"{os.getppid()} {os.getpid()} {child.pid}")
    child.wait()
"""


# Leaves a process in a session of its own, then ends itself.
LEAVING = """
import os, subprocess, sys
def handler(event, context):
    leave = "import os, time\\nif os.fork(): os._exit(0)\\nos.setsid()\\n"
    stay = "print(os.getpid(), flush=True); time.sleep(600)"
    with open(event, "w") as pipe:
        subprocess.run([sys.executable, "-c", leave + stay], stdout=pipe)
    if event.endswith("0"):
        os._exit(0)
    __import__("time").sleep(600)
"""


def named_pipe(folder: Path) -> Path:
    path = folder / f"pipe-{len(list(folder.glob('pipe-*')))}"
    os.mkfifo(path)
    return path


def read_process_ids(pipe: Path) -> list[int]:
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert select.select([descriptor], [], [], 30)[0], "the handler did not report"
        return [int(text) for text in os.read(descriptor, 1_000).split()]
    finally:
        os.close(descriptor)


def test_stop_kills_busy_workers_and_what_they_started(tmp_path: Path) -> None:
    pipe = named_pipe(tmp_path)
    with lambda_workers(tmp_path) as workers:
        running = workers.start(workers.register("stuck", STUCK), str(pipe))
        process_ids = read_process_ids(pipe)
        queued = [workers.start("arn:aws:lambda:eu-west-1:000000000000:function:stuck", str(pipe)) for _ in range(5)]
        workers.run(workers.runtime.stop())
        assert not is_alive(process_ids[0])
        assert not is_alive(process_ids[1])
        wait_until_gone([process_ids[2]])  # reaped by the system, not by us
        for future in [running, *queued]:
            with pytest.raises(RuntimeStoppedError, match="the Lambda runtime was stopped"):
                future.result(timeout=300)
        with pytest.raises(RuntimeStoppedError, match="the Lambda runtime does not run"):
            workers.invoke("arn:aws:lambda:eu-west-1:000000000000:function:stuck")
        workers.run(workers.runtime.stop())  # once more does no harm


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose such a process is")
def test_process_in_a_session_of_its_own_ends_with_its_worker(tmp_path: Path) -> None:
    with lambda_workers(tmp_path) as workers:
        leaving = workers.register("leaving", LEAVING)
        of_ended, of_stopped = named_pipe(tmp_path), named_pipe(tmp_path)
        ended = workers.start(leaving, str(of_ended))
        [first] = read_process_ids(of_ended)
        with pytest.raises(FunctionError, match=r"Runtime\.ExitError"):
            ended.result(timeout=300)
        wait_until_gone([first])
        workers.start(leaving, str(of_stopped))
        [second] = read_process_ids(of_stopped)
    wait_until_gone([second])


def test_stop_right_after_start_leaves_nothing(tmp_path: Path) -> None:
    with lambda_workers(tmp_path) as workers:
        workers.register("pids", PIDS)
    with lambda_workers(tmp_path) as workers:
        future = workers.start(workers.register("pids", PIDS), None)
    with pytest.raises(RuntimeStoppedError):
        future.result(timeout=300)


def test_runtime_that_was_never_started_stops(tmp_path: Path) -> None:
    asyncio.run(LambdaRuntime(worker_count=1, log_folder=tmp_path, base_environment={}).stop())


def test_worker_count_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="worker_count must be 1 or more, got 0"):
        LambdaRuntime(worker_count=0, log_folder=tmp_path, base_environment={})


def test_time_out_kills_the_worker_and_what_it_started(tmp_path: Path) -> None:
    pipe = named_pipe(tmp_path)
    with lambda_workers(tmp_path, worker_count=1) as workers:
        running = workers.start(workers.register("stuck", STUCK, timeout_seconds=5), str(pipe))
        _, *process_ids = read_process_ids(pipe)
        with pytest.raises(FunctionError, match=r"Sandbox\.Timedout"):
            running.result(timeout=300)
        wait_until_gone(process_ids)
        assert workers.invoke(workers.register("pids", PIDS))[1] not in process_ids


def test_cancelled_invocation_frees_its_worker_for_the_next(tmp_path: Path) -> None:
    pipe = named_pipe(tmp_path)
    with lambda_workers(tmp_path, worker_count=1) as workers:
        stuck = workers.register("stuck", STUCK)
        running, queued = workers.start(stuck, str(pipe)), workers.start(stuck, "never taken")
        _, *process_ids = read_process_ids(pipe)
        queued.cancel()
        running.cancel()
        workers.invoke(workers.register("pids", PIDS))
        wait_until_gone(process_ids)
        with pytest.raises(CancelledError):
            running.result(timeout=300)
        assert workers.log("stuck") == ""


SPAN = """
import time
def handler(event, context):
    started = time.monotonic()
    time.sleep(0.005)
    return started, time.monotonic()
"""


@pytest.mark.parametrize("worker_count", [1, 3])
def test_no_more_invocations_run_at_once_than_there_are_workers(tmp_path: Path, worker_count: int) -> None:
    with lambda_workers(tmp_path, worker_count=worker_count) as workers:
        arns = [workers.register(name, SPAN) for name in ("one", "two")]
        futures = [workers.start(arns[number % 7 == 0], number) for number in range(60)]
        spans = [json.loads(future.result(timeout=60)) for future in futures]
    if worker_count == 1:
        assert spans == sorted(spans)  # first come, first served
    running, peak = 0, 0
    for _, change in sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans]):
        running += change
        peak = max(peak, running)
    assert peak <= worker_count


def test_as_many_invocations_run_at_once_as_there_are_workers(tmp_path: Path) -> None:
    source = """
import os, time
def handler(event, context):
    open(os.path.join(event, str(os.getpid())), "w").close()
    while len(os.listdir(event)) < 3:
        time.sleep(0.005)
"""
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    with lambda_workers(tmp_path, worker_count=3) as workers:
        arn = workers.register("meeting-each-other", source)
        for future in [workers.start(arn, str(meeting)) for _ in range(3)]:
            assert future.result(timeout=300) == b"null"


def test_warm_worker_is_used_again(tmp_path: Path) -> None:
    with lambda_workers(tmp_path) as workers:
        one, two = workers.register("one", PIDS), workers.register("two", PIDS)
        pids = [(workers.invoke(one)[1], workers.invoke(two)[1]) for _ in range(5)]
    assert len(set(pids)) == 1


def test_idle_workers_beyond_the_count_are_retired_the_longest_unused_first(tmp_path: Path) -> None:
    with lambda_workers(tmp_path, worker_count=1) as workers:
        arns = [workers.register(f"function-{number}", PIDS) for number in range(3)]
        first = [workers.invoke(arn)[1] for arn in arns]
        wait_until_gone(first[:2])
        assert workers.invoke(arns[2])[1] == first[2]


def test_thousands_of_invocations_give_each_its_own_result(tmp_path: Path) -> None:
    with lambda_workers(tmp_path) as workers:
        arn = workers.register("square", "def handler(event, context):\n    return event * event\n")
        futures = [workers.start(arn, number) for number in range(3_000)]
        assert [int(future.result(timeout=60)) for future in futures] == [number * number for number in range(3_000)]


def test_storm_of_dying_workers_fails_exactly_the_invocations_that_died(tmp_path: Path) -> None:
    source = """
import os
def handler(event, context):
    if event % 2:
        os._exit(event % 256)
    return event
"""
    with lambda_workers(tmp_path) as workers:
        arn = workers.register("mortal", source)
        futures = [workers.start(arn, number) for number in range(100)]
        for number, future in enumerate(futures):
            if number % 2:
                with pytest.raises(FunctionError, match=rf"Runtime\.ExitError.*exit status {number % 256}\"}}$"):
                    future.result(timeout=60)
            else:
                assert future.result(timeout=60) == str(number).encode()


def test_worker_that_died_while_it_waited_is_replaced(tmp_path: Path) -> None:
    with lambda_workers(tmp_path, worker_count=1) as workers:
        arn = workers.register("pids", PIDS)
        seen = set()
        for number in range(5):
            process_id = workers.invoke(arn)[1]
            os.kill(process_id, signal.SIGKILL)
            wait_until_gone([process_id])
            workers.invoke(workers.register(f"other-{number}", PIDS))  # its start is reported after the death
            seen.add(process_id)
        assert len(seen) == 5


def test_invocation_is_taken_by_a_new_parent_when_the_old_one_dies(tmp_path: Path) -> None:
    with lambda_workers(tmp_path, worker_count=1) as workers:
        arn = workers.register("pids", PIDS)
        parents = set()
        for _ in range(3):
            parent, process_id = workers.invoke(arn)
            os.kill(parent, signal.SIGKILL)
            wait_until_gone([parent, process_id])
            parents.add(parent)
        assert len(parents) == 3


def test_death_of_the_parent_process_fails_what_runs_and_nothing_that_waits(tmp_path: Path) -> None:
    pipe = named_pipe(tmp_path)
    with lambda_workers(tmp_path, worker_count=1) as workers:
        running = workers.start(workers.register("stuck", STUCK), str(pipe))
        parent, process_id, grandchild = read_process_ids(pipe)
        waiting = [workers.start(workers.register("pids", PIDS), None) for _ in range(10)]
        os.kill(parent, signal.SIGKILL)
        with pytest.raises(FunctionError, match=r"Runtime\.ExitError.*signal: killed"):
            running.result(timeout=300)
        for future in waiting:
            assert json.loads(future.result(timeout=300))[0] != parent
        wait_until_gone([parent, process_id, grandchild])


def test_everybody_who_waits_is_told_when_no_parent_process_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for executable, reason in (("/bin/false", "workers.log"), ("/absent/python", "No such file or directory")):
        monkeypatch.setattr(sys, "executable", executable)
        with lambda_workers(tmp_path) as workers:
            arn = workers.register("pids", PIDS)
            for future in [workers.start(arn, None) for _ in range(10)]:
                with pytest.raises(FunctionError, match=rf"Runtime\.Unavailable: .*{reason}"):
                    future.result(timeout=300)
            monkeypatch.undo()
            assert workers.invoke(arn)  # the next one tries again


class Deaf:
    """A listener that notes what it is told and fails at it."""

    def __init__(self, folder: Path) -> None:
        self.told: asyncio.Queue[tuple[str, int | str | None]] = asyncio.Queue()
        self.server = ForkServer(listener=self, log=folder / "workers.log")
        self._folder = folder

    def spawn(self, identity: str) -> None:
        self.server.spawn(
            identity,
            program={"command": ["sleep", "600"]},
            code=self._folder,
            environment={"PATH": os.defpath},
            log=self._folder / "log",
            memory_mib=1_024,
        )

    async def spawn_and_kill(self, identity: str) -> None:
        self.spawn(identity)
        self.server.kill(identity)
        assert await self.told.get() == (identity, -signal.SIGKILL)

    def worker_exited(self, identity: str, exit_code: int) -> None:
        self._fail(identity, exit_code)

    def worker_failed(self, identity: str, reason: str) -> None:
        self._fail(identity, reason)

    def memory_exceeded(self, identity: str, used_mib: int) -> None:
        self._fail(identity, used_mib)

    def server_lost(self, reason: str | None) -> None:
        self._fail("server", reason)

    def _fail(self, identity: str, what: int | str | None) -> None:
        self.told.put_nowait((identity, what))
        raise RuntimeError(f"deaf to {identity}")


def test_listener_that_fails_is_logged_and_hears_of_all_that_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        listener = Deaf(tmp_path)
        await listener.spawn_and_kill("one")
        parent = listener.server.process_id
        await listener.spawn_and_kill("two")
        assert parent is not None
        assert listener.server.process_id == parent
        os.kill(parent, signal.SIGKILL)
        assert await listener.told.get() == ("server", None)
        await listener.spawn_and_kill("three")
        await listener.server.stop()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info and record.exc_info[1]] == [
        f"deaf to {identity}" for identity in ("one", "two", "server", "three")
    ]


def test_report_that_the_parent_process_did_not_finish_is_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "cut"
    cut.write_text("#!/bin/sh\nprintf '{\"exi' >&0\n")
    cut.chmod(0o700)

    async def scenario() -> None:
        listener = Deaf(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(cut))
            listener.spawn("one")
            assert await listener.told.get() == ("server", f"see {tmp_path / 'workers.log'}")
        await listener.spawn_and_kill("two")
        await listener.server.stop()

    asyncio.run(asyncio.wait_for(scenario(), 60))


PROGRAM = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lambda_workers import lambda_workers
with lambda_workers(Path(sys.argv[2])) as workers:
    workers.start(workers.register("stuck", Path(sys.argv[3]).read_text()), sys.argv[4]).result()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_no_process_outlives_the_program_that_started_them(tmp_path: Path, number: signal.Signals) -> None:
    pipe, source = named_pipe(tmp_path), tmp_path / "stuck.py"
    source.write_text(STUCK)
    arguments = [str(Path(__file__).parents[1]), str(tmp_path), str(source), str(pipe)]
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stderr=subprocess.DEVNULL) as program:
        process_ids = read_process_ids(pipe)
        program.send_signal(number)
        assert program.wait(timeout=300) != 0
    wait_until_gone(process_ids)


def test_workers_are_in_a_session_and_groups_of_their_own_that_no_terminal_interrupts(tmp_path: Path) -> None:
    source = (
        "import os\ndef handler(event, context):\n    return [os.getppid(), os.getsid(0), os.getpid(), os.getpgrp()]\n"
    )
    with lambda_workers(tmp_path) as workers:
        parent, session, process_id, group = workers.invoke(workers.register("groups", source))
    assert (session, group) == (parent, process_id)


def test_relative_folders_are_those_of_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with lambda_workers(Path()) as workers:
        arn = workers.register("pids", PIDS)
        assert workers.invoke(arn)
        assert workers.log("pids") == ""


def test_runtime_works_in_a_loop_that_is_closed_and_opened_again(tmp_path: Path) -> None:
    before = threading.active_count()
    for _ in range(2):
        with lambda_workers(tmp_path) as workers:
            assert workers.invoke(workers.register("pids", PIDS))
    assert threading.active_count() == before
