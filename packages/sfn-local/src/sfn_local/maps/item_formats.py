"""Files of items, streamed: JSON Lines, JSON and CSV.

Source: recorded executions for the corner cases of CSV and their error texts.
"""

import contextlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, BinaryIO

import ijson

from sfn_local.execution.map_items import Member
from sfn_local.language import Json
from sfn_local.language.errors import ItemReaderFailedError
from sfn_local.language.json_text import parse
from sfn_local.maps.csv_rows import read_rows

# Source: Step Functions developer guide, "ItemReader": 8 MB an item.
MAX_ITEM_BYTES = 8 * 1024**2

_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}

_STARTS = ("start_map", "start_array")
_ENDS = ("end_map", "end_array")

Events = Iterator[tuple[str, Any]]
Format = Callable[[BinaryIO, Mapping[str, Json], contextlib.ExitStack], Iterator[Json | Member]]


def _read_json_lines(
    stream: BinaryIO, _config: Mapping[str, Json], _opened: contextlib.ExitStack
) -> Iterator[Json | Member]:
    lines = iter(partial(stream.readline, MAX_ITEM_BYTES + 1), b"")
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_ITEM_BYTES:
            raise ItemReaderFailedError(f"line {number} is longer than an item may be, {MAX_ITEM_BYTES} bytes")
        text = line.strip()
        if text:
            try:
                yield parse(text)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from error


def _read_json(stream: BinaryIO, config: Mapping[str, Json], _opened: contextlib.ExitStack) -> Iterator[Json | Member]:
    """Stream the elements of an array, or at an ItemsPointer the pairs of an object.

    Source: a recorded execution for an object at the top; the developer guide, "ItemsPointer", for one below it.
    """
    pointer = config.get("ItemsPointer", "")
    events = _events(stream)
    start = _descend(events, pointer)
    if start == "start_array":
        yield from _array_items(events)
    elif start == "start_map" and pointer:
        yield from _pairs(events)
    else:
        raise ItemReaderFailedError("Attempting to map over non-iterable node.")
    if not pointer:
        for _event in events:  # whatever follows makes the file no JSON
            pass


def _events(stream: BinaryIO) -> Events:
    """Parse a file; integers are exact, other numbers doubles."""
    for event, value in ijson.basic_parse(stream):
        if isinstance(value, Decimal):
            number = float(value)
            if math.isinf(number):
                raise ValueError(f"{value} is not a number that JSON readers can hold")
            yield event, number
        else:
            yield event, value


def _descend(events: Events, pointer: str) -> str:
    """Go to the value at a JSON Pointer and return the event that begins it."""
    event, _value = next(events)
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        while event == "start_map":
            kind, found = next(events)
            if kind == "end_map":
                raise ValueError(f"no member at {pointer}")
            event, value = next(events)
            if found == name:
                break
            _build(event, value, events)
            event = "start_map"
        else:
            raise ValueError(f"no member at {pointer}")
    return event


def _array_items(events: Events) -> Iterator[Json]:
    for event, value in events:
        if event == "end_array":
            return
        yield _build(event, value, events)


def _pairs(events: Events) -> Iterator[Member]:
    for event, name in events:
        if event == "end_map":
            return
        yield Member(name, _build(*next(events), events))


def _build(event: str, value: Any, events: Events) -> Json:
    if event not in _STARTS:
        return value
    builder = ijson.ObjectBuilder()
    builder.event(event, value)
    depth = 1
    while depth:
        event, value = next(events)
        builder.event(event, value)
        depth += (event in _STARTS) - (event in _ENDS)
    return builder.value


def _read_csv(stream: BinaryIO, config: Mapping[str, Json], opened: contextlib.ExitStack) -> Iterator[Json | Member]:
    """Yield an object of strings a row: short rows are filled with "", what has no header is left out."""
    text = opened.enter_context(io.TextIOWrapper(stream, encoding="utf-8", newline=""))
    rows = read_rows(text, _DELIMITERS[config.get("CSVDelimiter", "COMMA")])
    headers = config["CSVHeaders"] if config.get("CSVHeaderLocation") == "GIVEN" else next(rows, None)
    if headers is None:
        raise ItemReaderFailedError("CSV file has no header row")
    if len(set(headers)) != len(headers):
        raise ItemReaderFailedError("CSV headers cannot contain duplicates.")
    for row in rows:
        if row:
            if sum(map(len, row)) > MAX_ITEM_BYTES:
                raise ItemReaderFailedError(f"a row of the file is longer than an item may be, {MAX_ITEM_BYTES} bytes")
            yield dict(zip(headers, row + [""] * (len(headers) - len(row)), strict=False))


FORMATS: Mapping[str, Format] = {"JSONL": _read_json_lines, "JSON": _read_json, "CSV": _read_csv}
