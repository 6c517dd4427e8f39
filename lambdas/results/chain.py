"""A run and the earlier runs that it completes: one result of all of them, with every item counted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

from lambdas.contract.limits import MAX_ITEM_BYTES
from lambdas.results import batch_coverage as coverage
from lambdas.results import record_files, result_files
from lambdas.results.batch_coverage import Coverage
from lambdas.results.part_reading import NO_RESULT
from lambdas.results.record_files import Records
from lambdas.results.records import interpret
from lambdas.results.reduction import Blocks, Combining, RecordReader
from lambdas.results.result_files import Place, ResultFile
from lambdas.run_files import indexed_items, json_text
from lambdas.run_files.errors import InvalidInputError, MissingResultsError, OverlappingResultsError, ResultFileError
from lambdas.run_files.failures import Failure
from lambdas.run_files.runs import RunSettings, settings_now

# Sum holds of each of them a batch at a time, all at once.
MAX_RUNS = 100


def read_chain(bucket: str, settings: RunSettings) -> list[RunSettings]:
    """Return a run after those that it completes, the first of them first; one that only finished another is left out.

    Raises
    ------
    InvalidInputError
        If there are too many.
    ResultFileError
        If one has another workload or other params.
    """
    later, chain = settings, [] if settings.only_finishes else [settings]
    while (name := later.redrive_of) is not None:
        if len(chain) == MAX_RUNS:
            raise InvalidInputError(f"run {settings.name} is the last of {MAX_RUNS} runs that complete each other")
        earlier = settings_now(bucket, name)
        _check_same_work(earlier, later)
        chain.append(earlier)
        later = earlier
    return chain[::-1]


def _check_same_work(earlier: RunSettings, later: RunSettings) -> None:
    """Refuse to join results of different work, but for the versions of a workload's file that Start was told of."""
    if (earlier.workload, earlier.params) != (later.workload, later.params) or not earlier.versions <= later.versions:
        raise ResultFileError(f"run {later.name} has another workload or other params than {earlier.name}")


@contextmanager
def _named_place(bucket: str, key: str, place: Place) -> Iterator[None]:
    """Say of a bad record where it is."""
    try:
        yield
    except (ResultFileError, OverlappingResultsError) as error:
        raise type(error)(f"{error} (record at byte {place.offset} of s3://{bucket}/{key})") from error


@dataclass
class Link:
    """The records of one run of a chain."""

    settings: RunSettings
    files: list[ResultFile]
    coverage: Coverage
    reader: RecordReader

    @classmethod
    def read(
        cls, blocks: Blocks, settings: RunSettings, records: Records, combining: Combining | None = None
    ) -> "Link":
        """Read all records, combine their results, and check that they cover every batch that they should.

        Raises
        ------
        MissingResultsError, OverlappingResultsError
            If they don't.
        ResultFileError
            If one is broken, or of another run.
        """
        files = records.files
        if records.whole and not files:
            raise MissingResultsError(
                f"the manifest lists no result files, run {settings.name} has "
                f"{json_text.counted(settings.item_count, 'item')}"
            )
        bucket = blocks.bucket
        covered = coverage.read_coverage(bucket, settings)
        for file_number, file in enumerate(files):
            for place, value in result_files.stream_records(bucket, file, file_number):
                with _named_place(bucket, file.key, place):
                    record = interpret(value, settings.name, file.status)
                    if covered.note(record, file.status, place) and combining is not None:
                        combining.take(record, settings.name)
        if records.whole:
            covered.check_complete()
        else:
            covered.count_unseen_as_failed()
        return cls(settings, files, covered, RecordReader(blocks, settings, files))

    def indexes(self) -> Iterator[int]:
        """Yield the index of every item of a redrive."""
        return (index for index, _ in indexed_items.read_lines(self.reader.bucket, self.settings.name))

    def failed_items(self) -> Iterator[tuple[int, Failure]]:
        """Yield index and failure of every item without a result, in order."""
        failures = self.reader.failed_items(self.coverage)
        return failures if self.settings.redrive_of is None else self._indexed(failures)

    def _indexed(self, failures: Iterator[tuple[int, Failure]]) -> Iterator[tuple[int, Failure]]:
        lines = enumerate(self.indexes())
        for position, failure in failures:
            index = next((index for line, index in lines if line == position), None)
            if index is None:
                raise ResultFileError(f"items.jsonl of run {self.settings.name} ends before line {position + 1}")
            yield index, failure


def read_links(
    bucket: str, runs: list[RunSettings], files: list[ResultFile] | None, combining: Combining | None
) -> list[Link]:
    """Return the records of all runs of a chain.

    Parameters
    ----------
    files
        Result files of the last run; None if its own Sum noted them, or if it ended before.

    Raises
    ------
    MissingResultsError
        If items have no result in one run and are not in the next, or the other way round.
    """
    links = []
    blocks = Blocks(bucket)
    for settings, later in pairwise(runs):
        links.append(Link.read(blocks, settings, record_files.find_earlier(bucket, settings, later), combining))
    if files is None:
        last = record_files.find_noted(bucket, runs[-1], record_files.note_of_stopped(bucket, runs[-1]))
    else:
        last = Records(files)
    links.append(Link.read(blocks, runs[-1], last, combining))
    for before, after in pairwise(links):
        _check_continued(before, after)
    return links


def _check_continued(before: Link, after: Link) -> None:
    """Refuse a run that does not compute just the items that the run before it has no result of."""
    failed = (index for index, _ in before.failed_items())
    for open_index, index in zip_longest(failed, after.indexes()):
        if open_index == index:
            continue
        names = f"run {after.settings.name}", f"run {before.settings.name}"
        if index is None or (open_index is not None and open_index < index):
            raise MissingResultsError(f"item {open_index} failed in {names[1]}, and {names[0]} does not compute it")
        raise OverlappingResultsError(f"item {index} is computed by {names[0]}, and has its result in {names[1]}")


def results(links: list[Link]) -> Iterator[Any]:
    """Yield the result of every item in order, as ``Listed``: ``NO_RESULT`` for an item without one."""
    *earlier, latest = links
    found = latest.reader.results(latest.coverage)
    for link in reversed(earlier):
        found = _completed(link.reader.results(link.coverage), found)
    return found


def items(bucket: str, links: list[Link]) -> Iterator[bytes]:
    """Yield every item of the first run, whose items are those of all, as JSON in their order."""
    first = links[0].settings
    if coverage.has_range(bucket, first.name):
        return (b"%d" % index for index in range(first.item_count))
    lines = indexed_items.read_checked_lines(bucket, first.name, max_line_bytes=MAX_ITEM_BYTES)
    return (line.rstrip(b"\n") for line in lines)


def _completed(values: Iterator[Any], later: Iterator[Any]) -> Iterator[Any]:
    """Yield results of a run, those of the runs after it where it has none."""
    return (next(later, NO_RESULT) if value is NO_RESULT else value for value in values)
