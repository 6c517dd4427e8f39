"""Children that are to run: in a first attempt all of them, after a redrive those that have not succeeded."""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sfn_local.execution.redrive import REDRIVABLE_EVENTS, REDRIVABLE_SECONDS
from sfn_local.maps.batches import ChildInput
from sfn_local.storage.map_run_store import ChildRecord, MapRunRow, MapRunStore

_PAGE_RECORDS = 64
_PAGE_POSITIONS = 4096


class Waiting(NamedTuple):
    """A child that is to run.

    Attributes
    ----------
    record : ChildRecord or None
        How it ended before, if it is redriven.
    """

    position: int
    child: ChildInput
    record: ChildRecord | None = None


def all_children(inputs: Iterator[ChildInput]) -> Iterator[Waiting]:
    return (Waiting(position, child) for position, child in enumerate(inputs))


def remaining_children(
    row: MapRunRow, store: MapRunStore, now: float, open_inputs: Callable[[], Iterator[ChildInput]]
) -> Iterator[Waiting]:
    """Yield the children of a Map Run that is redriven: those that failed, then those that have no record.

    The latter never started, or were in flight when the runner died.  Children that failed have their inputs from
    their records; only if others are left is the dataset read again.
    """
    yield from _redriven(row, store, now)
    recorded = sum(children for children, _items in store.counts(row.id).values())
    if not row.is_read or recorded < (row.total_children or 0):
        yield from _unrecorded(row, store, open_inputs())


def is_redrivable(record: ChildRecord, now: float) -> bool:
    """Whether a child that failed can be redriven; see :meth:`MapRunStore.not_redrivable`."""
    return now - record.stopped <= REDRIVABLE_SECONDS and len(record.events) < REDRIVABLE_EVENTS


def _redriven(row: MapRunRow, store: MapRunStore, now: float) -> Iterator[Waiting]:
    first = 0
    while page := store.unsuccessful(row.id, first, _PAGE_RECORDS):
        for record in page:
            if is_redrivable(record, now):
                child = ChildInput(json.loads(record.input), record.input, record.item_count)
                yield Waiting(record.position, child, record)
        first = page[-1].position + 1


def _unrecorded(row: MapRunRow, store: MapRunStore, inputs: Iterator[ChildInput]) -> Iterator[Waiting]:
    """Yield what the dataset has at the positions without a record.

    Records that are made meanwhile are of positions that have been passed, or that have a record already.
    """
    recorded = _positions(row.id, store)
    next_recorded = next(recorded, None)
    for position, child in enumerate(inputs):
        if position == next_recorded:
            next_recorded = next(recorded, None)
        else:
            yield Waiting(position, child)


def _positions(map_run: int, store: MapRunStore) -> Iterator[int]:
    first = 0
    while page := store.positions(map_run, first, _PAGE_POSITIONS):
        yield from page
        first = page[-1] + 1
