"""A run and the runs whose failed items it completes: one result of all of them, every item counted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Any

from lambdas import coverage, indexed_items, record_files, result_files
from lambdas.coverage import Coverage
from lambdas.errors import InvalidInputError, MissingResultsError, OverlappingResultsError, ResultFileError
from lambdas.item_sources import MAX_ITEM_BYTES
from lambdas.part_reading import NO_RESULT
from lambdas.records import interpret
from lambdas.reduction import Blocks, Combining, RecordReader
from lambdas.result_files import Place, ResultFile
from lambdas.runs import RunSettings, read_settings

# Sum holds of each of them a batch at a time, all at once.
MAX_RUNS = 100


def read_chain(bucket: str, settings: RunSettings) -> list[RunSettings]:
    """Return a run after those that it completes, the first of them first.

    Raises
    ------
    InvalidInputError
        If there are too many.
    ResultFileError
        If one has another workload or other params.
    """
    chain = [settings]
    while (name := chain[-1].redrive_of) is not None:
        if len(chain) == MAX_RUNS:
            raise InvalidInputError(f"run {settings.name} is the last of {MAX_RUNS} runs that complete each other")
        earlier = read_settings(bucket, name)
        if _computed(earlier) != _computed(settings):
            raise ResultFileError(f"run {settings.name} has another workload or other params than {name}")
        chain.append(earlier)
    return chain[::-1]


def _computed(settings: RunSettings) -> tuple[Any, ...]:
    return settings.workload, settings.workload_sha256, settings.params


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
        cls, blocks: Blocks, settings: RunSettings, files: list[ResultFile], combining: Combining | None
    ) -> "Link":
        """Read all records, combine their results, and check that they cover every batch of the run.

        Raises
        ------
        MissingResultsError, OverlappingResultsError
            If they don't.
        ResultFileError
            If one is broken, or of another run.
        """
        if not files:
            raise MissingResultsError(
                f"the manifest lists no result files, run {settings.name} has {settings.item_count} items"
            )
        bucket = blocks.bucket
        covered = coverage.read_coverage(bucket, settings)
        for file_number, file in enumerate(files):
            for place, value in result_files.stream_records(bucket, file, file_number):
                with _named_place(bucket, file.key, place):
                    record = interpret(value, settings.name, file.status)
                    if covered.note(record, file.status, place) and combining is not None:
                        combining.take(record, settings.name)
        covered.check_complete()
        return cls(settings, files, covered, RecordReader(blocks, settings, files))

    def indexes(self) -> Iterator[int]:
        """Yield the index of every item of a redrive."""
        return (index for index, _ in indexed_items.read_lines(self.reader.bucket, self.settings.name))

    def failed_items(self) -> Iterator[tuple[int, str]]:
        """Yield index and error of every item without a result, in order."""
        failures = self.reader.failed_items(self.coverage)
        return failures if self.settings.redrive_of is None else self._indexed(failures)

    def _indexed(self, failures: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        lines = enumerate(self.indexes())
        for position, error in failures:
            index = next((index for line, index in lines if line == position), None)
            if index is None:
                raise ResultFileError(f"items.jsonl of run {self.settings.name} ends before line {position + 1}")
            yield index, error


def read_links(
    bucket: str, runs: list[RunSettings], files: list[ResultFile], combining: Combining | None
) -> list[Link]:
    """Return the records of all runs of a chain.

    Parameters
    ----------
    files
        Those of the last run.

    Raises
    ------
    MissingResultsError
        If items have no result in one run and are not in the next, or the other way round.
    """
    links = []
    blocks = Blocks(bucket)
    for settings in runs[:-1]:
        kept = record_files.find_kept_files(bucket, settings)
        links.append(Link.read(blocks, settings, kept, combining))
    links.append(Link.read(blocks, runs[-1], files, combining))
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
    found: Iterator[Any] = iter(())
    for link in reversed(links):
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
