"""Sum: from the result files of a run to its answer."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lambdas import (
    batches,
    chain,
    environment,
    final_result,
    json_text,
    record_files,
    storage,
    workloads,
)
from lambdas.chain import Link
from lambdas.contract import Workload
from lambdas.errors import (
    FailureToleranceExceededError,
    InvalidEventError,
    ResultFileError,
    StorageAccessError,
    StorageUnavailableError,
    WorkloadError,
)
from lambdas.final_result import FinalResult
from lambdas.inputs import RUN_NAME
from lambdas.object_writer import ObjectWriter
from lambdas.parts import MAX_OUTPUT_BYTES, describe_error
from lambdas.reduction import Collecting, Combining, loaded
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

            {"result": "<JSON text>",     # absent if it is too long for a state, or JSON can't hold it
             "total_sum": "<digits>",     # where the result is an integer
             "array": "int64, shape (3,)",  # where it is an array
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
    output = Answer(bucket, settings, workloads.load(settings.workload), event).compute()
    LOGGER.info("run summed", extra={"run": run, "count": output["count"], "failed": output["failed"]})
    return output


def read_run(event: Any) -> str:
    """Return the name of the run that an event is about."""
    run = event.get("run") if isinstance(event, dict) else None
    name = run.get("name") if isinstance(run, dict) else None
    if not isinstance(name, str) or not RUN_NAME.fullmatch(name):
        raise InvalidEventError(f'Sum takes {{"run": {{"name"}}, "map_run"}}, got {json_text.shown(event)}')
    return name


@dataclass
class Answer:
    """The way from result files to an answer; ``compute`` goes it once."""

    bucket: str
    settings: RunSettings
    workload: Workload
    event: dict[str, Any]
    output: dict[str, Any] = field(default_factory=dict)

    def compute(self) -> dict[str, Any]:
        files = record_files.find_files(self.bucket, self.settings, self.event)
        runs = chain.read_chain(self.bucket, self.settings)
        combining = None if self.workload.combine is None else Combining(self.bucket, self.workload.combine)
        links = chain.read_links(self.bucket, runs, files, combining)
        self._count_failed(links)
        if combining is not None:
            return self._write_output(self._finish(combining.value))
        return self._collect(links)

    def _count_failed(self, links: list[Link]) -> None:
        item_count, failed = links[0].coverage.item_count, links[-1].coverage.failed_item_count
        self.output |= {
            "complete": failed == 0,
            "count": item_count - failed,
            "failed": failed,
            "duplicates": sum(link.coverage.duplicates for link in links),
        }
        if failed == 0:
            return
        first = self._list_failed(links[-1])
        self.output["failed_items"] = {"first": first, "file": self._uri("failed.jsonl")}
        percentage = self.settings.tolerated_failure_percentage
        if failed > batches.tolerated_items(item_count, percentage):
            raise FailureToleranceExceededError(
                f"{failed} of {item_count} items failed, {percentage:g} % are tolerated; first of them "
                f"{', '.join(map(str, first))}; all of them in {self._uri('failed.jsonl')}"
            )

    def _list_failed(self, link: Link) -> list[int]:
        """Write what a run on just the failed items needs; return the first of them."""
        first: list[int] = []
        with ObjectWriter(self.bucket, run_key(self.settings.name, "failed.jsonl")) as writer:
            for index, error in link.failed_items():
                writer.write(f"{json_text.to_text({'index': index, 'error': error})}\n".encode())
                if len(first) < FIRST_FAILED_COUNT:
                    first.append(index)
        record_files.keep(self.bucket, self.settings.name, self.event)
        return first

    def _collect(self, links: list[Link]) -> dict[str, Any]:
        self.output["results_file"] = self._uri("results.jsonl")
        finished = None
        with ObjectWriter(self.bucket, run_key(self.settings.name, "results.jsonl")) as writer:
            collecting = Collecting(writer, chain.items(self.bucket, links))
            results = collecting.through(chain.results(links))
            if self.workload.finish is not None:
                finished = self._finish(loaded(results))
            # A finish that stops early does not shorten the file.
            for _ in results:
                pass
        return self._write_output(finished or final_result.of_texts(collecting.text))

    def _finish(self, value: Any) -> FinalResult:
        """Write the result to a file of its own, where it has one, and return what is said of it."""
        if self.workload.finish is not None:
            with self._named_errors():
                # A copy: the settings are those of every invocation that is still to come here.
                value = self.workload.finish(value, params=copy.deepcopy(self.settings.params))
        if isinstance(value, bytes):
            value = iter([value])
        if isinstance(value, Iterator):
            self._write_stream(value)
            return FinalResult("result.bin")
        try:
            return final_result.kept(value, ObjectWriter(self.bucket, run_key(self.settings.name, "result.npy")))
        except (TypeError, ValueError) as error:
            raise WorkloadError(f"the result of workload {self.workload.name} can't be kept: {error}") from error

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

    def _write_output(self, result: FinalResult) -> dict[str, Any]:
        """Write result.json, which has the result whatever its length, and return what a state can carry."""
        output = self.output | {"result_file": self._uri(result.file)}
        whole = result.fields | output
        storage.put_json(self.bucket, run_key(self.settings.name, "result.json"), whole | result.kept)
        if len(json_text.to_text(whole)) <= MAX_OUTPUT_BYTES:
            return whole
        return {name: text for name, text in result.fields.items() if name == "array"} | output

    def _uri(self, file: str) -> str:
        return f"s3://{self.bucket}/{run_key(self.settings.name, file)}"
