"""Invocations that are put to a trial: ended when they are to be, whatever their worker does, and never twice."""

from collections.abc import Iterator

import pytest
from lambda_pool import TIMEOUT_SECONDS, Machine, define
from sfn_local.lambda_runtime.function import FunctionError
from sfn_local.lambda_runtime.worker_pool import Invocation, Worker

AFTER_SECONDS = 0.05


class Trial:
    """A trial whose end is fixed."""

    def __init__(
        self, *, after_seconds: float | None = AFTER_SECONDS, is_timeout: bool = False, due: bool = True
    ) -> None:
        self.has_ended = False
        self.after_seconds = after_seconds
        self.is_timeout = is_timeout
        self.count = 0
        self._due = due

    def is_due(self) -> bool:
        return self._due

    def note_end(self) -> None:
        self.has_ended = True
        self.count += 1


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine(worker_count=1)
    yield machine
    machine.close()


def begin(machine: Machine, trial: Trial) -> tuple[Invocation, Worker]:
    invocation = Invocation(define("one"), b"", machine.loop.create_future(), trial=trial)
    machine.pool.submit(invocation)
    (worker,) = machine.alive.values()
    machine.poll(worker)
    return invocation, worker


def failure(invocation: Invocation) -> FunctionError:
    error = invocation.result.exception()
    assert isinstance(error, FunctionError)
    return error


def kill_is_told(machine: Machine, worker: Worker) -> None:
    machine.alive[worker.token] = worker  # the kill was sent; now the process ends
    machine.exit(worker, -9)


@pytest.mark.parametrize("answers_first", [True, False])
def test_worker_of_a_crash_is_killed_at_its_moment_or_at_its_answer(machine: Machine, answers_first: bool) -> None:
    trial = Trial()
    invocation, worker = begin(machine, trial)
    if answers_first:
        machine.finish(worker)
    machine.advance(2 * AFTER_SECONDS)
    assert worker.token not in machine.alive
    assert machine.pool.is_dying(worker.token)  # so that its next poll is not refused, which it would log
    assert not invocation.result.done()
    kill_is_told(machine, worker)
    assert failure(invocation).name == "Runtime.ExitError"
    assert "signal: killed" in failure(invocation).cause
    assert trial.count == 1


def test_answer_that_crosses_the_kill_is_not_taken(machine: Machine) -> None:
    trial = Trial()
    invocation, worker = begin(machine, trial)
    machine.advance(2 * AFTER_SECONDS)
    machine.finish(worker)
    kill_is_told(machine, worker)
    assert failure(invocation).name == "Runtime.ExitError"
    assert trial.count == 1


@pytest.mark.parametrize("answers_first", [True, False])
def test_worker_whose_time_is_up_is_replaced_at_once(machine: Machine, answers_first: bool) -> None:
    trial = Trial(is_timeout=True)
    invocation, worker = begin(machine, trial)
    if answers_first:
        machine.finish(worker)
    machine.advance(2 * AFTER_SECONDS)
    assert failure(invocation).name == "Sandbox.Timedout"
    assert f"Task timed out after {TIMEOUT_SECONDS:.2f} seconds" in failure(invocation).cause
    assert worker.token not in machine.alive
    after = machine.submit(define("one"))
    (replacement,) = machine.alive.values()
    machine.poll(replacement)
    machine.finish(replacement, b"2")
    assert after.result.result() == b"2"
    assert trial.count == 1


def test_time_out_of_its_own_comes_first_to_an_invocation_that_is_to_be_spared(machine: Machine) -> None:
    trial = Trial(after_seconds=None, due=False)
    invocation, _worker = begin(machine, trial)
    machine.advance(TIMEOUT_SECONDS + 1)
    assert failure(invocation).name == "Sandbox.Timedout"
    assert trial.count == 0


def test_invocation_that_is_to_be_spared_keeps_its_answer(machine: Machine) -> None:
    invocation, worker = begin(machine, Trial(after_seconds=None, due=False))
    machine.finish(worker, b"3")
    assert invocation.result.result() == b"3"


def test_trial_goes_with_the_invocation_to_the_worker_that_replaces_a_dead_one(machine: Machine) -> None:
    machine.submit(define("one"))
    trial = Trial()
    waiting = Invocation(define("one"), b"", machine.loop.create_future(), trial=trial)
    (worker,) = machine.alive.values()
    machine.poll(worker)
    machine.pool.submit(waiting)
    machine.finish(worker)
    machine.exit(worker, -9)
    (replacement,) = machine.alive.values()
    machine.poll(replacement)
    machine.advance(2 * AFTER_SECONDS)
    kill_is_told(machine, replacement)
    assert failure(waiting).name == "Runtime.ExitError"
    assert trial.count == 1


def test_whoever_gave_a_worker_its_key_hears_that_it_is_gone() -> None:
    removed: list[str] = []
    machine = Machine(worker_count=1, on_removed=removed.append)
    _, worker = begin(machine, Trial())
    machine.advance(2 * AFTER_SECONDS)
    assert removed == []
    kill_is_told(machine, worker)
    assert removed == [worker.token]
    machine.close()
