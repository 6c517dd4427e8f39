"""``hpc.Executor``: calls of Python functions, gathered into runs, behind the interface of ``concurrent.futures``."""

import hashlib
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from hpc.api.calls import start
from hpc.api.pickled import checked, cloudpickle_files, pickler
from hpc.api.run import Run
from hpc.errors import CommandError, NotStartedError, RunFailedError
from hpc.targets.workload_package import WorkloadPackage

if TYPE_CHECKING:
    import boto3

# A run begins when no call has come for so long, or the first has waited so long.
QUIET_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 1.0
NAME = "calls"
# Any item may fail without an end of the others: its future says so.
ALL_PERCENT = 100
WORKLOAD = """
import traceback

import cloudpickle

_folder = Path(__file__).parent
_calls = pickle.loads((_folder / "calls.pickle").read_bytes())
_buffers = pickle.loads((_folder / "buffers.pickle").read_bytes())


def _called(item):
    data, names = _calls[item]
    # Buffers of its own for every call, which may change its arguments.
    function, arguments, named = pickle.loads(data, buffers=[bytearray(_buffers[name]) for name in names])
    return function(*arguments, **named)


def compute(item):
    try:
        outcome = True, _called(item), ""
    except Exception as error:
        outcome = False, error, traceback.format_exc()
    try:
        return cloudpickle.dumps(outcome)
    except Exception as error:
        return cloudpickle.dumps((False, TypeError(f"{outcome[1]!r:.200} can't be pickled: {error}"), outcome[2]))
"""


class RemoteTracebackError(Exception):
    """The cause of an exception that a call raised where it ran; its text is the traceback from there."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass
class _Call:
    data: bytes
    # Buffers of the data in their order, by SHA-256.
    names: list[str]
    buffers: dict[str, bytes]
    future: "Future[Any]" = field(default_factory=Future)


class Executor(FuturesExecutor):
    """Computes calls of functions in runs, here or on AWS: ``map`` and ``submit`` as of ``concurrent.futures``.

    Arguments and results may be all that cloudpickle takes. Calls that are submitted one after the other are gathered
    into one run, whose futures are done when it has ended.

    Parameters
    ----------
    aws, session, assembly
        Where to compute, as of ``hpc.start``.
    back_end, batch_size, max_concurrency
        As in the execution input.

    Raises
    ------
    NotStartedError
        If cloudpickle is not installed; of ``submit`` if a call can't be pickled.
    """

    def __init__(
        self,
        *,
        aws: bool | str = False,
        session: "boto3.Session | None" = None,
        assembly: str | None = None,
        back_end: str | None = None,
        batch_size: int | None = None,
        max_concurrency: int | None = None,
    ) -> None:
        given = {"back_end": back_end, "batch_size": batch_size, "max_concurrency": max_concurrency}
        self._options: dict[str, Any] = {"aws": aws, "session": session, "assembly": assembly, **given}
        with _calls_pickler():
            pass
        self._changed = threading.Condition()
        self._waiting: list[_Call] = []
        self._last_at = 0.0
        self._is_shut = False
        self._is_urgent = False
        self._threads: list[threading.Thread] = []
        self._gatherer: threading.Thread | None = None
        self._numbers = count(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Let a call be part of the next run; return its future."""
        if not callable(fn):
            raise NotStartedError(f"submit must get a function, got {type(fn).__name__}")
        call = _pickled(fn, args, kwargs)
        with self._changed:
            if self._is_shut:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._waiting.append(call)
            self._last_at = time.monotonic()
            if self._gatherer is None:
                self._gatherer = self._in_thread(self._gather)
            self._changed.notify_all()
        return call.future

    def map(
        self, fn: Callable[..., Any], *iterables: Iterable[Any], timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Any]:
        """Yield the results of calls with the elements of iterables, in order; all are calls of one run.

        Parameters
        ----------
        chunksize
            Has no meaning: batches are those of the run (``batch_size``).
        """
        results = super().map(fn, *iterables, timeout=timeout, chunksize=chunksize)
        self._hurry()
        return results

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for the runs of those that there are, or cancel what has not begun."""
        with self._changed:
            self._is_shut = True
            cancelled = self._waiting if cancel_futures else []
            if cancel_futures:
                self._waiting = []
            self._changed.notify_all()
        for call in cancelled:
            call.future.cancel()
            call.future.set_running_or_notify_cancel()
        if wait:
            for thread in self._threads:  # which may grow
                thread.join()

    def _hurry(self) -> None:
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()

    def _in_thread(self, function: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(
            target=function, args=arguments, name=f"hpc-executor-{next(self._numbers)}", daemon=True
        )
        self._threads.append(thread)
        thread.start()
        return thread

    def _gather(self) -> None:
        """Start a run whenever calls have come and no more come."""
        while True:
            with self._changed:
                while not self._waiting:
                    if self._is_shut:
                        return
                    self._is_urgent = False
                    self._changed.wait()
                self._wait_for_more()
                calls, self._waiting = self._waiting, []
            running = [call for call in calls if call.future.set_running_or_notify_cancel()]
            if running:
                self._in_thread(self._compute, running)

    def _wait_for_more(self) -> None:
        began = time.monotonic()
        while not (self._is_shut or self._is_urgent):
            now = time.monotonic()
            until = min(self._last_at + QUIET_SECONDS, began + LONGEST_WAIT_SECONDS)
            if now >= until:
                return
            self._changed.wait(until - now)

    def _compute(self, calls: list[_Call]) -> None:
        """Compute calls in one run; whatever happens, each future is done."""
        try:
            run = start(_package(calls), size=len(calls), tolerated_failure_percentage=ALL_PERCENT, **self._options)
            _settle(run, calls)
        except BaseException as error:  # who waits for a future is to have it
            for call in calls:
                if not call.future.done():
                    call.future.set_exception(error)


def _calls_pickler() -> Any:
    return pickler("hpc.Executor needs cloudpickle: pip install 'serverless-hpc[functions]'")


def _pickled(function: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> _Call:
    """Return a call whose long buffers, as of arrays, stand apart: the same one of many calls travels once."""
    buffers: list[pickle.PickleBuffer] = []
    with _calls_pickler() as dumps:
        try:
            data = dumps((function, arguments, named), protocol=5, buffer_callback=buffers.append)
        except Exception as error:
            raise NotStartedError(f"the call of {function!r:.100} can't be pickled: {error}") from error
    contents = [bytes(buffer.raw()) for buffer in buffers]
    names = [hashlib.sha256(content).hexdigest() for content in contents]
    return _Call(data, names, dict(zip(names, contents, strict=True)))


def _package(calls: list[_Call]) -> WorkloadPackage:
    buffers = {name: content for call in calls for name, content in call.buffers.items()}
    origin = f"the {len(calls):,} calls of hpc.Executor"
    files = {
        "calls.pickle": pickle.dumps([(call.data, call.names) for call in calls]),
        "buffers.pickle": pickle.dumps(buffers),
        f"{NAME}.py": (checked(origin) + WORKLOAD).encode(),
    }
    return WorkloadPackage(NAME, {**cloudpickle_files(), **files}, origin)


def _settle(run: Run, calls: list[_Call]) -> None:
    """Wait for a run; give every future its result or exception."""
    run.wait(shows_progress=False)
    failures = {}
    for result in run.results():
        future = calls[result.index].future
        if result.failed:
            failures[result.index] = future
            continue
        try:
            is_result, value, traceback = pickle.loads(result.result)  # noqa: S301 - written by the run
        except Exception as error:
            future.set_exception(CommandError(f"what call {result.index} of {run.name} gave can't be read: {error}"))
            continue
        if is_result:
            future.set_result(value)
        else:
            value.__cause__ = RemoteTracebackError(traceback)
            future.set_exception(value)
    if failures:
        _fail(run, failures)


def _fail(run: Run, futures: dict[int, "Future[Any]"]) -> None:
    """Say of calls that ended their process, or the time, why they have no result."""
    for failed in run.failures():
        if failed.index in futures:
            error = RunFailedError(
                f"call {failed.index} of {run.name}: {failed.error}: {failed.cause}",
                error_type=failed.error,
                message=failed.cause,
                traceback=failed.traceback,
                index=failed.index,
            )
            futures.pop(failed.index).set_exception(error)
    for index, future in futures.items():
        future.set_exception(CommandError(f"call {index} of {run.name} has no result: see hpc failures {run.name}"))
