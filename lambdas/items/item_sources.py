"""Streams items that are not a range as JSON lines: those of a list, a file, an S3 prefix or a workload."""

import copy
import io
import numbers
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lambdas.batch.workload import Function, Workload, check_params
from lambdas.contract.limits import MAX_ITEM_BYTES
from lambdas.items.csv_rows import CsvError, read_rows
from lambdas.items.inputs import RunInput, S3Place
from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import PASSED_ON, InvalidInputError, ResultFileError, WorkloadError

# One ListObjectsV2 page of 1,000 keys takes about 0.1 s: a million objects are listed in a few minutes.
MAX_SOURCE_OBJECTS = 1_000_000
MAX_WEIGHT = 1e15
# A header of one column that holds one of these is of a file with another delimiter.
OTHER_DELIMITERS = (";", "\t", "|")
END = object()


@dataclass(frozen=True, slots=True)
class Item:
    """An item as one line of JSON text, and what it weighs; None where items have no weight."""

    text: str
    weight: float | None = None


def open_items(run_input: RunInput, workload: Workload | None) -> Iterator[Item] | None:
    """Return the run's items as a stream; None where they are ``range(size)`` and have no weight.

    Without a workload, it has neither ``items`` nor ``weight``.
    """
    items = _unweighted_items(run_input, workload)
    if workload is None or workload.weight is None:
        return items
    if items is None:
        items = (Item(str(index)) for index in range(run_input.size or 0))
    return _weighted_items(items, workload, workload.weight, run_input)


def _unweighted_items(run_input: RunInput, workload: Workload | None) -> Iterator[Item] | None:
    if run_input.source is not None:
        return _objects(run_input.source)
    if isinstance(run_input.items, S3Place):
        return _csv_rows(run_input.items) if run_input.items.key.endswith(".csv") else _json_lines(run_input.items)
    if run_input.items is not None:
        return (Item(json_text.to_text(item)) for item in run_input.items)
    if workload is not None and workload.items is not None:
        return _workload_items(workload, run_input)
    return None


def _objects(place: S3Place) -> Iterator[Item]:
    """Yield ``{"bucket", "key", "size_bytes"}`` of every object under a prefix, in order of keys.

    The empty objects that stand for a folder in the S3 console (their key ends in "/") are no items.
    """
    count = 0
    pages = storage.s3_client().get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
    with storage.named_errors(place.bucket, place.key):
        for page in pages:
            for entry in page.get("Contents", ()):
                if entry["Key"].endswith("/") and entry["Size"] == 0:
                    continue
                count += 1
                if count > MAX_SOURCE_OBJECTS:
                    raise InvalidInputError(
                        f"source {place} has more than {MAX_SOURCE_OBJECTS} objects, the most allowed"
                    )
                item = {"bucket": place.bucket, "key": entry["Key"], "size_bytes": entry["Size"]}
                yield Item(json_text.to_text(item))
    if count == 0:
        raise InvalidInputError(f"source {place} has no objects, it needs 1 to {MAX_SOURCE_OBJECTS}")


def _file_lines(place: S3Place) -> Iterator[str]:
    first = True
    lines = storage.read_lines(place.bucket, place.key, max_line_bytes=MAX_ITEM_BYTES)
    try:
        for line in lines:
            text = line.decode()
            yield text.removeprefix("\ufeff") if first else text
            first = False
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"items file {place} is not UTF-8: {error}") from error
    except ResultFileError as error:
        raise InvalidInputError(f"items file: {error}") from error


def _json_lines(place: S3Place) -> Iterator[Item]:
    for number, line in enumerate(_file_lines(place), 1):
        text = line.strip(" \t\r\n")
        try:
            json_text.parse_input(text)
        except ValueError as error:
            raise InvalidInputError(
                f"line {number} of {place} must be one JSON value, got {json_text.shown(text)}: {error}"
            ) from error
        yield Item(text)


def _csv_rows(place: S3Place) -> Iterator[Item]:
    """Yield each row as an object of strings, its keys from the header row."""
    # A file of a Macintosh's line ends is one line to S3's readers.
    lines = (line for text in _file_lines(place) for line in io.StringIO(text, newline=""))
    rows = read_rows(lines)
    try:
        header = next(rows, [])
        _check_header(place, header)
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                fields = json_text.counted(len(header), "field")
                raise InvalidInputError(f"row {number} of {place} must have {fields}, got {len(row)}")
            yield Item(json_text.to_text(dict(zip(header, row, strict=True))))
    except CsvError as error:
        raise InvalidInputError(f"{place} is not CSV: {error}") from error


def _check_header(place: S3Place, header: list[str]) -> None:
    if not header or len(set(header)) < len(header) or "" in header:
        raise InvalidInputError(
            f"the first row of {place} must name the columns, each once, got {json_text.shown(header)}"
        )
    other = next((sign for sign in OTHER_DELIMITERS if len(header) == 1 and sign in header[0]), None)
    if other is not None:
        raise InvalidInputError(
            f"the first row of {place} names one column, {json_text.shown(header[0])}: commas separate columns here, "
            f"not {json_text.shown(other)}"
        )


def _workload_items(workload: Workload, run_input: RunInput) -> Iterator[Item]:
    for index, item in enumerate(_named_errors(workload, run_input)):
        if isinstance(item, tuple):
            raise WorkloadError(
                f"item {index} of workload {workload.name} is a tuple, which JSON does not have: yield a list instead, "
                "list(item); items that weigh unlike get a function weight(item)"
            )
        yield Item(_item_text(workload.name, index, item))


def _weighted_items(items: Iterator[Item], workload: Workload, weigh: Function, run_input: RunInput) -> Iterator[Item]:
    params = copy.deepcopy(run_input.params)
    for index, item in enumerate(items):
        value = json_text.parse(item.text)
        try:
            weight = weigh(value, params=params)
        except PASSED_ON:
            raise
        except BaseException as error:
            sentence = f"weight of workload {workload.name} raised at item {index}"
            raise WorkloadError.of(error, workload.file, sentence) from error
        yield Item(item.text, _checked_weight(workload.name, index, weight))
    check_params(workload, "weight", params, run_input.params)


def _named_errors(workload: Workload, run_input: RunInput) -> Iterator[Any]:
    """Yield what the workload's ``items`` yields; an exception there names the workload."""
    assert workload.items is not None
    params = copy.deepcopy(run_input.params)
    items: Iterator[Any] | None = None
    while True:
        try:
            if items is None:
                items = iter(workload.items(run_input.size, params=params))
            item = next(items, END)
        except PASSED_ON:
            raise
        except BaseException as error:
            sentence = f"items of workload {workload.name} raised"
            raise WorkloadError.of(error, workload.file, sentence) from error
        if item is END:
            break
        yield item
    check_params(workload, "items", params, run_input.params)


def _checked_weight(workload: str, index: int, weight: Any) -> float:
    # Numbers of numpy are real numbers, too.
    is_number = isinstance(weight, numbers.Real) and not isinstance(weight, bool)
    # NaN compares false with everything, so it is refused as well.
    if not is_number or not 0 < weight <= MAX_WEIGHT:
        given = float(weight) if isinstance(weight, numbers.Real) and not isinstance(weight, int) else weight
        raise WorkloadError(
            f"the weight of item {index} of workload {workload} must be a number over 0 and up to {MAX_WEIGHT:g}, "
            f"got {json_text.shown(given)}"
        )
    return float(weight)


def _item_text(workload: str, index: int, item: Any) -> str:
    try:
        return json_text.checked_text(item)
    except (TypeError, ValueError) as error:
        raise WorkloadError(f"item {index} of workload {workload} is not JSON: {error}") from error
