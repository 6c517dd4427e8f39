"""Start checks the execution input, writes the run's files, and returns the state that the other states read."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from lambdas import workloads
from lambdas.batch.time_limit import TimeLimit, TimeUp
from lambdas.batch.workload_source import WorkloadSource
from lambdas.contract.keys import run_key
from lambdas.contract.limits import MAX_ARRAY_SIZE, MAX_ITEM_BYTES
from lambdas.items import batches, caps, inputs, item_sources, missing_items
from lambdas.items.inputs import RunInput
from lambdas.items.item_sources import Item
from lambdas.run_files import environment, indexed_items, job_shares, json_text, runs, storage
from lambdas.run_files.errors import InvalidInputError
from lambdas.run_files.object_writer import ObjectWriter
from lambdas.run_files.runs import Batch, RunSettings

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
LOGGED_EVERY_ITEMS = 1_000_000


def handler(event: Any, context: Any) -> dict[str, Any]:
    r"""Write run.json, batches.jsonl and, where items are not a range, items.jsonl.

    Parameters
    ----------
    event
        ``{"input": <execution input>, "name": <execution name>, "started": <execution start>}``

    Returns
    -------
    dict
        Replaces the state; its length depends on neither items nor params::

            {"run": {"name", "item_count", "batch_count", "batches_key", "map_prefix",
                     "max_concurrency", "tolerated_failure_count", "back_end",
                     "job_name",      # of the back ends on AWS Batch
                     "array_size"}}   # of the array job
    """
    LOGGER.info("reading the input")
    run_input = inputs.parse_event(event)
    caps.check(run_input)
    bucket = environment.results_bucket()
    kept_sha256 = runs.refuse_kept(bucket, run_input.name, run_input.started)
    if run_input.redrive_of is not None:
        return start_redrive(bucket, run_input, run_input.redrive_of)
    source = workloads.read_source(run_input.workload, run_input.uploaded_workload)
    if kept_sha256 is not None and kept_sha256 != source.sha256:
        # An earlier attempt of Start may have a map or a job at work already.
        raise workloads.changed(source, kept_sha256)
    run_batches = form_batches(bucket, run_input, source, context)
    versions = Versions(source, [])
    return finish(bucket, run_input, versions, run_batches, whole_item_count=run_batches[-1].end)


def start_redrive(bucket: str, run_input: RunInput, earlier_name: str) -> dict[str, Any]:
    """Start a run on the items of an earlier run that have no result there."""
    earlier = missing_items.read_earlier(bucket, earlier_name)
    run_input = missing_items.as_in(run_input, earlier.runs[-1])
    versions = versions_of(earlier.named, run_input.uploaded_workload, is_change_allowed=run_input.changed_workload)
    if run_input.only_finish:
        if earlier.records:
            raise InvalidInputError(f"only_finish needs a run that came to Sum, {earlier_name} ended before")
        # One batch of no items, which Sum passes over.
        return finish(bucket, run_input, versions, batches.range_batches(0, None), whole_item_count=0)
    run_batches = write_items(
        bucket,
        run_key(run_input.name, "items.jsonl"),
        missing_items.open_missing(bucket, earlier.runs[-1], earlier.records),
        run_input.batch_size,
        max_line_bytes=indexed_items.MAX_LINE_BYTES,
    )
    return finish(
        bucket,
        run_input,
        versions,
        run_batches,
        whole_item_count=earlier.runs[0].item_count,
        earlier_records=earlier.records,
    )


class Versions(NamedTuple):
    """A run's workload, and the SHA-256 of its earlier versions."""

    source: WorkloadSource
    earlier: list[str]


def versions_of(earlier: RunSettings, uploaded: str | None, *, is_change_allowed: bool) -> Versions:
    """Return the workload that a redrive computes with, and its earlier versions.

    Parameters
    ----------
    uploaded
        The package that a redrive brings; an earlier run that brought one goes on with that by itself.

    Raises
    ------
    WorkloadChangedError
        If the file is not that of the earlier run, and nobody asked for the change.
    """
    source = workloads.read_source(earlier.workload, uploaded or earlier.package_sha256)
    if not is_change_allowed and source.sha256 != earlier.workload_sha256:
        raise workloads.changed(source, earlier.workload_sha256)
    return Versions(source, sorted(earlier.versions - {source.sha256}))


def finish(
    bucket: str,
    run_input: RunInput,
    versions: Versions,
    run_batches: list[Batch],
    *,
    whole_item_count: int,
    earlier_records: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write the run's files but its items, and return the state."""
    write_run(bucket, run_input, versions, run_batches, earlier_records or {})
    LOGGER.info("run started", extra={"run": run_input.name, "batch_count": len(run_batches)})
    return {"run": run_state(run_input, run_batches, whole_item_count)}


def form_batches(bucket: str, run_input: RunInput, source: WorkloadSource, context: Any) -> list[Batch]:
    """Return the run's batches, after writing items.jsonl where there is one.

    The workload is imported only where its ``items`` or ``weight`` may be needed, or its file can't be right: what
    its ``compute`` needs may be there only where that runs.
    """
    asks_for_items = source.may_define("weight") or (run_input.size is not None and source.may_define("items"))
    is_imported = asks_for_items or not source.may_define("compute", "compute_batch")
    items = item_sources.open_items(run_input, workloads.imported(source) if is_imported else None)
    if items is not None:
        items = within(TimeLimit(context.get_remaining_time_in_millis() / 1000), items)
        return write_items(bucket, run_key(run_input.name, "items.jsonl"), items, run_input.batch_size)
    assert run_input.size is not None
    caps.check_range(run_input.size)
    return batches.range_batches(run_input.size, run_input.batch_size)


def within(time_limit: TimeLimit, items: Iterator[Item]) -> Iterator[Item]:
    """Yield the items.

    Raises
    ------
    InvalidInputError
        When the time is over, which says how many items there were: ``items`` of a workload may never end.
    """
    count = 0
    with time_limit.enforced(), suppress(TimeUp):
        while time_limit.has(0):
            item = time_limit.call(next, items, None)
            if item is None:
                return
            yield item
            count += 1
            if count % LOGGED_EVERY_ITEMS == 0:
                LOGGER.info("%s items so far", f"{count:,}")
    raise InvalidInputError(
        f"the items have not ended in the {time_limit.seconds:.1f} s that Start has for them: there are {count:,} "
        f"so far, a run may have {caps.max_written_items():,}"
    )


def write_items(
    bucket: str,
    key: str,
    items: Iterator[Item],
    batch_size: int | None,
    *,
    max_line_bytes: int = MAX_ITEM_BYTES,
) -> list[Batch]:
    """Stream items to one object, a line each, and return the batches they form."""
    forming = batches.BatchForming(batch_size)
    weighted = False
    max_items = caps.max_written_items()
    with ObjectWriter(bucket, key) as writer:
        for item in items:
            line = item.text.encode() + b"\n"
            if len(line) > max_line_bytes:
                raise InvalidInputError(
                    f"an item may have {max_line_bytes} bytes, item {forming.item_count} has {len(line)}: "
                    "put its data in S3 and its key in the item"
                )
            if forming.item_count == max_items:
                raise caps.too_many(max_items, "more")
            writer.write(line)
            weighted = item.weight is not None
            forming.add(line, 1 if item.weight is None else item.weight)
        # Inside: a refused batch size leaves no items.jsonl behind.
        return forming.batches(key, weighted=weighted)


def write_run(
    bucket: str,
    run_input: RunInput,
    versions: Versions,
    run_batches: list[Batch],
    earlier_records: dict[str, Any],
) -> None:
    """Write batches.jsonl and run.json; started again, it writes the same."""
    lines = [json_text.to_text(batch.to_json()) + "\n" for batch in run_batches]
    storage.put(bucket, run_key(run_input.name, "batches.jsonl"), "".join(lines).encode())
    RunSettings(
        name=run_input.name,
        workload=run_input.workload,
        params=run_input.params,
        item_count=run_batches[-1].end,
        batch_count=len(run_batches),
        tolerated_failure_percentage=run_input.tolerated_failure_percentage,
        workload_sha256=versions.source.sha256,
        back_end=run_input.back_end,
        array_size=array_size(run_input, run_batches),
        redrive_of=run_input.redrive_of,
        started=run_input.started,
        earlier_sha256s=versions.earlier,
        is_uploaded=run_input.uploaded_workload is not None,
        earlier_records=earlier_records,
        combines=versions.source.defines("combine"),
    ).write(bucket)


def run_state(run_input: RunInput, run_batches: list[Batch], whole_item_count: int) -> dict[str, Any]:
    """Return the run as the state carries it."""
    return {
        "name": run_input.name,
        "item_count": run_batches[-1].end,
        "batch_count": len(run_batches),
        "batches_key": run_key(run_input.name, "batches.jsonl"),
        "map_prefix": run_key(run_input.name, "map"),
        "max_concurrency": run_input.max_concurrency,
        "tolerated_failure_count": batches.tolerated_failure_count(
            (batch.count for batch in run_batches),
            run_input.tolerated_failure_percentage,
            whole_item_count=whole_item_count,
        ),
        "back_end": run_input.back_end,
        **array_job_state(run_input, run_batches),
    }


def array_job_state(run_input: RunInput, run_batches: list[Batch]) -> dict[str, Any]:
    """Return what the machine needs to submit the run's job, if it has one."""
    if run_input.back_end == "lambda":
        return {}
    name = {"job_name": job_shares.job_name(run_input.name, run_input.back_end)}
    return name if run_input.back_end != "batch" else {**name, "array_size": array_size(run_input, run_batches)}


def array_size(run_input: RunInput, run_batches: list[Batch]) -> int:
    """Return how many children the run's array job has, 0 if there is none."""
    if run_input.back_end != "batch":
        return 0
    limit = environment.max_array_size() if run_input.batch_size is None else MAX_ARRAY_SIZE
    return job_shares.array_size(len(run_batches), limit)
