"""Which worker runs which invocation: at most `worker_count` at once over all functions, first come, first served.

**Differs from AWS:**

- More invocations than workers wait, in order, and their time-out begins when a worker takes them; Lambda would start
  more execution environments, or throttle.
- An invocation that nobody waits for any more (a stopped execution) is killed; Lambda lets it run to its end.
- A worker that dies while it waits is replaced, and an invocation that it has not been given yet does not notice.
- Initialization may take 10 s longer than the function's time-out; Lambda gives it 10 s, then starts it again within
  the time-out.
"""

import asyncio
import secrets
import signal
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sfn_local.lambda_runtime import function as lambda_function
from sfn_local.lambda_runtime.function import Function, FunctionError
from sfn_local.lambda_runtime.worker_trial import Trial

# Source: AWS Lambda developer guide, "Lambda runtime environment", init phase.
INITIALIZATION_SECONDS = 10


OnStarted = Callable[[], Callable[[], None]]
"""Called when a worker takes an invocation; returns what is called when the worker has ended it."""


@dataclass(eq=False, slots=True)
class Invocation:
    """One invocation, from the queue to its result."""

    function: Function
    payload: bytes = field(repr=False)
    result: asyncio.Future[bytes]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    worker: "Worker | None" = None
    is_delivered: bool = False
    timer: asyncio.TimerHandle | None = None
    trial: Trial | None = None
    on_started: OnStarted | None = None
    on_ended: Callable[[], None] | None = None

    def note_start(self) -> None:
        """Tell that a worker has it."""
        if self.on_started is not None:
            self.on_ended = self.on_started()

    def note_end(self) -> None:
        """Tell that the worker is free for the next one, which may be before anybody has looked at the result."""
        if self.on_ended is not None:
            self.on_ended()
            self.on_ended = None


@dataclass(eq=False, slots=True)
class Worker:
    """One worker process.  Its token names it here and is what it authenticates itself with: never log it."""

    function: Function
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    invocation: Invocation | None = None
    poll: asyncio.Future[None] | None = None
    is_initialized: bool = False
    is_retired: bool = False


class WorkerPool:
    """
    Parameters
    ----------
    launch, kill
        Start the process of a worker, and end it at once; its end is told to `worker_exited`.
    on_removed
        Called with the token of a worker that is not one any more.
    """

    def __init__(
        self,
        *,
        worker_count: int,
        launch: Callable[[Worker], None],
        kill: Callable[[str], None],
        on_removed: Callable[[str], None] | None = None,
    ) -> None:
        self._worker_count = worker_count
        self._launch = launch
        self._kill_process = kill
        self._on_removed = on_removed
        self._queue: deque[Invocation] = deque()
        self._workers: dict[str, Worker] = {}
        self._dying: set[str] = set()  # tokens of those that have been killed and may not know it yet
        self._idle: dict[Worker, None] = {}  # the least recently used first
        self._busy_count = 0

    # --- invocations ---

    def submit(self, invocation: Invocation) -> None:
        self._queue.append(invocation)
        self._dispatch()

    def withdraw(self, invocation: Invocation) -> None:
        """Forget an invocation whose result is not wanted any more; a queued one is skipped when its turn comes."""
        worker = self._detach(invocation)
        if worker is not None:
            self._discard(worker)
            self._dispatch()

    def replace(self, function: Function, replacement: Function) -> None:
        """Let only what already runs end as it began."""
        for invocation in self._queue:
            if invocation.function is function:
                invocation.function = replacement
        for worker in [worker for worker in self._workers.values() if worker.function is function]:
            worker.is_retired = True
            if worker.invocation is None:
                self._discard(worker)

    def close(self, error: Exception) -> None:
        for invocation in [
            *self._queue,
            *(worker.invocation for worker in self._workers.values() if worker.invocation),
        ]:
            self._settle(invocation, error)
        self._queue.clear()
        for worker in list(self._workers.values()):
            self._discard(worker)

    # --- the Runtime API's side ---

    def find(self, token: str) -> Worker | None:
        return self._workers.get(token)

    def is_dying(self, token: str) -> bool:
        return token in self._dying

    async def next(self, worker: Worker) -> Invocation | None:
        """Wait for the worker's next invocation; None once the worker is not wanted any more."""
        worker.is_initialized = True
        if worker.poll is not None or (worker.invocation is not None and worker.invocation.is_delivered):
            return None  # a second process that the handler forked off
        if worker.invocation is None:
            worker.poll = asyncio.get_running_loop().create_future()
            await worker.poll
            worker.poll = None
        invocation = worker.invocation
        if invocation is not None:
            invocation.is_delivered = True
            seconds = invocation.function.timeout_seconds
            if invocation.trial is not None and invocation.trial.after_seconds is not None:
                seconds = min(seconds, invocation.trial.after_seconds)
            self._limit(invocation, seconds)
        return invocation

    def finish(self, worker: Worker, request_id: str, outcome: bytes | FunctionError) -> bool:
        """Take the outcome of the worker's invocation; False if that is another one."""
        invocation = worker.invocation
        if invocation is None or not invocation.is_delivered or invocation.request_id != request_id:
            return False
        if invocation.trial is not None and (invocation.trial.has_ended or invocation.trial.is_due()):
            self._end(invocation, invocation.trial)
            return True
        self._settle(invocation, outcome)
        worker.invocation = None
        self._busy_count -= 1
        if worker.is_retired:
            self._discard(worker)
        else:
            self._idle[worker] = None
        self._dispatch()
        return True

    def abandon(self, worker: Worker, failure: FunctionError) -> None:
        """Fail what the worker runs or was started for, and end it."""
        if worker.invocation is not None:
            self._settle(worker.invocation, failure)
        self._discard(worker)
        self._dispatch()

    # --- the fork server's side ---

    def worker_exited(self, identity: str, exit_code: int) -> None:
        self._dying.discard(identity)
        worker = self._workers.get(identity)
        if worker is None:
            return
        invocation = worker.invocation
        if invocation is not None and worker.is_initialized and not invocation.is_delivered:
            self._detach(invocation)
            self._queue.appendleft(invocation)
        elif invocation is not None:
            self._settle(invocation, lambda_function.runtime_exited(invocation.request_id, exit_code))
        self._remove(worker)
        self._dispatch()

    def invocation_of(self, identity: str) -> Invocation | None:
        """Return what a worker computes."""
        worker = self._workers.get(identity)
        return worker.invocation if worker is not None else None

    def memory_exceeded(self, identity: str, used_mib: int) -> None:
        """Fail the invocation of a worker that is being killed for its memory."""
        worker = self._workers.get(identity)
        if worker is not None and worker.invocation is not None:
            invocation, memory_mib = worker.invocation, worker.function.memory_mib
            self._settle(invocation, lambda_function.out_of_memory(invocation.request_id, used_mib, memory_mib))

    def worker_failed(self, identity: str, reason: str) -> None:
        worker = self._workers.get(identity)
        if worker is not None:
            self.abandon(worker, lambda_function.unavailable(reason))
        self._dying.discard(identity)

    def server_lost(self, reason: str | None) -> None:
        self._dying.clear()
        if reason is not None:
            failure = lambda_function.unavailable(reason)
            for invocation in self._queue:
                self._settle(invocation, failure)
            self._queue.clear()
        for identity in list(self._workers):
            if reason is None:
                self.worker_exited(identity, -signal.SIGKILL)
            else:
                self.worker_failed(identity, reason)

    # --- both ---

    def _dispatch(self) -> None:
        while self._queue and self._busy_count < self._worker_count:
            invocation = self._queue.popleft()
            if invocation.result.done():
                continue
            worker = self._take(invocation.function)
            worker.invocation = invocation
            invocation.worker = worker
            invocation.note_start()
            self._busy_count += 1
            if not worker.is_initialized:
                self._limit(invocation, INITIALIZATION_SECONDS + invocation.function.timeout_seconds)
            self._wake(worker)
        while len(self._idle) > self._worker_count:
            self._discard(next(iter(self._idle)))

    def _take(self, function: Function) -> Worker:
        for worker in reversed(self._idle):
            if worker.function is function:
                del self._idle[worker]
                return worker
        worker = Worker(function)
        self._workers[worker.token] = worker
        self._launch(worker)
        return worker

    def _limit(self, invocation: Invocation, seconds: float) -> None:
        if invocation.timer is not None:
            invocation.timer.cancel()
        invocation.timer = invocation.result.get_loop().call_later(seconds, self._time_out, invocation)

    def _time_out(self, invocation: Invocation) -> None:
        if invocation.worker is None:
            return
        if invocation.trial is not None and invocation.is_delivered and invocation.trial.after_seconds is not None:
            self._end(invocation, invocation.trial)
            return
        timeout_seconds = invocation.function.timeout_seconds
        self.abandon(invocation.worker, lambda_function.timed_out(invocation.request_id, timeout_seconds))

    def _end(self, invocation: Invocation, trial: Trial) -> None:
        """End the worker of an invocation: it is killed, and fails as any does that dies, or whose time is up."""
        worker = invocation.worker
        if trial.has_ended or worker is None:
            return
        trial.note_end()
        if invocation.timer is not None:
            invocation.timer.cancel()
        if trial.is_timeout:
            seconds = invocation.function.timeout_seconds
            self.abandon(worker, lambda_function.timed_out(invocation.request_id, seconds))
        else:
            self._dying.add(worker.token)
            self._kill_process(worker.token)

    def _settle(self, invocation: Invocation, outcome: bytes | Exception) -> None:
        self._detach(invocation)
        if invocation.result.done():
            return
        if isinstance(outcome, bytes):
            invocation.result.set_result(outcome)
        else:
            invocation.result.set_exception(outcome)

    def _detach(self, invocation: Invocation) -> Worker | None:
        """Part an invocation from its worker and its time-out."""
        worker, invocation.worker = invocation.worker, None
        invocation.note_end()
        if invocation.timer is not None:
            invocation.timer.cancel()
        return worker

    def _discard(self, worker: Worker) -> None:
        self._dying.add(worker.token)
        self._kill_process(worker.token)
        self._remove(worker)

    def _remove(self, worker: Worker) -> None:
        del self._workers[worker.token]
        self._idle.pop(worker, None)
        if worker.invocation is not None:
            worker.invocation = None
            self._busy_count -= 1
        self._wake(worker)
        if self._on_removed is not None:
            self._on_removed(worker.token)

    def _wake(self, worker: Worker) -> None:
        if worker.poll is not None and not worker.poll.done():
            worker.poll.set_result(None)
