"""The items of one batch: a range, or lines of the run's items.jsonl read a window at a time.

A batch counts its items by their position in the run; ``index`` says under which index the workload knows them, which
is the same but in a redrive.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from lambdas.run_files import indexed_items, json_text, storage
from lambdas.run_files.errors import InvalidEventError, ResultFileError
from lambdas.run_files.runs import Batch, add_line

WINDOW_BYTES = 4 * 1024 * 1024


class ReadPosition(NamedTuple):
    """A place between two items of a batch in its file, and the checksum of the batch's items before it."""

    offset: int
    checksum: int


class BatchItems:
    """Items by position, in slices from a rising position on.

    Parameters
    ----------
    begin
        Where item ``first`` begins in the file; ignored for a range.
    is_indexed
        Whether the lines of the file have indexes.
    """

    def __init__(self, bucket: str, batch: Batch, first: int, begin: ReadPosition, *, is_indexed: bool = False) -> None:
        self._bucket = bucket
        self._batch = batch
        self._first = first
        self._is_indexed = is_indexed
        self._lines: list[bytes] = []
        self._indexes: list[int] = []
        self._neighbour_ends: list[int] = []
        self._read_to = [begin]

    def slice(self, first: int, limit: int | None) -> Sequence[Any]:
        """Return neighbours from position ``first`` on: at most ``limit``, and from a file at most one window.

        Items of a file are read from their lines each time: a try that failed may have changed those that it had.
        """
        batch = self._batch
        end = batch.end if limit is None else min(first + limit, batch.end)
        if batch.key is None:
            return range(first, end)
        if first == self._first + len(self._lines):
            self._read_window(batch.key)
        begin, end = first - self._first, min(end - self._first, len(self._lines))
        with self._named_errors(batch.key, self._read_to[begin].offset):
            if self._is_indexed:
                return self._neighbours(begin, end)
            return [json_text.parse(line.decode()) for line in self._lines[begin:end]]

    def _neighbours(self, begin: int, end: int) -> Sequence[Any]:
        """Return of indexed items those that are neighbours; of a range, as the range that they were."""
        end = min(end, self._neighbour_ends[begin])
        if indexed_items.read_line(self._lines[begin]).has_value:
            return [indexed_items.read_line(line).value for line in self._lines[begin:end]]
        index = self._indexes[begin]
        return range(index, index + end - begin)

    @contextmanager
    def _named_errors(self, key: str, offset: int) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise ResultFileError(f"s3://{self._bucket}/{key} is broken near byte {offset}: {error}") from error

    def index(self, position: int) -> int:
        """Return the index of an item that ``slice`` returned."""
        return self._indexes[position - self._first] if self._is_indexed else position

    def read_to(self, position: int) -> ReadPosition:
        """Return where an item begins in the file."""
        return self._read_to[position - self._first] if self._batch.key is not None else ReadPosition(0, 0)

    def _read_window(self, key: str) -> None:
        begin, checksum = self._read_to[-1]
        end = self._batch.offset + self._batch.size_bytes
        self._first += len(self._lines)
        data, _, _ = storage.read_range(self._bucket, key, begin, min(WINDOW_BYTES, end - begin))
        lines = data.split(b"\n")
        # After the last line end comes nothing, or an item that the window cut off: the next window begins with it.
        lines.pop()
        lines = lines[: self._batch.end - self._first]
        if not lines:
            raise ResultFileError(f"s3://{self._bucket}/{key} holds no whole item {self._first} at byte {begin}")
        self._lines = lines
        if self._is_indexed:
            with self._named_errors(key, begin):
                self._indexes = [indexed_items.read_line(line).index for line in lines]
            self._neighbour_ends = neighbour_ends(self._indexes)
        self._read_to = [ReadPosition(begin, checksum)]
        for position, line in enumerate(lines, self._first):
            begin, checksum = begin + len(line) + 1, add_line(checksum, position, line + b"\n")
            self._read_to.append(ReadPosition(begin, checksum))
        if self._first + len(lines) == self._batch.end and checksum != self._batch.checksum:
            raise ResultFileError(
                f"s3://{self._bucket}/{key} has changed: the checksum of the items at byte {self._batch.offset} is "
                f"{checksum}, that of batch {self._batch.number} was {self._batch.checksum}"
            )


def neighbour_ends(indexes: list[int]) -> list[int]:
    """Return for each position in a list the end of the indexes that follow on it one by one.

    Found once for a window: a slice is asked for after every item that fails.
    """
    ends = list(range(1, len(indexes) + 1))
    for position in reversed(range(len(indexes) - 1)):
        if indexes[position + 1] == indexes[position] + 1:
            ends[position] = ends[position + 1]
    return ends


def check_batch_key(run: str, batch: Batch) -> None:
    """Refuse a batch of another run's items."""
    if batch.key is not None and not batch.key.startswith(f"runs/{run}/"):
        raise InvalidEventError(f"items of run {run} must be under runs/{run}/, got {json_text.shown(batch.key)}")
