"""Sum: from the result files of a run to its answer."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lambdas import batches, coverage, environment, job_results, json_text, result_files, storage, workloads
from lambdas.contract import Workload
from lambdas.coverage import Coverage
from lambdas.errors import (
    FailureToleranceExceededError,
    InvalidEventError,
    MissingResultsError,
    ResultFileError,
    StorageAccessError,
    StorageUnavailableError,
    WorkloadError,
)
from lambdas.inputs import RUN_NAME
from lambdas.object_writer import ObjectWriter
from lambdas.parts import MAX_OUTPUT_BYTES, describe_error
from lambdas.records import interpret
from lambdas.reduction import Collecting, Combining, RecordReader, loaded
from lambdas.result_files import ResultFile
from lambdas.runs import RunSettings, read_settings, run_key

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
FIRST_FAILED_COUNT = 10
END = object()


def handler(event: Any, _context: Any) -> dict[str, Any]:
    r"""Reduce the results of a run to its answer, and write that to result.json.

    Parameters
    ----------
    event
        The whole state, as far as it is read here::

            {"run": {"name": str},
             "map_run": {"MapRunArn": str, "ResultWriterDetails": {"Bucket": str, "Key": str}},  # of back_end lambda
             "callback": {"key": str}}                                                           # of batch_callback

    Returns
    -------
    dict
        ::

            {"result": "<JSON text>",     # absent if it is too long for a state, or bytes
             "total_sum": "<digits>",     # where the result is an integer
             "complete": bool,            # whether every item has its part in the result
             "count": int, "failed": int, # items with and without a result
             "duplicates": int,           # batches that had a second record
             "result_file": "s3://...",
             "results_file": "s3://...",  # results.jsonl, of a workload without combine
             "failed_items": {"first": [index, ...], "file": "s3://..."}}   # where failed > 0
    """
    run = read_run(event)
    bucket = environment.results_bucket()
    settings = read_settings(bucket, run)
    files = find_files(bucket, settings, event)
    answer = Answer(bucket, settings, workloads.load(settings.workload), files)
    output = answer.compute()
    LOGGER.info("run summed", extra={"run": run, "count": output["count"], "failed": output["failed"]})
    return output


def read_run(event: Any) -> str:
    """Return the name of the run that an event is about."""
    run = event.get("run") if isinstance(event, dict) else None
    name = run.get("name") if isinstance(run, dict) else None
    if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
        raise InvalidEventError(f'Sum takes {{"run": {{"name"}}, "map_run"}}, got {json_text.shown(event)}')
    return name


def find_files(bucket: str, settings: RunSettings, event: dict[str, Any]) -> list[ResultFile]:
    """Return what holds the records of a run: result files of its map, or parts that its jobs wrote."""
    match settings.back_end:
        case "batch":
            return job_results.array_parts(settings)
        case "batch_callback":
            return job_results.callback_parts(settings, event.get("callback"))
        case _:
            return result_files.read_manifest(bucket, run_key(settings.name, "map/"), event.get("map_run"))


@dataclass
class Answer:
    """The way from result files to an answer; ``compute`` goes it once."""

    bucket: str
    settings: RunSettings
    workload: Workload
    files: list[ResultFile]
    output: dict[str, Any] = field(default_factory=dict)

    def compute(self) -> dict[str, Any]:
        if not self.files:
            raise MissingResultsError(
                f"the manifest lists no result files, the run has {self.settings.item_count} items"
            )
        combining = None
        if self.workload.combine is not None:
            combining = Combining(self.bucket, self.settings.name, self.workload.combine)
        covered = self._read_records(combining)
        reader = RecordReader(self.bucket, self.settings, self.files)
        self._count_failed(covered, reader)
        if combining is not None:
            return self._write_output(*self._finish(combining.value))
        return self._collect(covered, reader)

    def _read_records(self, combining: Combining | None) -> Coverage:
        covered = coverage.read_coverage(self.bucket, self.settings)
        for file_number, file in enumerate(self.files):
            for place, value in result_files.stream_records(self.bucket, file, file_number):
                record = interpret(value, self.settings.name, file.status)
                if covered.note(record, file.status, place) and combining is not None:
                    combining.take(record)
        covered.check_complete()
        return covered

    def _count_failed(self, covered: Coverage, reader: RecordReader) -> None:
        item_count, failed = covered.item_count, covered.failed_item_count
        self.output |= {
            "complete": failed == 0,
            "count": item_count - failed,
            "failed": failed,
            "duplicates": covered.duplicates,
        }
        if failed == 0:
            return
        first: list[int] = []
        with ObjectWriter(self.bucket, run_key(self.settings.name, "failed.jsonl")) as writer:
            for index, error in reader.failed_items(covered):
                writer.write(f"{json_text.to_text({'index': index, 'error': error})}\n".encode())
                if len(first) < FIRST_FAILED_COUNT:
                    first.append(index)
        self.output["failed_items"] = {"first": first, "file": self._uri("failed.jsonl")}
        percentage = self.settings.tolerated_failure_percentage
        if failed > batches.tolerated_items(item_count, percentage):
            raise FailureToleranceExceededError(
                f"{failed} of {item_count} items failed, {percentage:g} % are tolerated; first of them "
                f"{', '.join(map(str, first))}; all of them in {self._uri('failed.jsonl')}"
            )

    def _collect(self, covered: Coverage, reader: RecordReader) -> dict[str, Any]:
        self.output["results_file"] = self._uri("results.jsonl")
        finished = None
        with ObjectWriter(self.bucket, run_key(self.settings.name, "results.jsonl")) as writer:
            collecting = Collecting(writer)
            results = collecting.through(reader.results(covered))
            if self.workload.finish is not None:
                finished = self._finish(loaded(results))
            # A finish that stops early does not shorten the file.
            for _ in results:
                pass
        return self._write_output(*(finished or in_text(collecting.text)))

    def _finish(self, value: Any) -> tuple[dict[str, str], str]:
        """Return the result as a state has it, and the file that has it whatever its length."""
        if self.workload.finish is not None:
            with self._named_errors():
                value = self.workload.finish(value, params=self.settings.params)
        if isinstance(value, bytes):
            value = iter([value])
        if isinstance(value, Iterator):
            self._write_stream(value)
            return {}, "result.bin"
        try:
            text = json_text.checked_text(value)
        except (TypeError, ValueError) as error:
            raise WorkloadError(
                f"the result of workload {self.workload.name} is neither JSON nor bytes: {error}"
            ) from error
        is_integer = text.lstrip("-").isdigit()
        return {"result": text, **({"total_sum": text} if is_integer else {})}, "result.json"

    def _write_stream(self, blocks: Iterator[Any]) -> None:
        with ObjectWriter(self.bucket, run_key(self.settings.name, "result.bin")) as writer:
            while True:
                with self._named_errors():
                    block = next(blocks, END)
                if block is END:
                    return
                if not isinstance(block, bytes):
                    raise WorkloadError(
                        f"finish of workload {self.workload.name} must yield bytes, or return one JSON value; it "
                        f"yielded {type(block).__name__}"
                    )
                writer.write(block)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except (ResultFileError, StorageAccessError, StorageUnavailableError):
            raise  # from reading the results that finish asked for
        except Exception as error:
            raise WorkloadError(f"finish of workload {self.workload.name} raised: {describe_error(error)}") from error

    def _write_output(self, result: dict[str, str], result_file: str) -> dict[str, Any]:
        """Write result.json, which has the result whatever its length, and return what a state can carry."""
        output = self.output | {"result_file": self._uri(result_file)}
        whole = result | output
        storage.put_json(self.bucket, run_key(self.settings.name, "result.json"), whole)
        return whole if len(json_text.to_text(whole)) <= MAX_OUTPUT_BYTES else output

    def _uri(self, file: str) -> str:
        return f"s3://{self.bucket}/{run_key(self.settings.name, file)}"


def in_text(text: str | None) -> tuple[dict[str, str], str]:
    """Return results that nobody finished: as text where they are short, else by their file."""
    return ({}, "results.jsonl") if text is None else ({"result": text}, "result.json")
