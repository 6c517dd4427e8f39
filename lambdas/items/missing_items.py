"""Finds the items of an earlier run that have no result: the items of a run that completes it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

from lambdas.contract.keys import run_key
from lambdas.contract.limits import (
    MAX_ERROR_MESSAGE_CHARACTERS,
    MAX_ERROR_TRACEBACK_CHARACTERS,
    MAX_ERROR_TYPE_CHARACTERS,
    MAX_ITEM_BYTES,
)
from lambdas.items import inputs
from lambdas.items.inputs import RunInput
from lambdas.items.item_sources import Item
from lambdas.results import batch_coverage as coverage
from lambdas.results import chain, record_files
from lambdas.results.reduction import Blocks
from lambdas.run_files import indexed_items, json_text, storage
from lambdas.run_files.errors import InvalidInputError, ResultFileError, StorageAccessError
from lambdas.run_files.runs import RunSettings, settings_now

# Index and failure, whose characters are up to 12 bytes each as JSON.
MAX_FAILURE_BYTES = (
    12 * (MAX_ERROR_TYPE_CHARACTERS + MAX_ERROR_MESSAGE_CHARACTERS + MAX_ERROR_TRACEBACK_CHARACTERS) + 200
)


class Earlier(NamedTuple):
    """The run that a redrive completes.

    Attributes
    ----------
    named
        The run that a person named.
    runs
        The runs that the redrive completes, the last of them last: ``named`` or, where that only finished another run,
        the one with the results; and those before it.
    records
        Where the last of them has its records, if it ended before its Sum; else nothing.
    """

    named: RunSettings
    runs: list[RunSettings]
    records: dict[str, Any]


def read_earlier(bucket: str, name: str) -> Earlier:
    """Return run ``name``, and the runs that a redrive of it completes.

    Raises
    ------
    InvalidInputError
        If the run has no files, or may go on.
    ResultFileError, StorageAccessError
        If records of one of them are broken or gone.
    """
    try:
        named = settings_now(bucket, name)
        settings = _computing(bucket, named)
        note = record_files.note_of_stopped(bucket, settings)
        records = record_files.find_noted(bucket, settings, note)
    except StorageAccessError as error:
        raise InvalidInputError(f"redrive_of must be a run whose files are there, got {name}: {error}") from error
    runs = chain.read_chain(bucket, settings)
    if len(runs) == chain.MAX_RUNS:
        raise InvalidInputError(f"run {name} is the last of {len(runs)} runs that complete each other: start a new one")
    record_files.check_present(bucket, settings, records.files)
    for earlier, later in pairwise(runs):
        record_files.check_present(bucket, earlier, record_files.find_earlier(bucket, earlier, later).files)
    return Earlier(named, runs, note)


def _computing(bucket: str, settings: RunSettings) -> RunSettings:
    """Return the run that has the results: the run itself, or that which it only finished."""
    while settings.only_finishes:
        assert settings.redrive_of is not None
        settings = settings_now(bucket, settings.redrive_of)
    return settings


def as_in(run_input: RunInput, earlier: RunSettings) -> RunInput:
    """Return the input with what a redrive has from the run before it."""
    return replace(
        run_input,
        redrive_of=earlier.name,
        workload=earlier.workload,
        uploaded_workload=run_input.uploaded_workload or earlier.package_sha256,
        params=earlier.params,
        tolerated_failure_percentage=earlier.tolerated_failure_percentage,
        back_end=run_input.back_end if run_input.is_back_end_given else inputs.checked_back_end(earlier.back_end),
    )


def open_missing(bucket: str, earlier: RunSettings, records: dict[str, Any]) -> Iterator[Item]:
    """Yield the items of a run that have no result, as lines with their indexes.

    Parameters
    ----------
    records
        Where its records are, if it ended before its Sum.

    Raises
    ------
    InvalidInputError
        If there is none.
    ResultFileError
        If the run's files contradict each other.
    """
    if _is_complete(bucket, earlier.name):
        raise InvalidInputError(f"redrive_of must be a run with failed items, {earlier.name} has none")
    failed = _indexes_in(bucket, earlier, records) if records else _failed_indexes(bucket, earlier.name)
    if coverage.has_range(bucket, earlier.name):
        lines = _of_range(failed, earlier)
    else:
        lines = _of_lines(failed, _lines(bucket, earlier), earlier.name)
    count = 0
    for count, line in enumerate(lines, 1):  # noqa: B007 - the last number is how many there were
        yield Item(line)
    if count == 0:
        raise InvalidInputError(f"redrive_of must be a run with failed items, {earlier.name} has none")


def _is_complete(bucket: str, run: str) -> bool:
    """Whether a run has an answer that every item has its part in."""
    try:
        answer = storage.get_json(bucket, run_key(run, "result.json"))
    except StorageAccessError:
        return False
    return isinstance(answer, dict) and answer.get("complete") is True


def _indexes_in(bucket: str, run: RunSettings, note: dict[str, Any]) -> Iterator[int]:
    """Yield the indexes of the items without a result, of a run whose Sum did not list them."""
    link = chain.Link.read(Blocks(bucket), run, record_files.find_noted(bucket, run, note))
    return (index for index, _ in link.failed_items())


def _failed_indexes(bucket: str, run: str) -> Iterator[int]:
    """Yield what Sum listed; whether it is true is seen by the Sum of the new run, which reads the records again."""
    key = run_key(run, "failed.jsonl")
    previous = -1
    for number, line in enumerate(storage.read_lines(bucket, key, max_line_bytes=MAX_FAILURE_BYTES), 1):
        try:
            index = indexed_items.risen(json_text.parse(line.decode())["index"], previous)
        except (ValueError, TypeError, KeyError) as error:
            raise ResultFileError(f"line {number} of s3://{bucket}/{key} is broken: {error!r}") from error
        previous = index
        yield index


def _of_range(failed: Iterator[int], earlier: RunSettings) -> Iterator[str]:
    for index in failed:
        if index >= earlier.item_count:
            raise _not_an_item(index, earlier.name)
        yield indexed_items.line_of(index, None)


def _of_lines(failed: Iterator[int], items: Iterator[tuple[int, str]], run: str) -> Iterator[str]:
    for failed_index in failed:
        line = next((line for index, line in items if index == failed_index), None)
        if line is None:
            raise _not_an_item(failed_index, run)
        yield line
    # The rest is read as well, because only a whole file can be checked.
    for _ in items:
        pass


def _lines(bucket: str, earlier: RunSettings) -> Iterator[tuple[int, str]]:
    """Yield index and line of every item of a run, as a redrive has it."""
    if earlier.redrive_of is not None:
        for index, line in indexed_items.read_lines(bucket, earlier.name):
            yield index, line.decode().rstrip("\n")
        return
    lines = indexed_items.read_checked_lines(bucket, earlier.name, max_line_bytes=MAX_ITEM_BYTES)
    for index, line in enumerate(lines):
        # What is no UTF-8 any more is seen by its checksum.
        yield index, indexed_items.line_of(index, line.decode(errors="replace").rstrip("\n"))


def _not_an_item(index: int, run: str) -> ResultFileError:
    return ResultFileError(f"item {index} failed in run {run}, and is no item of it")
