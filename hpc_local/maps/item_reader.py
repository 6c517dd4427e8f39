"""Items of a Distributed Map from S3, one after the other: JSON Lines, JSON, CSV or a listing of objects.

Source: Step Functions developer guide, "ItemReader"; recorded executions for CSV corner cases and error texts.

**Differs from AWS:** Parquet and manifest readers are refused when the definition is loaded; objects may be compressed
with gzip only if their name ends in ``.gz`` (the service looks at the file's format).
"""

import csv
import gzip
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, cast

import ijson

from hpc_local.language import Json
from hpc_local.language.errors import StatesError

# Source: Step Functions quotas, "Maximum number of items" of one Map Run.
MAX_ITEMS = 100_000_000

_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}


class ObjectSource(Protocol):
    """The part of the object store that a reader needs."""

    def open(self, bucket: str, key: str) -> BinaryIO: ...

    def list_objects(self, bucket: str, prefix: str) -> Iterable[dict[str, Json]]: ...


@dataclass(frozen=True, kw_only=True)
class ReaderSettings:
    """``ItemReader`` with its paths resolved."""

    resource: str
    parameters: Mapping[str, Json]
    config: Mapping[str, Json] = field(default_factory=dict)
    max_items: int = 0


class ItemReaderError(StatesError):
    """``States.ItemReaderFailed`` with a cause."""

    def __init__(self, cause: str) -> None:
        super().__init__("States.ItemReaderFailed", cause)


def read_items(settings: ReaderSettings, objects: ObjectSource) -> tuple[Iterator[Json], str]:
    """Return the items, streamed, and the value of ``$$.Map.Item.Source`` for them.

    Raises
    ------
    ItemReaderError
        If the object can't be read or isn't of the declared format; while iterating, too.
    """
    if settings.max_items < 0:
        raise ItemReaderError("field MaxItems must be positive")
    bucket = settings.parameters["Bucket"]
    limit = min(settings.max_items or MAX_ITEMS, MAX_ITEMS)
    if settings.resource.endswith(":listObjectsV2"):
        listing = objects.list_objects(bucket, settings.parameters.get("Prefix", ""))
        return itertools.islice(iter(listing), limit), f"s3://{bucket}"
    key = settings.parameters["Key"]
    items = _read_file(objects, bucket, key, settings.config)
    return itertools.islice(items, limit), f"s3://{bucket}/{key}"


def _read_file(objects: ObjectSource, bucket: str, key: str, config: Mapping[str, Json]) -> Iterator[Json]:
    try:
        stream = objects.open(bucket, key)
    except Exception as error:
        raise ItemReaderError(f"Error message: {error}") from error
    with stream:
        if key.endswith(".gz"):
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=stream))
        try:
            yield from _FORMATS[config.get("InputType", "JSON")](stream, config)
        except (ValueError, ijson.JSONError, csv.Error, EOFError, gzip.BadGzipFile) as error:
            raise ItemReaderError(f"Attempting to parse s3://{bucket}/{key}: {error}") from error


def _read_json_lines(stream: BinaryIO, _config: Mapping[str, Json]) -> Iterator[Json]:
    for number, line in enumerate(stream, 1):
        text = line.strip()
        if text:
            try:
                yield json.loads(text)
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON: {error}") from error


def _read_json(stream: BinaryIO, config: Mapping[str, Json]) -> Iterator[Json]:
    """Stream the elements of a JSON array, or the members of an object as ``{"Key", "Value"}``."""
    prefix = _ijson_prefix(config.get("ItemsPointer", ""))
    events = ijson.parse(stream, use_float=True)
    for path, event, _value in events:
        if path == prefix and event == "start_array":
            yield from _array_items(events)
            return
        if path == prefix and event == "start_map":
            yield from _members(events)
            return
    raise ValueError(f"no array or object at {config.get('ItemsPointer', '') or 'the top'} of the file")


def _array_items(events: Iterator[tuple[str, str, Any]]) -> Iterator[Json]:
    for _path, event, value in events:
        if event == "end_array":
            return
        yield _build(event, value, events)


def _members(events: Iterator[tuple[str, str, Any]]) -> Iterator[Json]:
    for _path, event, name in events:
        if event == "end_map":
            return
        _value_path, value_event, value = next(events)
        yield {"Key": name, "Value": _build(value_event, value, events)}


def _build(event: str, value: Any, events: Iterator[tuple[str, str, Any]]) -> Json:
    builder = ijson.ObjectBuilder()
    builder.event(event, value)
    depth = int(event in ("start_map", "start_array"))
    while depth:
        _path, event, value = next(events)
        builder.event(event, value)
        depth += (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))
    return builder.value


def _ijson_prefix(pointer: str) -> str:
    """Turn a JSON Pointer into ijson's dotted path; array indexes can't occur in an ItemsPointer."""
    return ".".join(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def _read_csv(stream: BinaryIO, config: Mapping[str, Json]) -> Iterator[Json]:
    """Yield an object of strings a row: short rows are filled with "", what has no header is left out."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    rows = csv.reader(text, delimiter=_DELIMITERS[config.get("CSVDelimiter", "COMMA")], strict=False)
    if config.get("CSVHeaderLocation") == "GIVEN":
        headers = config["CSVHeaders"]
    else:
        headers = next(rows, None)
        if headers is None:
            raise ItemReaderError("CSV file has no header row")
    if len(set(headers)) != len(headers):
        raise ItemReaderError("CSV headers cannot contain duplicates.")
    for row in rows:
        if row:
            yield dict(zip(headers, row + [""] * (len(headers) - len(row)), strict=False))


_FORMATS = {"JSONL": _read_json_lines, "JSON": _read_json, "CSV": _read_csv}
