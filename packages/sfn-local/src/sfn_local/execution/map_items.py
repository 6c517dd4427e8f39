"""Items of Map states: what each iteration or child execution is given, and what it sees of its item."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sfn_local.execution.frames import Step
from sfn_local.execution.program import State
from sfn_local.language import Json
from sfn_local.language.evaluation import restart


class Member(NamedTuple):
    """A key-value pair of a JSON object that a Map state iterates over."""

    key: str
    value: Json


def members_or_items(value: Json) -> Iterator[Json | Member]:
    """Yield the items of an array, or the pairs of an object."""
    if isinstance(value, Mapping):
        return (Member(key, member) for key, member in value.items())
    return iter(value)


def context_item(index: int, item: Json | Member, source: str | None = None) -> dict[str, Json]:
    """Return ``$$.Map.Item``: with a Key for pairs, with a Source in a Distributed Map."""
    described: dict[str, Json] = {"Index": index}
    if isinstance(item, Member):
        described["Key"] = item.key
    described["Value"] = item.value if isinstance(item, Member) else item
    if source is not None:
        described["Source"] = source
    return described


def select_item(state: State, step: Step, item: Mapping[str, Json]) -> Json:
    """Apply ItemSelector; without one the item itself, or the pair as an object.

    Parameters
    ----------
    item : Mapping
        What it sees as ``$$.Map.Item``.
    """
    assert state.map_fields is not None
    selector = state.map_fields.items.selector
    if selector is not None:
        restart()
        scope = step.scope.with_context({**step.scope.context, "Map": {"Item": item}})
        return selector(step.effective_input, scope)
    if "Key" in item:
        return {"Key": item["Key"], "Value": item["Value"]}
    return item["Value"]
