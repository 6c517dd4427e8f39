r"""Items under indexes of their own: the lines of items.jsonl of a redrive, whose items are some of another run's.

``{"index": int}`` where that run's items are a range, else ``{"index": int, "item": <JSON>}``; indexes rise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lambdas.contract.keys import run_key
from lambdas.contract.limits import MAX_ITEM_BYTES
from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import ResultFileError
from lambdas.run_files.json_text import shown
from lambdas.run_files.runs import add_line, read_batches

# An item of the most bytes that are allowed, and its index.
MAX_LINE_BYTES = MAX_ITEM_BYTES + 100


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """``has_value`` is False of an item of a range, which is its index."""

    index: int
    value: Any
    has_value: bool


def line_of(index: int, item_text: str | None) -> str:
    """Return the line of an item, given as JSON text; None of an item of a range."""
    return f'{{"index":{index}}}' if item_text is None else f'{{"index":{index},"item":{item_text}}}'


def read_line(line: bytes) -> IndexedItem:
    """Return the item of a line.

    Raises
    ------
    ValueError
        If it is none.
    """
    value = json_text.parse(line.decode())
    match value:
        case {"index": int(index), **others} if not isinstance(index, bool) and set(others) <= {"item"}:
            return IndexedItem(index, others.get("item", index), bool(others))
    raise ValueError(f'an indexed item is {{"index"[, "item"]}}, got {shown(value)}')


def risen(index: Any, previous: int) -> int:
    """Return an index that is an integer over the one before; ValueError if it is not."""
    if not isinstance(index, int) or isinstance(index, bool) or index <= previous:
        raise ValueError(f"an index must be an integer over {previous}, the one before, got {shown(index)}")
    return index


def read_checked_lines(bucket: str, run: str, *, max_line_bytes: int) -> Iterator[bytes]:
    """Yield the lines of a run's items.jsonl, with their line ends.

    Raises
    ------
    ResultFileError
        After a batch whose lines are not those that Start wrote; they are of no use then.
    """
    key = run_key(run, "items.jsonl")
    lines = storage.read_lines(bucket, key, max_line_bytes=max_line_bytes)
    for batch in read_batches(bucket, run):
        checksum = 0
        for position, line in enumerate(islice(lines, batch.count), batch.first):
            checksum = add_line(checksum, position, line)
            yield line
        if checksum != batch.checksum:
            raise ResultFileError(
                f"s3://{bucket}/{key} has changed: the checksum of the items at byte {batch.offset} is {checksum}, "
                f"that of batch {batch.number} was {batch.checksum}"
            )
    if next(lines, None) is not None:
        raise ResultFileError(f"s3://{bucket}/{key} has changed: it has more lines than its batches have items")


def read_lines(bucket: str, run: str) -> Iterator[tuple[int, bytes]]:
    """Yield index and line of every item of a redrive, in order.

    Raises
    ------
    ResultFileError
        If a line is none, or its index does not rise, or the lines are not those that Start wrote.
    """
    previous = -1
    for number, line in enumerate(read_checked_lines(bucket, run, max_line_bytes=MAX_LINE_BYTES), 1):
        try:
            index = risen(read_line(line).index, previous)
        except ValueError as error:
            key = run_key(run, "items.jsonl")
            raise ResultFileError(f"line {number} of s3://{bucket}/{key} is broken: {error}") from error
        previous = index
        yield index, line
