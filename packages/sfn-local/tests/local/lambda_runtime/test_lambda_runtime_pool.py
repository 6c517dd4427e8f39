"""The rules by which invocations and workers meet, under any order of events and on a clock that the test sets."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lambda_pool import TIMEOUT_SECONDS, WORKER_COUNT, Machine, define
from sfn_local.lambda_runtime.function import FunctionError, unavailable
from sfn_local.lambda_runtime.worker_pool import INITIALIZATION_SECONDS, Invocation, Worker


@pytest.fixture
def machine() -> Any:
    machine = Machine()
    yield machine
    machine.close()


def failure_name(invocation: Invocation) -> str:
    error = invocation.result.exception()
    assert isinstance(error, FunctionError)
    return error.name


def test_worker_that_dies_after_it_was_chosen_and_before_it_was_given_the_invocation_is_replaced() -> None:
    machine, function = Machine(worker_count=1), define("one")
    first, second, third = (machine.submit(function) for _ in range(3))
    (worker,) = machine.alive.values()
    machine.poll(worker)
    machine.finish(worker)  # it is chosen for the second, but has not asked
    machine.exit(worker, -9)
    (replacement,) = machine.alive.values()
    for invocation, result in ((second, b"2"), (third, b"3")):
        machine.poll(replacement)
        assert machine.delivered(replacement) is invocation
        machine.finish(replacement, result)
    assert [invocation.result.result() for invocation in (first, second, third)] == [b"1", b"2", b"3"]
    machine.close()


def test_invocation_that_was_cancelled_in_the_queue_takes_no_worker() -> None:
    machine, function = Machine(worker_count=1), define("one")
    _, cancelled, third = (machine.submit(function) for _ in range(3))
    cancelled.result.cancel()
    machine.pool.withdraw(cancelled)
    (worker,) = machine.alive.values()
    for _ in range(2):
        machine.poll(worker)
        machine.finish(worker)
    assert third.result.result() == b"1"
    machine.close()


def test_worker_that_dies_while_it_initializes_fails_its_invocation(machine: Machine) -> None:
    invocation = machine.submit(define("one"))
    (worker,) = machine.alive.values()
    machine.exit(worker)
    assert failure_name(invocation) == "Runtime.ExitError"
    assert not machine.alive


def test_time_out_begins_when_the_worker_asks(machine: Machine) -> None:
    invocation = machine.submit(define("one"))
    (worker,) = machine.alive.values()
    machine.advance(INITIALIZATION_SECONDS + TIMEOUT_SECONDS - 0.1)
    machine.poll(worker)
    machine.advance(TIMEOUT_SECONDS - 0.1)
    assert not invocation.result.done()
    machine.advance(0.2)
    assert failure_name(invocation) == "Sandbox.Timedout"
    assert not machine.alive


def test_initialization_that_never_ends_is_a_time_out(machine: Machine) -> None:
    invocation = machine.submit(define("one"))
    machine.advance(INITIALIZATION_SECONDS + TIMEOUT_SECONDS + 0.1)
    assert failure_name(invocation) == "Sandbox.Timedout"
    assert not machine.alive


def test_queued_invocation_of_a_replaced_function_runs_the_new_one(machine: Machine) -> None:
    old, new = define("one"), define("one")
    running = [machine.submit(old) for _ in range(WORKER_COUNT)]
    queued = machine.submit(old)
    machine.pool.replace(old, new)
    worker, other = machine.alive.values()
    machine.poll(worker)
    machine.finish(worker)
    assert queued.function is new
    assert queued.worker is not None
    assert [known.function for known in machine.alive.values()] == [old, new]
    machine.exit(other)
    assert running[0].result.result() == b"1"


def test_second_request_for_an_invocation_is_refused(machine: Machine) -> None:
    machine.submit(define("one"))
    (worker,) = machine.alive.values()
    machine.poll(worker)
    assert machine.run(machine.pool.next(worker)) is None
    machine.finish(worker)
    machine.poll(worker)
    assert machine.run(machine.pool.next(worker)) is None
    assert not machine.pool.finish(worker, "another", b"")


class PoolMachine(RuleBasedStateMachine):
    """Whatever happens: no more workers busy than allowed, nobody waits while one could work, no result is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = Machine()
        self.functions = [define("one"), define("two"), define("three")]
        self.invocations: list[Invocation] = []
        self.finished: dict[str, bytes] = {}
        self.given: list[Invocation] = []

    def choose(self, number: int, workers: list[Worker]) -> Worker:
        return workers[number % len(workers)]

    def asking(self) -> list[Worker]:
        return [worker for worker in self.machine.alive.values() if worker.token not in self.machine.polls]

    def working(self) -> list[Worker]:
        return [worker for worker in self.machine.alive.values() if self.machine.delivered(worker) is not None]

    @rule(numbers=st.lists(st.integers(0, 2), min_size=1, max_size=5))
    def submit(self, numbers: list[int]) -> None:
        self.invocations += [self.machine.submit(self.functions[number]) for number in numbers]
        self.machine.step()

    @rule()
    def serve(self) -> None:
        """Let every worker that can make a step of its own make it."""
        for worker in self.asking():
            self.machine.poll(worker)
        for number in range(len(self.working())):
            self.finish(number)

    @precondition(lambda self: self.asking())
    @rule(number=st.integers(0, 9))
    def poll(self, number: int) -> None:
        self.machine.poll(self.choose(number, self.asking()))

    @precondition(lambda self: self.working())
    @rule(number=st.integers(0, 9))
    def finish_one(self, number: int) -> None:
        self.finish(number)

    def finish(self, number: int) -> None:
        worker = self.choose(number, self.working())
        invocation = self.machine.delivered(worker)
        assert invocation is not None
        self.finished[invocation.request_id] = str(len(self.finished)).encode()
        self.machine.finish(worker, self.finished[invocation.request_id])

    @precondition(lambda self: self.machine.alive)
    @rule(number=st.integers(0, 9))
    def exit(self, number: int) -> None:
        self.machine.exit(self.choose(number, list(self.machine.alive.values())))

    @precondition(lambda self: self.machine.alive)
    @rule(number=st.integers(0, 9))
    def fail_to_start(self, number: int) -> None:
        worker = self.choose(number, list(self.machine.alive.values()))
        self.machine.pool.abandon(worker, unavailable("no memory"))
        self.machine.step()

    @precondition(lambda self: self.invocations)
    @rule(number=st.integers(0, 99))
    def cancel(self, number: int) -> None:
        invocation = self.invocations[number % len(self.invocations)]
        if invocation.result.cancel():
            self.machine.pool.withdraw(invocation)
            self.machine.step()

    @rule(number=st.integers(0, 2))
    def replace(self, number: int) -> None:
        old, new = self.functions[number], define(self.functions[number].name)
        self.machine.pool.replace(old, new)
        self.functions[number] = new
        self.machine.step()

    @rule(reason=st.none() | st.just("no memory"))
    def lose_the_server(self, reason: str | None) -> None:
        before = list(self.machine.alive)
        waiting = [invocation for invocation in self.invocations if invocation.worker is None]
        # The processes are gone already; that the pool has them killed again is the fork server's to ignore.
        self.machine.pool.server_lost(reason)
        for token in before:
            self.machine.alive.pop(token, None)
        self.machine.step()
        if reason is not None:
            assert all(invocation.result.done() for invocation in waiting)

    @rule(seconds=st.sampled_from([1, TIMEOUT_SECONDS, INITIALIZATION_SECONDS + TIMEOUT_SECONDS]))
    def advance(self, seconds: int) -> None:
        self.machine.advance(seconds)

    @invariant()
    def busy_workers_are_as_many_as_there_is_work_and_no_more_than_allowed(self) -> None:
        pending = [invocation for invocation in self.invocations if not invocation.result.done()]
        busy = [worker for worker in self.machine.alive.values() if worker.invocation is not None]
        assert len(busy) == min(WORKER_COUNT, len(pending))
        assert len(self.machine.alive) - len(busy) <= WORKER_COUNT

    @invariant()
    def no_request_of_a_dead_worker_stays_unanswered(self) -> None:
        assert all(poll.done() for token, poll in self.machine.polls.items() if token not in self.machine.alive)

    @invariant()
    def who_waits_came_after_who_runs(self) -> None:
        pending = [invocation for invocation in self.invocations if not invocation.result.done()]
        running = [invocation.worker is not None for invocation in pending]
        assert running == sorted(running, reverse=True)

    @invariant()
    def results_are_those_of_the_workers(self) -> None:
        for invocation in self.invocations:
            done = invocation.result.done() and not invocation.result.cancelled()
            if done and invocation.result.exception() is None:
                assert invocation.result.result() == self.finished[invocation.request_id]
        for worker in self.working():
            assert self.machine.pool.find(worker.token) is worker

    def teardown(self) -> None:
        self.machine.close()
        assert not self.machine.alive
        assert all(invocation.result.done() for invocation in self.invocations)
        for invocation in self.invocations:
            if not invocation.result.cancelled():
                invocation.result.exception()  # retrieved, else asyncio reports it


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
