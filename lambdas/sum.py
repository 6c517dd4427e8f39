"""Sum reads the result files of a run, checks them, and combines the results to the answer."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lambdas import workloads
from lambdas.batch.workload import Workload
from lambdas.contract.keys import run_key
from lambdas.contract.limits import MAX_OUTPUT_BYTES
from lambdas.items import batches
from lambdas.items.inputs import RUN_NAME
from lambdas.results import chain, final_result, record_files
from lambdas.results.chain import Link
from lambdas.results.final_result import FinalResult
from lambdas.results.reduction import Collecting, Combining, loaded
from lambdas.run_files import environment, json_text, storage
from lambdas.run_files.errors import PASSED_ON, FailureToleranceExceededError, InvalidEventError, WorkloadError
from lambdas.run_files.failures import Failure
from lambdas.run_files.object_writer import ObjectWriter
from lambdas.run_files.runs import RunSettings, settings_now

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
             "code_versions": int,        # of the workload's file, where more than one had a part in the result
             "result_file": "s3://...",
             "results_file": "s3://...",  # results.jsonl, of a workload without combine
             "failed_items": {"first": [index, ...], "file": "s3://..."}}   # where failed > 0
    """
    run = read_run(event)
    LOGGER.info("summing %s", run)
    bucket = environment.results_bucket()
    settings = settings_now(bucket, run)
    workload = workloads.load_for_sum(settings)
    output = Answer(bucket, settings, workload, event).compute()
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
        files = None
        if not self.settings.only_finishes:
            files = record_files.find_files(self.bucket, self.settings, self.event)
            record_files.keep(self.bucket, self.settings.name, self.event)
        combining = self._combining()
        links = chain.read_links(self.bucket, chain.read_chain(self.bucket, self.settings), files, combining)
        self._count_failed(links)
        if combining is not None:
            return self._write_output(self._finish(combining.value))
        return self._collect(links)

    def _combining(self) -> Combining | None:
        combine = self.workload.combine
        return None if combine is None else Combining(self.bucket, combine, self.workload.file)

    def _count_failed(self, links: list[Link]) -> None:
        item_count, failed = links[0].coverage.item_count, links[-1].coverage.failed_item_count
        self.output |= {
            "complete": failed == 0,
            "count": item_count - failed,
            "failed": failed,
            "duplicates": sum(link.coverage.duplicates for link in links),
        }
        if len(self.settings.versions) > 1:
            self.output["code_versions"] = len(self.settings.versions)
        if failed == 0:
            return
        first, failure = self._list_failed(links[-1])
        self.output["failed_items"] = {"first": first, "file": self._uri("failed.jsonl")}
        percentage = self.settings.tolerated_failure_percentage
        if failed > batches.tolerated_items(item_count, percentage):
            of_all = f"{failed} of {json_text.counted(item_count, 'item')} failed"
            raise FailureToleranceExceededError(
                f"{of_all}, {percentage:g} % are tolerated; first of them {', '.join(map(str, first))}; all of them in "
                f"{self._uri('failed.jsonl')}; item {first[0]}: {failure}",
                failure,
                index=first[0],
            )

    def _list_failed(self, link: Link) -> tuple[list[int], Failure | None]:
        """Write what a run on just the failed items needs; return the first of them, and how the very first failed."""
        first: list[int] = []
        first_failure: Failure | None = None
        with ObjectWriter(self.bucket, run_key(self.settings.name, "failed.jsonl")) as writer:
            for index, failure in link.failed_items():
                writer.write(f"{json_text.to_text({'index': index, **failure.to_json()})}\n".encode())
                first_failure = first_failure or failure
                if len(first) < FIRST_FAILED_COUNT:
                    first.append(index)
        return first, first_failure

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
        except PASSED_ON:
            raise
        except BaseException as error:
            sentence = f"finish of workload {self.workload.name} raised"
            raise WorkloadError.of(error, self.workload.file, sentence) from error

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
