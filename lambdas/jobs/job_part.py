"""Computes one part of a run on AWS Batch, as Compute does, and writes it completely or not at all.

A part has a line a batch: what Compute returns for it, as one JSON text.
"""

import dataclasses
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from lambdas import compute, workloads
from lambdas.batch.parts import PartWriter
from lambdas.batch.time_limit import TimeLimit
from lambdas.contract.keys import run_key
from lambdas.results.records import interpret
from lambdas.results.result_files import MAX_RECORD_BYTES
from lambdas.run_files import json_text, runs, storage
from lambdas.run_files.errors import ResultFileError, StorageAccessError, WorkloadError
from lambdas.run_files.failures import Failure
from lambdas.run_files.object_writer import ObjectWriter
from lambdas.run_files.runs import Batch, RunSettings

LOGGER = logging.getLogger(__name__)
# Yields the records of batches of a run, each as a line.
Computing = Callable[[str, RunSettings, Sequence[Batch]], Generator[bytes]]


def write_part(
    bucket: str, settings: RunSettings, numbers: range, key: str, computing: Computing | None = None
) -> None:
    """Compute the batches ``numbers`` and write their part; nothing is left to do if it is there.

    Parameters
    ----------
    computing
        Yields the record of each batch; ``records``, in this process, by default.

    Raises
    ------
    InvalidInputError, WorkloadError, WorkloadChangedError
        If the image does not have the run's workload.
    UploadedWorkloadError
        If the run's package is not what it should be.
    StorageAccessError, StorageUnavailableError, ResultFileError
        If the run's files can't be read, or the part not written.
    """
    batches = read_share(bucket, settings, numbers)
    if is_written(bucket, settings, batches, key):
        LOGGER.info("the part is there: s3://%s/%s", bucket, key)
        return
    workloads.read_unchanged(settings)
    with ObjectWriter(bucket, key) as writer, closing((computing or records)(bucket, settings, batches)) as lines:
        for line in lines:
            writer.write(line)
    LOGGER.info("wrote %d batches to s3://%s/%s", len(batches), bucket, key)


def records(bucket: str, settings: RunSettings, batches: Sequence[Batch]) -> Generator[bytes]:
    """Yield the record of each batch, as a line."""
    if batches:
        # A workload that can't be loaded fails the job: it would fail every batch.
        workloads.load_for(settings)
    for batch in batches:
        yield line_of(compute_batch(bucket, settings, batch))


def line_of(record: dict[str, Any]) -> bytes:
    """Return a record as a part has it."""
    return f"{json_text.to_text(record)}\n".encode()


def read_share(bucket: str, settings: RunSettings, numbers: range) -> list[Batch]:
    """Return the batches ``numbers`` of a run."""
    batches = list(islice(runs.read_batches(bucket, settings.name), numbers.start, numbers.stop))
    if len(batches) < len(numbers):
        raise ResultFileError(
            f"s3://{bucket}/{run_key(settings.name, 'batches.jsonl')} is broken: it has fewer than {numbers.stop} "
            f"batches, run.json says {settings.batch_count}"
        )
    return batches


def is_written(bucket: str, settings: RunSettings, batches: list[Batch], key: str) -> bool:
    """Whether an earlier attempt wrote the part, with a record of just these batches; anything else is written anew."""
    remaining = iter(batches)
    try:
        for line in storage.read_lines(bucket, key, max_line_bytes=MAX_RECORD_BYTES):
            record = interpret(json_text.parse(line.decode()), settings.name, "SUCCEEDED")
            batch = next(remaining, None)
            if batch is None or (record.first, record.count) != (batch.first, batch.count):
                return False
    except StorageAccessError:
        return False
    except (ValueError, ResultFileError) as error:
        LOGGER.warning("s3://%s/%s is written anew: %s", bucket, key, error)
        return False
    return next(remaining, None) is None


def compute_batch(bucket: str, settings: RunSettings, batch: Batch) -> dict[str, Any]:
    """Return what Compute returns for a batch, with every bad item recorded in it.

    A job fails for its infrastructure only: Sum applies the tolerance to the items of the whole run.
    """
    compute.log_batch(settings.name, batch)
    tolerant = dataclasses.replace(settings, tolerated_failure_percentage=100)
    try:
        batch_run = compute.resume(tolerant, batch, {}, TimeLimit(None))
        batch_run.compute()
        return compute.finished(batch_run)
    except WorkloadError as error:
        LOGGER.warning("batch %d failed: %s", batch.number, error)
        return all_failed(bucket, settings, batch, error.failure_of_all())


def all_failed(bucket: str, settings: RunSettings, batch: Batch, failure: Failure) -> dict[str, Any]:
    """Return the record of a batch of which no result can be told."""
    parts = PartWriter(bucket=bucket, run=settings.name, batch=batch.number, first=batch.first, combine=None, parts=[])
    for _ in range(batch.count):
        parts.fail(failure)
    return compute.checked_output(settings.name, batch, parts.parts())
