"""Computes batches of a job in a child process, so that the job survives whatever a workload does to its process.

``os._exit`` in any thread, a crash in a library, or a kill for lack of memory ends the worker.  The job sees how.
"""

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import NoReturn

from lambdas.jobs import job_clients
from lambdas.jobs.job_part import all_failed, line_of, records
from lambdas.run_files import errors, storage
from lambdas.run_files.errors import JobKilledError
from lambdas.run_files.failures import Failure
from lambdas.run_files.runs import Batch, RunSettings

LOGGER = logging.getLogger(__name__)
# As Lambda names it.
EXIT_ERROR = "Runtime.ExitError"
# Begins the one line of a worker that is no record: the error that it ends with.
ERROR_MARK = b"!"


def records_of_workers(
    bucket: str,
    settings: RunSettings,
    batches: Sequence[Batch],
    forking: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Generator[bytes]:
    """Yield the record of each batch; the items of a batch in which the worker exits have failed.

    Parameters
    ----------
    forking
        Entered while a process is forked, to hold what other threads do.

    Raises
    ------
    JobKilledError
        If a signal ends the worker, which may be no fault of the workload.
    Exception
        As ``job_part.records`` raises them.
    """
    remaining = list(batches)
    while remaining:
        worker = _Worker(bucket, settings, remaining, forking)
        try:
            for line in worker.lines():
                del remaining[0]
                yield line
            status = worker.wait()
        finally:
            worker.end()
        if not remaining:
            return
        batch = remaining.pop(0)
        place = f"in batch {batch.number} (items {batch.first} to {batch.end - 1})"
        if status < 0:
            raise JobKilledError(
                f"the process that computed was ended by signal {-status} ({_signal_name(-status)}), {place}", -status
            )
        failure = Failure(EXIT_ERROR, f"the workload ended its process with exit status {status}, {place}")
        LOGGER.error("%s", failure)
        yield line_of(all_failed(bucket, settings, batch, failure))


class _Worker:
    def __init__(
        self,
        bucket: str,
        settings: RunSettings,
        batches: Sequence[Batch],
        forking: Callable[[], AbstractContextManager[None]],
    ) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with forking(), warnings.catch_warnings():
            # The warning says that other threads run.  Locks hold what these threads do.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process_id = os.fork()
            if self._process_id == 0:
                os.close(reading)
                _work(bucket, settings, batches, writing)
        os.close(writing)
        self._reading = reading
        self._is_reaped = False

    def lines(self) -> Iterator[bytes]:
        """Yield the records; raise the error that the worker ends with."""
        # Unbuffered reads would split lines; the file is closed by end().
        with os.fdopen(os.dup(self._reading), "rb") as file:
            for line in file:
                if line.startswith(ERROR_MARK):
                    raise _error_of(line)
                if line.endswith(b"\n"):  # else it was ended while it wrote
                    yield line

    def wait(self) -> int:
        """Return the exit status, or the negative number of the signal that ended it."""
        _, status = os.waitpid(self._process_id, 0)
        self._is_reaped = True
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """End it, whatever it does."""
        os.close(self._reading)
        if not self._is_reaped:
            with suppress(ProcessLookupError):
                os.kill(self._process_id, signal.SIGKILL)
            self.wait()


def _work(bucket: str, settings: RunSettings, batches: Sequence[Batch], writing: int) -> NoReturn:
    """Be the worker."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        # Connections are the job's.
        for client in (storage.s3_client, job_clients.batch_client, job_clients.step_functions_client):
            client.cache_clear()
        for line in records(bucket, settings, batches):
            _write(writing, line)
        status = 0
    except BaseException as error:
        is_named = type(error).__module__ == errors.__name__
        LOGGER.error("%s: %s", type(error).__name__, error, exc_info=not is_named)  # noqa: TRY400 - as in lambdas.job
        _write(writing, ERROR_MARK + json.dumps([type(error).__name__, str(error)]).encode() + b"\n")
    finally:
        with suppress(Exception):
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _error_of(line: bytes) -> Exception:
    """Return the error that a worker told of: by its name where it is one of the pipeline's."""
    name, message = json.loads(line.removeprefix(ERROR_MARK))
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        return kind(message)
    return RuntimeError(f"{name}: {message}")


def _signal_name(number: int) -> str:
    with suppress(ValueError):
        return signal.Signals(number).name
    return "unknown"
