"""What one iteration of a Map state, or one child execution, is given of its item."""

from hpc_local.execution.frames import Step
from hpc_local.execution.program import State
from hpc_local.language import Json


def select_item(state: State, step: Step, item: dict[str, Json]) -> Json:
    """Apply ItemSelector; ``item`` is what it sees as ``$$.Map.Item``."""
    assert state.map_fields is not None
    selector = state.map_fields.items.selector
    if selector is None:
        return item["Value"]
    scope = step.scope.with_context({**step.scope.context, "Map": {"Item": item}})
    return selector(step.effective_input, scope)
