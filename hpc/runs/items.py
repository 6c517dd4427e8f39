"""The items of a run as they were: of a range the index itself, else lines of its items.jsonl.

Batches count items by their position in the run. That is their index, but in a redrive of failed items, whose lines
name the indexes that these had in the first run.
"""

import json
from collections.abc import Iterator
from typing import Any

from hpc.errors import LostRunError, NotStartedError
from hpc.runs.children import PAGE
from hpc.runs.result_files import intact
from hpc.runs.run import Run
from hpc.targets.client import explained


def batch_items(run: Run, batch: dict[str, Any]) -> Iterator[tuple[int, Any]]:
    """Yield index and item of a batch, which is a line of batches.jsonl."""
    first, count = batch["first"], batch["count"]
    if "key" not in batch:
        yield from ((index, index) for index in range(first, first + count))
        return
    if not batch["bytes"]:
        return
    key, last = batch["key"], batch["offset"] + batch["bytes"] - 1
    with explained(LostRunError, "reading the items"):
        body = run.target.s3.get_object(Bucket=run.target.bucket, Key=key, Range=f"bytes={batch['offset']}-{last}")[
            "Body"
        ]
        with intact(run.target, key):
            for index, line in enumerate(body.iter_lines(chunk_size=65_536), first):
                value = json.loads(line)
                yield (value["index"], value.get("item", value["index"])) if is_redrive(run) else (index, value)


def is_redrive(run: Run) -> bool:
    """Whether a run's items are those that failed in another."""
    return run.settings is not None and run.settings.get("redrive_of") is not None


def last_index(run: Run, batch: dict[str, Any]) -> int:
    """Return the index of a batch's last item."""
    last: int = batch["first"] + batch["count"] - 1
    return max((index for index, _ in batch_items(run, batch)), default=last) if is_redrive(run) else last


def read_batches(run: Run) -> Iterator[dict[str, Any]]:
    """Yield the batches of a run, which are in order of their items; raises LostRunError if they can't be read."""
    key = run.key("batches.jsonl")
    with explained(LostRunError, "reading the batches"):
        body = run.target.s3.get_object(Bucket=run.target.bucket, Key=key)["Body"]
        with intact(run.target, key):
            for line in body.iter_lines(chunk_size=65_536):
                yield dict(json.loads(line))


def check_has_files(run: Run) -> None:
    """Refuse a run whose files were removed since it began: without them nothing is known of its items.

    Raises
    ------
    LostRunError
        If they were.
    """
    if has_lost_files(run):
        raise LostRunError(
            f"the files of {run.name} are gone: there is no s3://{run.target.bucket}/{run.key('run.json')} any more "
            "(a stack keeps results for hpc:results_expire_after_days)"
        )


def has_lost_files(run: Run) -> bool:
    """Whether a run has no settings though its Start wrote them."""
    if run.settings is not None or not run.is_of_pipeline:
        return False
    with explained(LostRunError, "reading the history"):
        pages = run.target.stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=run.arn, includeExecutionData=False, PaginationConfig={"PageSize": PAGE}
        )
        # Start is the first state.
        has_begun = any(event["type"] == "TaskStateExited" for page in pages for event in page["events"])
    # Start may have written them since they were looked for.
    return has_begun and run.read("run.json") is None


def check_has_batches(run: Run) -> None:
    """Refuse a run whose batches Start has not formed, or not yet.

    Raises
    ------
    NotStartedError
        Saying which.
    LostRunError
        If its files are gone.
    """
    if run.settings is not None:
        return
    check_has_files(run)
    if is_running(run):
        raise NotStartedError(f"{run.name} has no items yet: it is RUNNING, and Start forms its batches")
    raise NotStartedError(f"{run.name} has no items: Start did not form its batches")


def is_running(run: Run) -> bool:
    """Whether a run goes on."""
    with explained(LostRunError, "asking for the status"):
        return bool(run.target.stepfunctions.describe_execution(executionArn=run.arn)["status"] == "RUNNING")


def find_batch(run: Run, index: int) -> dict[str, Any]:
    """Return the batch that has the item.

    Raises
    ------
    NotStartedError
        If the run has no such item.
    LostRunError
        If its files are gone.
    """
    check_has_batches(run)
    last = -1
    for batch in read_batches(run):
        last = last_index(run, batch)
        if 0 <= index <= last:
            if is_redrive(run) and all(found != index for found, _ in batch_items(run, batch)):
                break
            return batch
    if last < 0:
        raise NotStartedError(f"INDEX must be an item of {run.name}, which has none, got {index}")
    allowed = "one of those that failed before" if is_redrive(run) else f"0 to {last}"
    raise NotStartedError(f"INDEX must be an item of {run.name}, {allowed}, got {index}")


def find_item(run: Run, index: int) -> Any:
    """Return one item; raises as ``find_batch``, or LostRunError if its file is cut off."""
    for found, item in batch_items(run, find_batch(run, index)):
        if found == index:
            return item
    raise LostRunError(f"items.jsonl of {run.name} ends before item {index}")
