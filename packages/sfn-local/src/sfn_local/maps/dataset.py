"""The dataset of a Distributed Map: the inputs of its children in their order, and what tells it from a changed one."""

import contextlib
import hashlib
import itertools
from collections.abc import Iterator

from sfn_local.execution.frames import Step
from sfn_local.execution.map_items import Member, context_item, members_or_items, select_item
from sfn_local.execution.program import State
from sfn_local.language import Json
from sfn_local.language.json_text import compact
from sfn_local.maps.batches import BatchLimits, ChildInput, child_inputs
from sfn_local.maps.item_reader import ObjectSource, ReaderSettings, object_version, read_items


class Dataset:
    """The dataset of a Map state, paths resolved; files stay open as long as ``opened``.

    Attributes
    ----------
    source : str
        As ``$$.Map.Item.Source`` names it, unless the items are loaded from many objects.
    is_quick : bool
        Whether inputs can be read on the event loop: they come from no file, and nothing is evaluated for them.
    """

    def __init__(self, state: State, step: Step, objects: ObjectSource, opened: contextlib.ExitStack) -> None:
        assert state.map_fields is not None
        self._state = state
        self._step = step
        self._objects = objects
        self._opened = opened
        self._reader = _reader_settings(state, step)
        self._values = None
        if self._reader is None:
            self._values = state.map_fields.items.items(step.effective_input, step.scope)
        self._limits = _batch_limits(state, step)
        self.source = self._reader.source if self._reader else "STATE_DATA"
        self.is_quick = self._reader is None and state.map_fields.items.has_plain_selector

    def version(self) -> str | None:
        """Return what changes if the dataset does, or None if it isn't there."""
        if self._reader is None:
            return hashlib.sha256(compact(self._values).encode("utf-8", "surrogatepass")).hexdigest()
        return object_version(self._reader, self._objects)

    def inputs(self) -> Iterator[ChildInput]:
        """Yield the input of every child: read, selected, batched."""
        selected = (
            select_item(self._state, self._step, context_item(index, item, source))
            for index, (source, item) in enumerate(self._items())
        )
        return child_inputs(selected, self._limits)

    def _items(self) -> Iterator[tuple[str, Json | Member]]:
        if self._reader is None:
            return zip(itertools.repeat(self.source), members_or_items(self._values))
        return read_items(self._reader, self._objects, self._opened)


def _reader_settings(state: State, step: Step) -> ReaderSettings | None:
    reader = state.map_fields.reader if state.map_fields else None
    if reader is None:
        return None
    limit = reader.max_items
    return ReaderSettings(
        resource=reader.resource,
        parameters=reader.parameters(step.effective_input, step.scope),
        config=reader.config,
        max_items=limit(step.effective_input, step.scope) if limit else 0,
    )


def _batch_limits(state: State, step: Step) -> BatchLimits | None:
    batcher = state.map_fields.batcher if state.map_fields else None
    if batcher is None:
        return None
    effective, scope = step.effective_input, step.scope
    return BatchLimits(
        batch_input=batcher.batch_input(effective, scope) if batcher.batch_input else None,
        max_items=batcher.max_items(effective, scope) if batcher.max_items else None,
        max_bytes=batcher.max_bytes(effective, scope) if batcher.max_bytes else None,
    )
