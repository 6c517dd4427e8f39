"""Failed items, one by one: from result files, or from the children themselves while the Map Run goes on."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from hpc.errors import LostRunError
from hpc.runs.children import attempts, list_children
from hpc.runs.failures import details_of, reported
from hpc.runs.items import batch_items, has_lost_files, last_index, read_batches
from hpc.runs.result_files import NoManifestError, intact, manifest_key, read_records
from hpc.runs.run import Run
from hpc.runs.watch import Seen
from hpc.targets.client import explained

FAILED_STATUSES = ("FAILED", "TIMED_OUT")


@dataclass(frozen=True)
class FailedItem:
    """One item without a result; ``attempts`` of its batch's child, None where the child left no history."""

    index: int
    input: Any
    error: str
    cause: str
    attempts: int | None
    batch: int | None
    # Traceback of the workload's code; empty if no such code was involved.
    traceback: str = ""


# Number of the item, error type, message, traceback.
Told = tuple[int, str, str, str]


class FailedItems:
    """Streams the failed items of a run; ``batches`` and ``not_computed`` are complete when the stream has ended.

    Attributes
    ----------
    batches : Counter
        Children that did not succeed, by status.
    not_computed : int
        Items without an error of their own: their batch ended at another one, or was stopped, or never started.
    is_known : bool
        False of a run on AWS Batch that did not come to Sum, which alone names its failed items, and of one whose
        files are gone.
    """

    def __init__(self, run: Run, seen: Seen) -> None:
        self._run = run
        self._seen = seen
        self.batches: Counter[str] = Counter()
        self.not_computed = 0
        self.is_known = True

    def __iter__(self) -> Iterator[FailedItem]:
        """Yield the items.

        Raises
        ------
        LostRunError
            If what the run left can't be read.
        """
        settings = self._run.settings
        if settings is None:
            # Where Start failed there is no item.
            self.is_known = not has_lost_files(self._run)
            return
        with explained(LostRunError, "reading the failed items"):
            if settings.get("back_end", "lambda") != "lambda":
                yield from self._from_sum()
            elif self._seen.map_run is not None:
                yield from self._from_children(self._seen.map_run, settings)

    def _from_children(self, map_run: dict[str, Any], settings: dict[str, Any]) -> Iterator[FailedItem]:
        # Where no failure is tolerated a child that succeeded has none: half of the files need not be read.
        tolerant = settings["tolerated_failure_percentage"] > 0
        statuses = ["SUCCEEDED", "FAILED", "PENDING"] if tolerant else ["FAILED", "PENDING"]
        try:
            for record in read_records(self._run.target, manifest_key(self._run.name, map_run), statuses):
                yield from self._of_record(record)
        except NoManifestError:
            yield from self._of_running(map_run["mapRunArn"])

    def _of_running(self, map_run_arn: str) -> Iterator[FailedItem]:
        for status in (*FAILED_STATUSES, "ABORTED"):
            for child in list_children(self._run.target, map_run_arn, status):
                described = self._run.target.stepfunctions.describe_execution(executionArn=child["executionArn"])
                names = {"executionArn": "ExecutionArn", "input": "Input", "error": "Error", "cause": "Cause"}
                record = {there: described[here] for here, there in names.items() if here in described}
                yield from self._of_record(record | {"Status": status})

    def _of_record(self, record: dict[str, Any]) -> Iterator[FailedItem]:
        status, batch = record["Status"], _batch(record)
        if status == "SUCCEEDED":
            yield from self._of_parts(record, batch)
            return
        self.batches[status] += 1
        if status not in FAILED_STATUSES:
            self.not_computed += batch["count"]
            return
        tried = attempts(self._run.target, record["ExecutionArn"])
        error, cause = reported(record.get("Error", status), record.get("Cause", ""))
        details = details_of(record.get("Error", status), record.get("Cause", ""))
        if isinstance(details.get("index"), int):
            # The item that the child failed at; the other items of its batch have no result either.
            self.not_computed += batch["count"] - 1
            yield from self._with_inputs(batch, iter([_told(details)]), tried)
            return
        positions = range(batch["first"], batch["first"] + batch["count"])
        failures = ((position, error, cause, str(details.get("traceback", ""))) for position in positions)
        yield from self._with_inputs(batch, failures, tried, by_position=True)

    def _of_parts(self, record: dict[str, Any], batch: dict[str, Any]) -> Iterator[FailedItem]:
        for part in json.loads(record["Output"])["parts"]:
            whole = self._spilled(part["key"]) if part.get("failed_count") else part
            failures = map(_told, whole.get("failed", ()))
            # A workload's exception is not retried.
            yield from self._with_inputs(batch, failures, 1, by_position=True)

    def _spilled(self, key: str) -> dict[str, Any]:
        body = self._run.target.s3.get_object(Bucket=self._run.target.bucket, Key=key)["Body"]
        with intact(self._run.target, key):
            return dict(json.load(body))

    def _with_inputs(
        self,
        batch: dict[str, Any],
        failures: Iterator[Told],
        tried: int | None,
        *,
        by_position: bool = False,
    ) -> Iterator[FailedItem]:
        """Read the batch's items along with its failures, which name them by index or by position, both in order."""
        items: Iterator[tuple[int, tuple[int, Any]]] | None = None
        for number, error, cause, traceback in failures:
            if "key" not in batch:
                yield FailedItem(number, number, error, cause, tried, batch["batch"], traceback)
                continue
            items = items or enumerate(batch_items(self._run, batch), batch["first"])
            named = (found for position, found in items if number == (position if by_position else found[0]))
            index, item = next(named, (number, None))
            yield FailedItem(index, item, error, cause, tried, batch["batch"], traceback)

    def _from_sum(self) -> Iterator[FailedItem]:
        """Read what Sum wrote: jobs of AWS Batch leave no record of a child."""
        if not self._run.has("failed.jsonl"):
            self.is_known = self._seen.status == "SUCCEEDED"
            return
        key = self._run.key("failed.jsonl")
        body = self._run.target.s3.get_object(Bucket=self._run.target.bucket, Key=key)["Body"]
        with intact(self._run.target, key):
            failures = (json.loads(line) for line in body.iter_lines(chunk_size=65_536))
            for batch, group in self._by_batch(failures):
                yield from self._with_inputs(batch, map(_told, group), None)

    def _by_batch(
        self, failures: Iterator[dict[str, Any]]
    ) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]]]]:
        """Yield each batch that has failures, with them; both are read once, in order of index."""
        batches = read_batches(self._run)
        batch: dict[str, Any] = {}
        last = -1

        def number_of(failure: dict[str, Any]) -> int:
            nonlocal batch, last
            while failure["index"] > last:
                following = next(batches, None)
                if following is None:
                    raise LostRunError(f"batches.jsonl of {self._run.name} ends before item {failure['index']}")
                batch, last = following, last_index(self._run, following)
            return int(batch["batch"])

        for _, group in groupby(failures, number_of):
            yield batch, group


def _batch(record: dict[str, Any]) -> dict[str, Any]:
    try:
        batch = json.loads(record["Input"])["batch"]
        return {**batch, "first": int(batch["first"]), "count": int(batch["count"])}
    except (ValueError, KeyError, TypeError) as error:
        raise LostRunError(
            f"the record of {record.get('ExecutionArn', 'a child')} does not name its batch: {error!r}"
        ) from error


def _told(failure: dict[str, Any]) -> Told:
    return int(failure["index"]), str(failure["error_type"]), str(failure["message"]), str(failure["traceback"])
