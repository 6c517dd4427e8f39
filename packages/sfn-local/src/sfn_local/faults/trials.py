"""Faults of the processes that compute: one trial for each invocation, one for each attempt of a job.

Each process has a key pair of its own, so that a request tells which attempt at which state it belongs to.
"""

import asyncio
from collections.abc import Callable, Mapping

from sfn_local.faults.injector import CURRENT, KILL_WITHIN_SECONDS, Attempt, Hit
from sfn_local.faults.spec import S3_KINDS
from sfn_local.protocol import ServiceError

# kind: how S3 says it.  Source: Amazon S3 API reference, "Error responses".
_S3_ERRORS = {
    "s3_500": ("InternalError", "We encountered an internal error. Please try again.", 500),
    "s3_503": ("SlowDown", "Please reduce your request rate.", 503),
}
_WRITING = frozenset(("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"))


class Trial:
    """One process at work for an attempt.

    Attributes
    ----------
    has_ended : bool
        Whether it was.
    """

    def __init__(self, attempt: Attempt, unit: tuple[int, ...], item: int | None) -> None:
        self.attempt = attempt
        self.has_ended = False
        self._unit = unit
        self._item = item
        self._requests = 0
        self._end: Hit | None = None

    def _decide(self) -> None:
        """Draw whether the process is to be ended."""
        self._end = self.attempt.hit_by("crash", "timeout", unit=self._unit, item=self._item)

    @property
    def is_timeout(self) -> bool:
        """Whether it is ended as one whose time is up."""
        return self._end is not None and self._end[1].kind == "timeout"

    @property
    def after_seconds(self) -> float | None:
        """When it is to be ended, None if it is not."""
        if self._end is None:
            return None
        return self.attempt.draw(self._end, *self._unit) * KILL_WITHIN_SECONDS

    def note_end(self) -> None:
        """Count the end of the process, which comes now."""
        assert self._end is not None
        self.has_ended = True
        self.attempt.note(self._end, self._item)

    def on_request(self, service: str, _operation: str) -> None:
        """Take a request of the process to an endpoint; raises :class:`ServiceError` if S3 fails it."""
        if service != "s3":
            return
        self._requests += 1
        hit = self.attempt.hit_by(*S3_KINDS, unit=("request", *self._unit, self._requests), item=self._item)
        if hit is not None:
            self.attempt.note(hit, self._item)
            raise ServiceError(*_S3_ERRORS[hit[1].kind])


class FunctionTrial(Trial):
    """An invocation.  Where the function hands its task token to a job, the job is what computes and may be ended."""

    def __init__(self, attempt: Attempt) -> None:
        attempt.invocation_count += 1
        super().__init__(attempt, (attempt.invocation_count,), None)
        if not attempt.task.waits_for_token:
            self._decide()

    def is_due(self) -> bool:
        """Whether the process is to be ended now that it answers, if it was not before."""
        if self.attempt.task.waits_for_token and not self.attempt.has_job:
            self._decide()
        return self._end is not None


class JobTrial(Trial):
    """An attempt of a job: ended soon after its first request, at the latest when it begins to write its part.

    Parameters
    ----------
    end : callable
        Ends the job's process; tells whether there was one.
    """

    def __init__(self, attempt: Attempt, unit: tuple[int, ...], item: int | None, end: Callable[[], bool]) -> None:
        super().__init__(attempt, unit, item)
        self._decide()
        self._end_process = end
        self._is_timed = False

    def on_request(self, service: str, operation: str) -> None:
        """Like :meth:`Trial.on_request`; the request that ends the process fails, and so do all later ones."""
        if self.has_ended:  # the signal is on its way: what the process still says must not be how its job ends
            raise ServiceError(*_S3_ERRORS["s3_500"])
        if self.after_seconds is not None:
            if operation in _WRITING:
                self._strike()
                raise ServiceError(*_S3_ERRORS["s3_500"])
            if not self._is_timed:
                self._is_timed = True
                asyncio.get_running_loop().call_later(self.after_seconds, self._strike)
        super().on_request(service, operation)

    def _strike(self) -> None:
        if not self.has_ended and self._end_process():
            self.note_end()


class ProcessKeys:
    """Key pairs of processes.

    Parameters
    ----------
    add, remove : callable
        Let the endpoint accept a new key pair (id and secret) as a principal's, or not any more.
    """

    def __init__(self, add: Callable[[str], tuple[str, str]], remove: Callable[[str], None]) -> None:
        self._add = add
        self._remove = remove
        self._trials: dict[str, Callable[[], Trial | None]] = {}
        self._keys: dict[str, str] = {}

    def issue(self, process: str, principal: str, trial: Callable[[], Trial | None]) -> Mapping[str, str]:
        """Return a key pair as variables of a process's environment; ``trial`` tells what the process is doing."""
        access_key_id, secret = self._add(principal)
        self._keys[process], self._trials[access_key_id] = access_key_id, trial
        return {"AWS_ACCESS_KEY_ID": access_key_id, "AWS_SECRET_ACCESS_KEY": secret}

    def revoke(self, process: str) -> None:
        """Forget the key pair of a process that has ended."""
        access_key_id = self._keys.pop(process, None)
        if access_key_id is not None:
            del self._trials[access_key_id]
            self._remove(access_key_id)

    def on_request(self, access_key_id: str, service: str, operation: str) -> None:
        """Let a request that was authenticated belong to its attempt; raises :class:`ServiceError` if it is failed."""
        of_process = self._trials.get(access_key_id)
        trial = of_process() if of_process is not None else None
        if trial is not None:
            CURRENT.set(trial.attempt)
            trial.on_request(service, operation)
