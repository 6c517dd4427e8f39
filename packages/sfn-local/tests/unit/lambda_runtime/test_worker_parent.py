"""The process that workers are forked from, started before the server that commands it."""

from pathlib import Path

import pytest
from sfn_local.lambda_runtime import worker_parent
from sfn_local.lambda_runtime.worker_parent import CONNECTION, LOGS, WORKERS_LOG, started_early, take

READY = b'{"ready": true}\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home that a server had before."""
    (tmp_path / LOGS).mkdir()
    return tmp_path


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[worker_parent.WorkerParent]:
    """Collect every process that is started."""
    processes = []
    start = worker_parent.start

    def collecting(log: Path) -> worker_parent.WorkerParent:
        processes.append(start(log))
        return processes[-1]

    monkeypatch.setattr(worker_parent, "start", collecting)
    return processes


def test_process_started_early_is_taken_once(home: Path, started: list[worker_parent.WorkerParent]) -> None:
    log = home / LOGS / WORKERS_LOG
    with started_early(home):
        first, second = take(log), take(log)
    assert [first, second] == started
    for process, channel in (first, second):
        with channel.makefile("rb") as reports:
            assert reports.readline() == READY  # the end of the context leaves a process that was taken
        channel.close()
        assert process.wait() == 0


def test_process_that_nobody_takes_is_ended(home: Path, started: list[worker_parent.WorkerParent]) -> None:
    with started_early(home):
        [parent] = started
        assert parent.process.poll() is None
    assert parent.process.poll() is not None
    assert parent.channel.fileno() == -1


def test_nothing_is_started_for_a_home_that_is_new_or_has_a_server(
    home: Path, started: list[worker_parent.WorkerParent]
) -> None:
    with started_early(home / "new"):
        pass
    (home / CONNECTION).touch()
    with started_early(home):
        pass
    assert started == []
    assert not (home / "new").exists()


def test_process_that_can_not_be_started_is_left_to_whoever_needs_it(home: Path) -> None:
    (home / LOGS / WORKERS_LOG).mkdir()
    with started_early(home), pytest.raises(IsADirectoryError):
        take(home / LOGS / WORKERS_LOG)
