"""Checks that the records of a run count every item exactly once."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from enum import IntEnum

from lambdas.contract.items import name_items
from lambdas.contract.keys import run_key
from lambdas.results.records import Record
from lambdas.results.result_files import Place
from lambdas.run_files.errors import MissingResultsError, OverlappingResultsError, ResultFileError
from lambdas.run_files.runs import Batch, RunSettings, read_batches


class State(IntEnum):
    """What is known of a batch."""

    UNSEEN = 0
    SUCCEEDED = 1
    SOME_FAILED = 2
    FAILED = 3
    PENDING = 4


class Coverage:
    """The batches of a run, and for each where its record is: 33 bytes a batch, whatever it holds."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._firsts = array("q")
        self._counts = array("q")
        for batch in batches:
            self._firsts.append(batch.first)
            self._counts.append(batch.count)
        size = len(self._firsts)
        self._states = bytearray(size)
        self._file_numbers = array("I", bytes(4 * size))
        self._offsets = array("q", bytes(8 * size))
        self._sizes = array("I", bytes(4 * size))
        self.duplicates = 0
        self.failed_item_count = 0

    @property
    def batch_count(self) -> int:
        return len(self._firsts)

    @property
    def item_count(self) -> int:
        return self._firsts[-1] + self._counts[-1] if self._firsts else 0

    def note(self, record: Record, status: str, place: Place) -> bool:
        """Note what a record says; return False if its batch is known already.

        Raises
        ------
        OverlappingResultsError
            If the record's items are no batch.
        """
        number = bisect_left(self._firsts, record.first)
        if number == len(self._firsts) or (self._firsts[number], self._counts[number]) != (record.first, record.count):
            raise OverlappingResultsError(
                f"a {status} record covers {name_items(record.first, record.count)}, which are no batch of this run"
            )
        if self._states[number] != State.UNSEEN:
            # A failed attempt beside a success is no second result: a redrive leaves both.
            self.duplicates += status == "SUCCEEDED"
            return False
        failed_count = record.failed_count if status != "PENDING" else record.count
        self.failed_item_count += failed_count
        self._states[number] = (
            (State.SOME_FAILED if failed_count else State.SUCCEEDED) if status == "SUCCEEDED" else State[status]
        )
        self._file_numbers[number], self._offsets[number], self._sizes[number] = place
        return True

    def check_complete(self) -> None:
        """Refuse gaps.

        Raises
        ------
        MissingResultsError
            With the number of batches and the items of the first of them.
        """
        missing_count = self._states.count(State.UNSEEN)
        if missing_count:
            number = self._states.index(State.UNSEEN)
            raise MissingResultsError(
                f"{missing_count} of {self.batch_count} batches have no record in the result files, "
                f"first of them {name_items(self._firsts[number], self._counts[number])}"
            )

    def count_unseen_as_failed(self) -> None:
        """Count the items of batches without a record: they have no result."""
        self.failed_item_count += sum(
            count for count, state in zip(self._counts, self._states, strict=True) if state == State.UNSEEN
        )

    def batches(self) -> Iterator[tuple[Batch, State, Place]]:
        """Yield all batches in order of items."""
        for number, state in enumerate(self._states):
            yield (
                Batch(number, self._firsts[number], self._counts[number]),
                State(state),
                Place(self._file_numbers[number], self._offsets[number], self._sizes[number]),
            )


def has_range(bucket: str, run: str) -> bool:
    """Whether the items of a run are a range, not the lines of a file."""
    return next(read_batches(bucket, run), Batch(0, 0, 0)).key is None


def read_coverage(bucket: str, settings: RunSettings) -> Coverage:
    """Return the coverage of a run of which nothing is known yet.

    Raises
    ------
    ResultFileError
        If batches.jsonl is broken or not the one that run.json counts.
    """
    coverage = Coverage(read_batches(bucket, settings.name))
    counts = (coverage.batch_count, coverage.item_count)
    expected = (settings.batch_count, settings.item_count)
    if counts != expected:
        key = run_key(settings.name, "batches.jsonl")
        raise ResultFileError(
            f"s3://{bucket}/{key} is broken: it has {counts[0]} batches of {counts[1]} items, run.json says "
            f"{expected[0]} of {expected[1]}"
        )
    return coverage
