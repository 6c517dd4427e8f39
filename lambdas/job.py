"""``python -m lambdas.job``: a job of AWS Batch computes its share of a run's batches and writes one part to S3.

Environment variables: ``RESULTS_BUCKET`` and ``RUN``; of a child of an array job ``AWS_BATCH_JOB_ARRAY_INDEX``; of a
job with a task token ``TASK_TOKEN``, ``HEARTBEAT_SECONDS`` and ``AWS_BATCH_JOB_ID``.

Exit status 0: the part is written, or nobody waits for it.  1: it could not be.  143: ended by SIGTERM.  128 + N: the
process that computed was ended by signal N.
"""

import logging
import os
import signal
import sys
from functools import partial
from types import FrameType
from typing import NoReturn

from lambdas.items.inputs import RUN_NAME
from lambdas.jobs.job_callback import TaskCallback, TaskCancelled
from lambdas.jobs.job_clients import step_functions_client
from lambdas.jobs.job_part import Computing, write_part
from lambdas.jobs.job_worker import records_of_workers
from lambdas.run_files import environment, errors, job_shares
from lambdas.run_files.errors import ConfigurationError, InvalidEventError, JobKilledError, PipelineInterrupt
from lambdas.run_files.json_text import shown
from lambdas.run_files.runs import RunSettings, read_settings

LOGGER = logging.getLogger(__name__)
# A few may be lost before the task times out.
HEARTBEATS_IN_TIMEOUT = 6
MAX_INTERVAL_SECONDS = 60.0
EXIT_TERMINATED = 128 + signal.SIGTERM


class JobTerminated(SystemExit, PipelineInterrupt):
    """The job was asked to end; no SystemExit of the workload's."""


def main(*, in_worker: bool = False) -> int:
    """Run the job that the environment describes and return its exit status.

    Parameters
    ----------
    in_worker
        Whether to compute in a process of its own, whose end is not that of the job.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    # Process 1 of a container has no default action on signals.  A job that is stopped answers nothing: who stopped
    # it knows, or AWS Batch tries it again.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        run_job(in_worker=in_worker)
    except TaskCancelled as reason:
        LOGGER.info("nobody waits for this job any more: %s", reason)
        return 0
    except JobKilledError as error:
        LOGGER.error("%s: %s", type(error).__name__, error)  # noqa: TRY400 - as below
        return 128 + error.signal_number
    except Exception as error:
        is_named = type(error).__module__ == errors.__name__
        LOGGER.error("%s: %s", type(error).__name__, error, exc_info=not is_named)  # noqa: TRY400 - a trace of a named error says no more
        return 1
    return 0


def run_job(*, in_worker: bool) -> None:
    """Compute this job's share.

    Raises
    ------
    TaskCancelled
        If the job has a task token and its task ends before.
    """
    # Out of the environment, where a workload could read it.
    task_token = os.environ.pop("TASK_TOKEN", "")
    if task_token:
        callback = TaskCallback(step_functions_client(), task_token, heartbeat_interval_seconds())
        answer_task(callback, partial(records_of_workers, forking=callback.quiet) if in_worker else None)
        return
    bucket, settings = environment.results_bucket(), run_settings()
    index = array_index(settings)
    numbers = job_shares.share(settings.batch_count, settings.array_size, index)
    if not numbers:
        LOGGER.info("child %d of %d has no batch", index, settings.array_size)
        return
    key = job_shares.array_part_key(settings.name, index)
    write_part(bucket, settings, numbers, key, records_of_workers if in_worker else None)


def answer_task(callback: TaskCallback, computing: Computing | None) -> None:
    """Compute the whole run and answer with the key of its part."""
    try:
        with callback.beating():
            settings = run_settings()
            key = job_shares.callback_part_key(settings.name, environment.variable("AWS_BATCH_JOB_ID"))
            write_part(environment.results_bucket(), settings, range(settings.batch_count), key, computing)
    except Exception as error:
        callback.fail(type(error).__name__, str(error))
        raise
    callback.succeed({"key": key})


def run_settings() -> RunSettings:
    """Return the settings of the run that this job is for."""
    run = environment.variable("RUN")
    if not RUN_NAME.fullmatch(run):
        raise InvalidEventError(f"RUN must be the name of a run, got {shown(run)}")
    return read_settings(environment.results_bucket(), run)


def array_index(settings: RunSettings) -> int:
    """Return which child of its array job this is."""
    text = environment.variable("AWS_BATCH_JOB_ARRAY_INDEX")
    if not (text.isascii() and text.isdigit() and int(text) < settings.array_size):
        raise ConfigurationError(
            f"AWS_BATCH_JOB_ARRAY_INDEX must be 0 to {settings.array_size - 1}, the run's array has "
            f"{settings.array_size} children, got {text!r}"
        )
    return int(text)


def heartbeat_interval_seconds() -> float:
    """Return how long to wait between heartbeats."""
    text = environment.variable("HEARTBEAT_SECONDS")
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigurationError(f"environment variable HEARTBEAT_SECONDS must be 1 or more, got {text!r}")
    return min(int(text) / HEARTBEATS_IN_TIMEOUT, MAX_INTERVAL_SECONDS)


def run_and_exit() -> NoReturn:
    """Run the job and end the process with its exit status."""
    status = 1
    try:
        status = main(in_worker=True)
    except BaseException as reason:
        status = _status_of(reason)
    finally:
        _exit(status)


def _status_of(reason: BaseException) -> int:
    """Return the status that the interpreter would exit with, and log what it would print."""
    if not isinstance(reason, SystemExit):
        LOGGER.critical("%s: %s", type(reason).__name__, reason, exc_info=reason)
        return 1
    if reason.code is None or isinstance(reason.code, int):
        return (reason.code or 0) & 0xFF
    LOGGER.critical("%s", reason.code)
    return 1


def _exit(status: int) -> NoReturn:
    # The interpreter's own end waits for every thread that is no daemon and for every function that is called at exit:
    # what a workload left behind would keep a job that has done its work, and its Fargate task, until the time-out.
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _terminate(_signal_number: int, _frame: FrameType | None) -> NoReturn:
    raise JobTerminated(EXIT_TERMINATED)


if __name__ == "__main__":
    run_and_exit()
