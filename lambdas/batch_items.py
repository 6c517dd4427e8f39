"""The items of one batch: a range, or lines of the run's items.jsonl read a window at a time."""

from collections.abc import Sequence
from typing import Any

from lambdas import json_text, storage
from lambdas.errors import InvalidEventError, ResultFileError
from lambdas.runs import Batch

WINDOW_BYTES = 4 * 1024 * 1024


class BatchItems:
    """Items by index, in slices from a rising index on.

    Parameters
    ----------
    offset
        Where item ``first`` begins in the file; ignored for a range.
    """

    def __init__(self, bucket: str, batch: Batch, first: int, offset: int) -> None:
        self._bucket = bucket
        self._batch = batch
        self._first = first
        self._items: list[Any] = []
        self._offsets = [offset]

    def slice(self, first: int, limit: int | None) -> Sequence[Any]:
        """Return items from index ``first`` on: at most ``limit``, and from a file at most one window."""
        batch = self._batch
        end = batch.end if limit is None else min(first + limit, batch.end)
        if batch.key is None:
            return range(first, end)
        if first == self._first + len(self._items):
            self._read_window(batch.key)
        return self._items[first - self._first : end - self._first]

    def offset(self, index: int) -> int:
        """Return where item ``index`` begins in the file, 0 for a range."""
        return self._offsets[index - self._first] if self._batch.key is not None else 0

    def _read_window(self, key: str) -> None:
        begin = self._offsets[-1]
        end = self._batch.offset + self._batch.size_bytes
        self._first += len(self._items)
        data, _, _ = storage.read_range(self._bucket, key, begin, min(WINDOW_BYTES, end - begin))
        lines = data.split(b"\n")
        # After the last line end comes nothing, or an item that the window cut off: the next window begins with it.
        lines.pop()
        lines = lines[: self._batch.end - self._first]
        if not lines:
            raise ResultFileError(f"s3://{self._bucket}/{key} holds no whole item {self._first} at byte {begin}")
        try:
            self._items = [json_text.parse(line.decode()) for line in lines]
        except ValueError as error:
            raise ResultFileError(f"s3://{self._bucket}/{key} is not JSON near byte {begin}: {error}") from error
        self._offsets = [begin]
        for line in lines:
            self._offsets.append(self._offsets[-1] + len(line) + 1)


def check_batch_key(run: str, batch: Batch) -> None:
    """Refuse a batch of another run's items."""
    if batch.key is not None and not batch.key.startswith(f"runs/{run}/"):
        raise InvalidEventError(f"items of run {run} must be under runs/{run}/, got {json_text.shown(batch.key)}")
