"""From submitted jobs to processes: queues, attempts, time-outs and ends.

Source: AWS Batch user guide, "Job states", "Job timeouts", "Automated job retries", "Array jobs"; Amazon ECS,
``stopTimeout``: 30 s from SIGTERM to SIGKILL.

**Differs from AWS:**

- Jobs begin in the order of their queue, as many at once as the queue's vCPUs and this machine's processors allow, and
  without the minute that a container takes.
- A job can't be evicted: there is no Spot here.
- Whether ``startedAt`` of an array job is its first child's is not documented.
"""

import asyncio
import signal
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from sfn_local.batch.jobs import NOT_STARTED, AnyJob, ArrayJob, Attempt, Job
from sfn_local.batch.retry import EXITED, OUT_OF_MEMORY, START_FAILED, TIMED_OUT, Exit, is_retried
from sfn_local.clock import Clock

GRACE_SECONDS = 30
CHILD_FAILED = "Array Child Job failed"
# Exit code of a shell for a process that a signal ended, less the number of the signal.
_SIGNALLED = 128
_OUT_OF_TIME = Exit(None, TIMED_OUT, is_final=True)


class Processes(Protocol):
    """Starts and ends the process of an attempt; its end is told to the scheduler."""

    def spawn(self, identity: str, job: Job) -> None: ...

    def terminate(self, identity: str) -> None: ...

    def kill(self, identity: str) -> None: ...


class Scheduler:
    """
    Parameters
    ----------
    slots : int
        Most processes at once.
    on_change : callable
        Called with a job whose status has changed.
    """

    def __init__(self, *, processes: Processes, slots: int, clock: Clock, on_change: Callable[[AnyJob], None]) -> None:
        self._processes = processes
        self._slots = slots
        self._clock = clock
        self._on_change = on_change
        self._waiting: dict[str, deque[Job]] = {}
        self._running: dict[str, Job] = {}
        self._vcpus: defaultdict[str, float] = defaultdict(float)  # in use, by the ARN of the queue

    def now(self) -> int:
        """Milliseconds since 1970."""
        return round(self._clock.time() * 1000)

    def submit(self, job: AnyJob) -> None:
        """Let a job run when its turn comes."""
        if isinstance(job, ArrayJob):
            self._set(job, "PENDING")
        waiting = self._waiting.setdefault(job.request.queue.arn, deque())
        for leaf in job.leaves():
            self._set(leaf, "RUNNABLE")
            waiting.append(leaf)
        self._dispatch()

    def cancel(self, job: AnyJob, reason: str) -> None:
        """End what has not started."""
        for leaf in list(job.leaves()):
            if leaf.status in NOT_STARTED:
                job.is_cancelled = leaf.is_cancelled = True
                self._close(leaf, "FAILED", reason)

    def terminate(self, job: AnyJob, reason: str) -> None:
        """End whatever is not at its end; what runs is asked to, and killed if it does not within its grace."""
        if job.stopped_at:
            return
        job.is_terminated = True
        if isinstance(job, ArrayJob):
            job.status_reason = reason
        for leaf in list(job.leaves()):
            if leaf.status in NOT_STARTED:
                leaf.is_terminated = True
                self._close(leaf, "FAILED", reason)
            elif not leaf.stopped_at:
                leaf.is_terminated = True
                self._end(leaf, Exit(None, reason, is_final=True))

    def crash(self, job: Job) -> bool:
        """Kill the process of a job; tells whether it runs."""
        identity = _identity(job)
        if identity not in self._running:
            return False
        self._processes.kill(identity)
        return True

    def time_out(self, job: Job) -> bool:
        """End a job as if the time of its attempt were up; tells whether it runs."""
        if _identity(job) not in self._running:
            return False
        self._end(job, _OUT_OF_TIME)
        return True

    def close(self) -> None:
        """Start nothing any more, and hear of no end: the processes are ended by whoever started them."""
        for job in self._running.values():
            _cancel_timer(job)
        self._running.clear()
        self._waiting.clear()

    # --- the processes' side: a listener of the fork server ---

    def worker_exited(self, identity: str, exit_code: int) -> None:
        job = self._running.pop(identity, None)
        if job is not None:
            code = exit_code if exit_code >= 0 else _SIGNALLED - exit_code
            ended = job.end_requested
            self._finish(job, Exit(code, EXITED) if ended is None else replace(ended, exit_code=code))

    def worker_failed(self, identity: str, reason: str) -> None:
        job = self._running.pop(identity, None)
        if job is not None:
            self._finish(job, Exit(None, START_FAILED, f"CannotStartContainerError: {reason}"))

    def memory_exceeded(self, identity: str, _used_mib: int) -> None:
        job = self._running.get(identity)
        if job is not None:
            job.end_requested = Exit(None, EXITED, OUT_OF_MEMORY)

    def server_lost(self, reason: str | None) -> None:
        for identity in list(self._running):
            if reason is None:
                self.worker_exited(identity, -signal.SIGKILL)
            else:
                self.worker_failed(identity, reason)

    # --- both ---

    def _dispatch(self) -> None:
        for waiting in sorted(self._waiting.values(), key=_priority):
            while waiting and len(self._running) < self._slots:
                job = waiting[0]
                queue, vcpus = job.request.queue, job.request.definition.vcpus
                if job.status == "RUNNABLE":
                    if self._vcpus[queue.arn] + vcpus > queue.max_vcpus:
                        break
                    self._start(job)
                waiting.popleft()  # ended before its turn came, if it was not started

    def _start(self, job: Job) -> None:
        identity = _identity(job)
        self._running[identity] = job
        self._vcpus[job.request.queue.arn] += job.request.definition.vcpus
        job.started_at = self.now()
        if job.array is not None and not job.array.started_at:
            job.array.started_at = job.started_at
        self._set(job, "STARTING")
        try:
            self._processes.spawn(identity, job)
        except OSError as error:  # such as a full disk; told as a process tells it: not while jobs are dispatched
            asyncio.get_running_loop().call_soon(self.worker_failed, identity, str(error))
            return
        self._set(job, "RUNNING")
        if "attemptDurationSeconds" in job.request.timeout:
            self._call_later(job, job.request.timeout["attemptDurationSeconds"], lambda: self._end(job, _OUT_OF_TIME))

    def _end(self, job: Job, ended: Exit) -> None:
        """End the attempt that runs."""
        if job.end_requested is None:
            job.end_requested = ended
            identity = _identity(job)
            self._processes.terminate(identity)
            self._call_later(job, GRACE_SECONDS, lambda: self._processes.kill(identity))

    def _call_later(self, job: Job, seconds: float, call: Callable[[], None]) -> None:
        _cancel_timer(job)
        job.timer = asyncio.get_running_loop().call_later(self._clock.real_seconds(seconds), call)

    def _finish(self, job: Job, ended: Exit) -> None:
        """Take the end of an attempt."""
        _cancel_timer(job)
        job.end_requested = None
        job.attempts.append(Attempt(job.started_at, self.now(), ended))
        self._vcpus[job.request.queue.arn] -= job.request.definition.vcpus
        if ended.has_succeeded:
            self._close(job, "SUCCEEDED", ended.status_reason)
        elif is_retried(job.request.retry_strategy, len(job.attempts), ended):
            self._set(job, "RUNNABLE")
            self._waiting[job.request.queue.arn].append(job)
        else:
            self._close(job, "FAILED", ended.status_reason)
        self._dispatch()

    def _close(self, job: AnyJob, status: str, reason: str | None) -> None:
        job.status_reason = reason
        job.stopped_at = self.now()
        self._set(job, status)
        if job.ended is not None:
            job.ended.set()
        array = job.array if isinstance(job, Job) else None
        final = array.final_status if array is not None else None
        if array is not None and final is not None:
            self._close(array, final, array.status_reason or (CHILD_FAILED if final == "FAILED" else None))

    def _set(self, job: AnyJob, status: str) -> None:
        if isinstance(job, Job) and job.array is not None:
            job.array.counts[job.status] -= 1
            job.array.counts[status] += 1
        job.status = status
        self._on_change(job)


def _identity(job: Job) -> str:
    """Name the attempt that runs."""
    return f"{job.id}#{len(job.attempts) + 1}"


def _priority(waiting: deque[Job]) -> int:
    """Sort key of queues: the highest priority first."""
    return -waiting[0].request.queue.priority if waiting else 0


def _cancel_timer(job: Job) -> None:
    if job.timer is not None:
        job.timer.cancel()
        job.timer = None
