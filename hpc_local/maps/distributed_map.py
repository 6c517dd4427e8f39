"""Distributed Map states: a Map Run whose child executions run side by side and whose results go to S3.

Constant memory: inputs are read ahead up to a limit, ended children go to the store, result files are streamed from
there.

**Differs from AWS:** children start as fast as this machine can (the service starts 100 Standard ones a second); when
the failure threshold is exceeded, running children have half a second to end before they are aborted (the service
documents no figure, and recordings show that a child may still start); a stopped execution leaves no result files.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from hpc_local.execution.frames import Step
from hpc_local.execution.program import State
from hpc_local.language import Json
from hpc_local.language.errors import (
    DataLimitExceededError,
    ExceedToleratedFailureThresholdError,
    ResultWriterFailedError,
    StatesError,
)
from hpc_local.language.json_text import MAX_PAYLOAD_BYTES, text_size_bytes
from hpc_local.maps.batches import BatchLimits, ChildInput, child_inputs
from hpc_local.maps.child_executions import described, described_pending
from hpc_local.maps.dispatcher import Dispatcher, InputQueue
from hpc_local.maps.item_reader import ObjectSource, ReaderSettings, read_items
from hpc_local.maps.items import context_item, members_or_items, select_item
from hpc_local.maps.map_run import MapRun, MapRuns, MapRunSettings
from hpc_local.maps.result_writer import OpenWriter, Result, WriterSettings, formatted, write_results
from hpc_local.maps.writer_settings import check_writable, writer_settings
from hpc_local.protocol import ServiceError


@dataclass(frozen=True, slots=True)
class MapServices:
    """What Distributed Maps need besides the interpreter."""

    map_runs: MapRuns
    objects: ObjectSource
    open_writer: OpenWriter


async def run_distributed_map(state: State, step: Step) -> Json:
    """Run the item processor as child executions; the result is the writer's details or the array of outputs."""
    maps, clock = step.frame.services.maps, step.frame.services.clock
    step.cursor.add("MapStateStarted", "mapStateStartedEventDetails", {"length": 0})
    try:
        writer = _writer_settings(state, step)
        map_run = maps.map_runs.create(
            _settings(state, step),
            machine_arn=step.frame.machine_arn,
            execution_id=step.frame.execution_id,
            now=clock.time(),
        )
    except StatesError:
        step.cursor.add("MapStateFailed")
        raise
    step.cursor.add("MapRunStarted", "mapRunStartedEventDetails", {"mapRunArn": map_run.row.arn})
    try:
        with contextlib.ExitStack() as opened:
            check_writable(writer, maps.objects)
            inputs = InputQueue(_child_inputs(state, step, opened), map_run)
            await Dispatcher(state.branches[0], step.frame, map_run, inputs).run()
            result, written = await _finish(state, writer, map_run, inputs, maps)
    except StatesError as error:
        await map_run.log.flush()
        maps.map_runs.close(map_run, "FAILED", clock.time(), 0)
        details = {key: text for key, text in (("error", error.name), ("cause", error.cause)) if text}
        step.cursor.add("MapRunFailed", "mapRunFailedEventDetails", details)
        step.cursor.add("MapStateFailed")
        raise
    except BaseException:
        await map_run.log.flush()
        maps.map_runs.close(map_run, "ABORTED", clock.time(), 0)
        raise
    maps.map_runs.close(map_run, "SUCCEEDED", clock.time(), written)
    started = step.cursor.last
    step.cursor.add("MapRunSucceeded")
    step.cursor.add("MapStateSucceeded")
    step.cursor.last = started  # as recorded: what follows the state follows the start of its Map Run
    return result


def _settings(state: State, step: Step) -> MapRunSettings:
    def number(name: str) -> float:
        setting = state.settings.get(name)
        return setting(step.effective_input, step.scope) if setting else 0

    assert state.map_fields is not None
    return MapRunSettings(
        label=state.map_fields.label,
        child_type=state.branches[0].processor_config.get("ExecutionType", "STANDARD"),
        max_concurrency=int(number("MaxConcurrency")),
        tolerated_failure_count=int(number("ToleratedFailureCount")),
        tolerated_failure_percentage=number("ToleratedFailurePercentage"),
    )


def _child_inputs(state: State, step: Step, opened: contextlib.ExitStack) -> Iterator[ChildInput]:
    """Yield the input of every child: read, selected, batched."""
    fields = state.map_fields
    assert fields is not None
    if fields.reader is None:
        items, source = members_or_items(fields.items.items(step.effective_input, step.scope)), "STATE_DATA"
    else:
        limit = fields.reader.max_items
        settings = ReaderSettings(
            resource=fields.reader.resource,
            parameters=fields.reader.parameters(step.effective_input, step.scope),
            config=fields.reader.config,
            max_items=limit(step.effective_input, step.scope) if limit else 0,
        )
        items, source = read_items(settings, step.frame.services.maps.objects, opened)
    selected = (select_item(state, step, context_item(index, item, source)) for index, item in enumerate(items))
    return child_inputs(selected, _batch_limits(state, step))


def _batch_limits(state: State, step: Step) -> BatchLimits | None:
    batcher = state.map_fields.batcher if state.map_fields else None
    if batcher is None:
        return None
    effective, scope = step.effective_input, step.scope
    return BatchLimits(
        batch_input=batcher.batch_input(effective, scope) if batcher.batch_input else None,
        max_items=batcher.max_items(effective, scope) if batcher.max_items else None,
        max_bytes=batcher.max_bytes(effective, scope) if batcher.max_bytes else None,
    )


def _writer_settings(state: State, step: Step) -> WriterSettings:
    writer = state.map_fields.writer if state.map_fields else None
    if writer is None:
        return WriterSettings(bucket=None, prefix="", transformation="COMPACT", output_type="JSON")
    parameters = writer.parameters(step.effective_input, step.scope) if writer.parameters else None
    return writer_settings(parameters, writer.config)


async def _finish(
    state: State, writer: WriterSettings, map_run: MapRun, inputs: InputQueue, maps: MapServices
) -> tuple[Json, int]:
    """Write the results, of a failed Map Run too; return the state's result and how many were written."""
    await map_run.log.flush()
    key, written = "", 0
    if writer.bucket is not None:
        results = _results(map_run, inputs, maps)
        try:
            key, written = await asyncio.to_thread(write_results, writer, map_run.row.arn, results, maps.open_writer)
        except (OSError, ServiceError) as error:
            raise ResultWriterFailedError(f"cannot write to s3://{writer.bucket}/{writer.prefix}: {error}") from error
    if map_run.is_threshold_exceeded():
        raise ExceedToleratedFailureThresholdError("The specified tolerated failure threshold was exceeded")
    if writer.bucket is None:
        return _collect(state, writer, map_run, maps), written
    details = {"Bucket": writer.bucket, "Key": key}
    return {"MapRunArn": map_run.row.arn, "ResultWriterDetails": details}, written


def _results(map_run: MapRun, inputs: InputQueue, maps: MapServices) -> Iterator[Result]:
    for record in maps.map_runs.store.records(map_run.row.id):
        yield described(record, map_run)
    for child in inputs.rest():
        yield described_pending(child)


def _collect(state: State, writer: WriterSettings, map_run: MapRun, maps: MapServices) -> Json:
    """Return the children's results as one array in the order of the items; there must be room for it in a payload."""
    texts: list[tuple[int, list[str]]] = []
    size = 1
    for record in maps.map_runs.store.records(map_run.row.id):
        own = list(formatted(described(record, map_run), writer.transformation))
        size += sum(text_size_bytes(text) + 1 for text in own)
        if size > MAX_PAYLOAD_BYTES:
            raise DataLimitExceededError(
                f"The state/task '{state.name}' returned a result with a size exceeding"
                " the maximum number of bytes service limit."
            )
        texts.append((record.position, own))
    return [json.loads(text) for _position, own in sorted(texts) for text in own]
