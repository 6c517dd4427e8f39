"""Distributed Map states: a Map Run whose child executions run side by side and whose results go to S3.

Constant memory: inputs are read ahead up to a limit, ended children go to the store, result files are streamed from
there.  A redrive goes on with the same Map Run: with children that failed, from their records, and with those that have
none, from the dataset at the same positions.

**Differs from AWS:** children start as fast as this machine can (the service starts 100 Standard ones a second); when
the failure threshold is exceeded, running children have half a second to end before they are aborted (the service
documents no figure, and recordings show that a child may still start); a stopped execution leaves no result files; on a
redrive the dataset is read again for children that never started, and one that has changed is an error.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from sfn_local.execution.frames import Step
from sfn_local.execution.program import State
from sfn_local.iam.access import Access
from sfn_local.language import Json
from sfn_local.language.errors import (
    DataLimitExceededError,
    ExceedToleratedFailureThresholdError,
    ItemReaderFailedError,
    ResultWriterFailedError,
    StatesError,
    StatesRuntimeError,
)
from sfn_local.language.json_text import MAX_PAYLOAD_BYTES, text_size_bytes
from sfn_local.maps.batches import ChildInput
from sfn_local.maps.child_executions import child_result, pending_result
from sfn_local.maps.dataset import Dataset
from sfn_local.maps.dispatcher import Dispatcher, InputQueue
from sfn_local.maps.map_run import MapRun, MapRuns, MapRunSettings
from sfn_local.maps.objects import MapObjects
from sfn_local.maps.result_writer import (
    Attempt,
    ObjectWriter,
    OpenWriter,
    Result,
    WriterSettings,
    Written,
    formatted,
    write_results,
)
from sfn_local.maps.rights import ChildRights
from sfn_local.maps.waiting import Waiting, all_children, remaining_children
from sfn_local.maps.writer_settings import check_writable, writer_settings
from sfn_local.object_store import ObjectStore
from sfn_local.protocol import ServiceError


@dataclass(frozen=True, slots=True)
class MapServices:
    """Services that Distributed Maps need besides the interpreter."""

    map_runs: MapRuns
    store: ObjectStore
    access: Access

    def objects(self, principal: str) -> MapObjects:
        """Return the objects as a principal may use them."""
        return MapObjects(self.store, self.access, principal)


def _map_services(step: Step) -> MapServices:
    return cast(MapServices, step.frame.services.maps)


async def run_distributed_map(state: State, step: Step) -> Json:
    """Run the item processor as child executions; the result is the writer's details or the array of outputs."""
    maps, clock = _map_services(step), step.frame.services.clock
    evaluation = step.frame.services.evaluation
    if step.resumed is None or not step.resumed.started:
        length = await evaluation.run(_known_length, state, step)
        step.cursor.add("MapStateStarted", "mapStateStartedEventDetails", {"length": length})
    else:
        step.cursor.last = step.resumed.started
    try:
        writer = await evaluation.run(_writer_settings, state, step)
        map_run = await _open_map_run(state, step)
    except StatesRuntimeError:  # recorded: a tolerance that its path doesn't give ends the state without a word
        raise
    except StatesError:
        step.cursor.failure = "MapStateFailed"
        raise
    _note_map_run(step, map_run)
    try:
        with contextlib.ExitStack() as opened:
            objects = maps.objects(step.frame.principal)
            rights = ChildRights(maps.access, step.frame.principal, map_run)
            rights.require_start()
            check_writable(writer, objects, map_run.row.arn)
            dataset = await evaluation.run(Dataset, state, step, objects, opened)
            waiting = await evaluation.run_in_thread(_waiting, dataset, map_run, maps, clock.time())
            inputs = InputQueue(waiting, map_run, is_quick=dataset.is_quick)
            await Dispatcher(state.branches[0], step.frame, map_run, inputs, rights).run()
            result = await _finish(state, writer, map_run, inputs, maps, open_writer=objects.open_writer)
    except StatesError as error:
        await map_run.log.flush()
        maps.map_runs.close(map_run, "FAILED", clock.time())
        details = {key: text for key, text in (("error", error.name), ("cause", error.cause)) if text}
        step.cursor.add("MapRunFailed", "mapRunFailedEventDetails", details)
        step.cursor.failure = "MapStateFailed"
        raise
    except BaseException:
        await map_run.log.flush()
        maps.map_runs.close(map_run, "ABORTED", clock.time())
        raise
    maps.map_runs.close(map_run, "SUCCEEDED", clock.time())
    started = step.cursor.last
    step.cursor.add("MapRunSucceeded")
    step.cursor.add("MapStateSucceeded")
    step.cursor.last = started  # as recorded: what follows the state follows the start of its Map Run
    return result


def _known_length(state: State, step: Step) -> int:
    """Return how many items the state has, 0 where they are in a file (both recorded), or can't be had at all."""
    assert state.map_fields is not None
    if state.map_fields.reader is not None:
        return 0
    with contextlib.suppress(StatesError):  # the Map Run, which is made next, fails by it
        return len(state.map_fields.items.items(step.effective_input, step.scope))
    return 0


async def _open_map_run(state: State, step: Step) -> MapRun:
    """Start a Map Run, or run again the one that the state had started before a redrive."""
    map_runs, now = _map_services(step).map_runs, step.frame.services.clock.time()
    arn = step.resumed.map_run if step.resumed else None
    row = map_runs.find(arn) if arn else None
    if row is not None:
        return map_runs.redrive(row, now)
    settings = await step.frame.services.evaluation.run(_settings, state, step)
    return map_runs.create(settings, machine_arn=step.frame.machine_arn, execution_id=step.frame.execution_id, now=now)


def _note_map_run(step: Step, map_run: MapRun) -> None:
    details: dict[str, Json] = {"mapRunArn": map_run.row.arn}
    if map_run.row.redrive_count:
        details["redriveCount"] = map_run.row.redrive_count
        step.cursor.add("MapRunRedriven", "mapRunRedrivenEventDetails", details)
    else:
        step.cursor.add("MapRunStarted", "mapRunStartedEventDetails", details)


def _waiting(dataset: Dataset, map_run: MapRun, maps: MapServices, now: float) -> Iterator[Waiting]:
    """Return the children that are to run."""
    if not map_run.row.redrive_count:
        map_run.note_dataset(dataset.version())
        return all_children(dataset.inputs())

    def open_inputs() -> Iterator[ChildInput]:
        known, version = map_run.row.dataset, dataset.version()
        if known is not None and version != known:
            raise ItemReaderFailedError(
                f"{dataset.source} has changed since the Map Run started, so children that have no record can't be run"
            )
        map_run.note_dataset(version)
        return dataset.inputs()

    return remaining_children(map_run.row, maps.map_runs.store, now, open_inputs)


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


def _writer_settings(state: State, step: Step) -> WriterSettings:
    writer = state.map_fields.writer if state.map_fields else None
    if writer is None:
        return WriterSettings(bucket=None, prefix="", transformation="COMPACT", output_type="JSON")
    parameters = writer.parameters(step.effective_input, step.scope) or {} if writer.parameters else None
    return writer_settings(parameters, writer.config)


async def _finish(
    state: State,
    writer: WriterSettings,
    map_run: MapRun,
    inputs: InputQueue,
    maps: MapServices,
    *,
    open_writer: OpenWriter,
) -> Json:
    """Write the results, of a failed Map Run too; return the state's result."""
    await map_run.log.flush()
    key = ""
    if writer.bucket is not None:
        row, boundary = map_run.row, maps.map_runs.store.last_segment(map_run.row.id)
        attempt = Attempt(row.arn, row.redrive_count, json.loads(row.success_files))
        results = _results(map_run, inputs, maps)
        try:
            written = await _write(writer, attempt, results, open_writer)
        except (OSError, ServiceError) as error:
            raise ResultWriterFailedError(f"cannot write to s3://{writer.bucket}/{writer.prefix}: {error}") from error
        covered = maps.map_runs.store.covered(row)
        map_run.note_results(json.dumps(written.success_files), boundary, covered + written.results_written)
        key = written.key
    if map_run.is_threshold_exceeded():
        raise ExceedToleratedFailureThresholdError("The specified tolerated failure threshold was exceeded")
    if writer.bucket is None:
        map_run.note_returned_results()
        return _collect(state, writer, map_run, maps)
    return {"MapRunArn": map_run.row.arn, "ResultWriterDetails": {"Bucket": writer.bucket, "Key": key}}


class _StoppedError(Exception):
    """The execution was stopped while its results were written."""


async def _write(
    writer: WriterSettings, attempt: Attempt, results: Iterable[Result], open_writer: OpenWriter
) -> Written:
    """Write results in a thread; once this is cancelled none appears any more, and the thread ends before this does."""
    stopped = threading.Event()

    def check() -> None:
        if stopped.is_set():
            raise _StoppedError

    def until_stopped() -> Iterator[Result]:
        for result in results:
            check()
            yield result

    @contextlib.contextmanager
    def open_until_stopped(bucket: str, key: str, content_type: str) -> Iterator[ObjectWriter]:
        with open_writer(bucket, key, content_type) as opened:
            yield opened
            check()

    loop = asyncio.get_running_loop()
    writing = loop.run_in_executor(None, write_results, writer, attempt, until_stopped(), open_until_stopped)
    try:
        await asyncio.wait([writing])
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([writing])
        writing.exception()  # of no interest any more, and asyncio warns of what nobody has looked at
        raise
    return writing.result()


def _results(map_run: MapRun, inputs: InputQueue, maps: MapServices) -> Iterator[Result]:
    for record in maps.map_runs.store.records(map_run.row.id, map_run.row.covered_segment):
        yield child_result(record, map_run.row)
    for waiting in inputs.rest():
        if waiting.record is None:
            yield pending_result(waiting)


def _collect(state: State, writer: WriterSettings, map_run: MapRun, maps: MapServices) -> Json:
    """Return the children's results as one array in the order of the items; there must be room for it in a payload."""
    texts: list[tuple[int, list[str]]] = []
    size = 1
    for record in maps.map_runs.store.records(map_run.row.id):
        own = list(formatted(child_result(record, map_run.row), writer.transformation))
        size += sum(text_size_bytes(text) + 1 for text in own)
        if size > MAX_PAYLOAD_BYTES:
            raise DataLimitExceededError(
                f"The state/task '{state.name}' returned a result with a size exceeding"
                " the maximum number of bytes service limit."
            )
        texts.append((record.position, own))
    return [json.loads(text) for _position, own in sorted(texts) for text in own]
