"""Compute computes the items of one batch, in as many invocations as the batch needs."""

import logging
from dataclasses import replace
from typing import Any

from lambdas import workloads
from lambdas.batch.batch_items import BatchItems, ReadPosition, check_batch_key
from lambdas.batch.compute_batch import BatchRun
from lambdas.batch.parts import PartWriter
from lambdas.batch.time_limit import TimeLimit
from lambdas.batch.workload import Workload
from lambdas.items.inputs import RUN_NAME
from lambdas.results.combining import Combiner
from lambdas.results.records import check_parts
from lambdas.run_files import checksums, environment, json_text
from lambdas.run_files.errors import InvalidEventError, WorkloadChangedError
from lambdas.run_files.runs import Batch, RunSettings, read_settings, settings_now

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
BEGIN_KEYS = {"run", "batch"}
PAUSED_KEYS = {"done", "run", "batch", "next", "offset", "checksum", "limit", "parts"}


def handler(event: Any, context: Any) -> dict[str, Any]:
    r"""Compute a batch, or go on with it.

    Parameters
    ----------
    event
        ``{"run": <name>, "batch": <line of batches.jsonl>}``, or what an earlier invocation returned that was not done.

    Returns
    -------
    dict
        ::

            {"done": true, "run", "batch": <number>, "first", "count", "parts": [<part>, ...], "sha256"}
            {"done": false, "run", "batch": <line>, "next": <index>, "offset", "checksum", "limit", "parts"}
    """
    name, batch = read_batch(event)
    log_batch(name, batch)
    settings = settings_of(name)
    time_limit = TimeLimit(context.get_remaining_time_in_millis() / 1000)
    batch_run = resume(settings, batch, event, time_limit)
    is_done = batch_run.compute()
    return finished(batch_run) if is_done else paused(batch_run, event)


def settings_of(run: str) -> RunSettings:
    """Return a run's settings, read anew if the workload's file is not the one that they name.

    Where a person goes on with another version, this execution environment may have the settings from before.
    """
    bucket = environment.results_bucket()
    settings = read_settings(bucket, run)
    if settings.is_uploaded:
        return settings_now(bucket, run)  # the package from before is there still
    try:
        workloads.load_for(settings)
    except WorkloadChangedError:
        read_settings.cache_clear()
        settings = read_settings(bucket, run)
    return settings


def read_batch(event: Any) -> tuple[str, Batch]:
    """Return run and batch that an event names."""
    if not isinstance(event, dict) or set(event) not in (BEGIN_KEYS, PAUSED_KEYS):
        raise InvalidEventError(f'Compute takes {{"run", "batch"}}, or what it returned, got {json_text.shown(event)}')
    name = event["run"]
    if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
        raise InvalidEventError(f"run must be the name of a run, got {json_text.shown(name)}")
    batch = Batch.from_json(event["batch"])
    check_batch_key(name, batch)
    return name, batch


def log_batch(run: str, batch: Batch) -> None:
    """Say whose lines come next: the logs of an item are found by this line."""
    LOGGER.info("batch %d of %s", batch.number, run)


def resume(settings: RunSettings, batch: Batch, event: dict[str, Any], time_limit: TimeLimit) -> BatchRun:
    """Return the batch as an earlier invocation left it, or from its beginning."""
    workload = workloads.load_for(settings)
    if "next" in event:
        check_pause(batch, event)
    first = event.get("next", batch.first)
    bucket = environment.results_bucket()
    is_indexed = settings.redrive_of is not None
    begin = ReadPosition(event.get("offset", batch.offset), event.get("checksum", 0))
    items = BatchItems(bucket, batch, first, begin, is_indexed=is_indexed)
    parts = PartWriter(
        bucket=bucket,
        run=settings.name,
        batch=batch.number,
        first=first,
        combine=combiner_of(workload, batch),
        parts=event.get("parts", []),
        index=items.index,
    )
    return BatchRun(settings, workload, batch, items, parts, time_limit, limit=event.get("limit"))


def combiner_of(workload: Workload, batch: Batch) -> Combiner | None:
    """Return what combines results of a batch, None if the workload combines none."""
    if workload.combine is None:
        return None
    # One batch of a run is enough to try it, and the first one may be the only one.
    return Combiner(workload.combine.call, workload.file, is_tried=batch.number == 0)


def check_pause(batch: Batch, event: dict[str, Any]) -> None:
    """Refuse what no earlier invocation for the batch returned."""
    first, limit = event["next"], event["limit"]
    if type(first) is not int or not batch.first <= first <= batch.end:
        raise InvalidEventError(f"next must be {batch.first} to {batch.end}, got {json_text.shown(first)}")
    for name in ("offset", "checksum"):
        if type(event[name]) is not int or event[name] < 0:
            raise InvalidEventError(f"{name} must be an integer of 0 or more, got {json_text.shown(event[name])}")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise InvalidEventError(f"limit must be null or an integer of 1 or more, got {json_text.shown(limit)}")
    try:
        check_parts(replace(batch, count=first - batch.first), event["parts"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidEventError(f"parts must be of items {batch.first} to {first - 1}: {error}") from error


def finished(batch_run: BatchRun) -> dict[str, Any]:
    return checked_output(batch_run.settings.name, batch_run.batch, batch_run.parts.parts())


def checked_output(run: str, batch: Batch, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what Sum reads of a batch."""
    return checksums.with_checksum(
        {
            "done": True,
            "run": run,
            "batch": batch.number,
            "first": batch.first,
            "count": batch.count,
            "parts": parts,
        }
    )


def paused(batch_run: BatchRun, event: dict[str, Any]) -> dict[str, Any]:
    next_index = batch_run.parts.next
    read_to = batch_run.items.read_to(next_index)
    LOGGER.info("batch goes on", extra={"run": event["run"], "batch": batch_run.batch.number, "next": next_index})
    return {
        "done": False,
        "run": event["run"],
        "batch": event["batch"],
        "next": next_index,
        "offset": read_to.offset,
        "checksum": read_to.checksum,
        "limit": batch_run.limit,
        "parts": batch_run.parts.parts(),
    }
