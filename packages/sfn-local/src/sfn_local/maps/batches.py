"""Inputs of child executions: one an item, or batches of items as ItemBatcher forms them."""

from collections.abc import Iterator
from typing import NamedTuple

from sfn_local.language import Json
from sfn_local.language.errors import ItemReaderFailedError
from sfn_local.language.json_text import MAX_PAYLOAD_BYTES, compact, text_size_bytes


class ChildInput(NamedTuple):
    """The input of one child, and its number of items."""

    value: Json
    text: str
    item_count: int


class BatchLimits(NamedTuple):
    """ItemBatcher with its paths resolved; None where the field is absent."""

    batch_input: Json
    max_items: int | None
    max_bytes: int | None


def child_inputs(items: Iterator[Json], limits: BatchLimits | None) -> Iterator[ChildInput]:
    """Yield the input of every child in turn, streaming.

    Raises
    ------
    ItemReaderFailedError
        While iterating, if one item alone is over the limit of a payload.
    """
    if limits is None:
        for item in items:
            text = compact(item)
            if text_size_bytes(text) > MAX_PAYLOAD_BYTES:
                raise ItemReaderFailedError(f"an item has more than {MAX_PAYLOAD_BYTES} bytes: {text[:80]}...")
            yield ChildInput(item, text, 1)
        return
    yield from _batches(items, limits)


def _batches(items: Iterator[Json], limits: BatchLimits) -> Iterator[ChildInput]:
    """Fill each batch up to whichever limit comes first; without one, up to the limit of a payload."""
    most_items = limits.max_items or 0
    most_bytes = limits.max_bytes or MAX_PAYLOAD_BYTES
    empty = _batch([], limits.batch_input)
    batch: list[Json] = []
    size = empty_size = text_size_bytes(empty.text)
    for item in items:
        item_size = text_size_bytes(compact(item)) + 1  # and a comma
        if batch and (size + item_size > most_bytes or (most_items and len(batch) >= most_items)):
            yield _batch(batch, limits.batch_input)
            batch, size = [], empty_size
        if empty_size + item_size > MAX_PAYLOAD_BYTES:
            raise ItemReaderFailedError(f"an item has more than {MAX_PAYLOAD_BYTES} bytes with its BatchInput")
        batch.append(item)
        size += item_size
    if batch:
        yield _batch(batch, limits.batch_input)


def _batch(items: list[Json], batch_input: Json) -> ChildInput:
    value = {"Items": items} if batch_input is None else {"BatchInput": batch_input, "Items": items}
    return ChildInput(value, compact(value), len(items))
