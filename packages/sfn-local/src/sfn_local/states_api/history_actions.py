"""GetExecutionHistory.

**Differs from AWS:** without execution data, events lack their input and output; a child execution that has not ended
is told of as far as it has come.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sfn_local.maps.map_run import LiveChild
from sfn_local.states_api.context import Context, Params, Result
from sfn_local.states_api.execution_actions import Child, find_execution
from sfn_local.states_api.paging import cursor, next_token, page_size
from sfn_local.states_api.parameters import moment
from sfn_local.storage.event import Event
from sfn_local.storage.execution_store import ExecutionRow

_PAGE_CHARACTERS = 8 * 1024 * 1024  # of texts; a page that would have more is cut short
_DATA = ("input", "output")


async def get_execution_history(context: Context, params: Params) -> Result:
    """GetExecutionHistory, one page."""
    found = find_execution(context, params["executionArn"])
    start, is_reversed = cursor(params, int), bool(params.get("reverseOrder"))
    if isinstance(found, ExecutionRow):
        events = await context.executions.events(found, start, is_reversed=is_reversed)
    else:
        events = _child_events(found, start, is_reversed=is_reversed)
    with_data = params.get("includeExecutionData", True)
    page = [_told(event, with_data=with_data) for event in _cut(events, page_size(params))]
    following = next(events, None)
    more = next_token(params, following["id"]) if following else {}
    return {"events": page, **more}


def _child_events(child: Child, start: int | None, *, is_reversed: bool) -> Iterator[Event]:
    execution = child[1]
    events: Iterable[Event] = execution.history.pending() if isinstance(execution, LiveChild) else execution.events
    if is_reversed:
        return (event for event in reversed(list(events)) if start is None or event["id"] <= start)
    return (event for event in events if event["id"] >= (start or 1))


def _cut(events: Iterator[Event], limit: int) -> Iterator[Event]:
    """Take up to ``limit`` events, fewer if they are large."""
    characters = 0
    for event in itertools.islice(events, limit):
        yield event
        characters += _characters(event)
        if characters > _PAGE_CHARACTERS:
            return


def _characters(event: Event) -> int:
    return sum(
        len(text)
        for details in event.values()
        if isinstance(details, Mapping)
        for text in details.values()
        if isinstance(text, str)
    )


def _told(event: Event, *, with_data: bool) -> Result:
    told: Result = {**event, "timestamp": moment(event["timestamp"])}
    return told if with_data else {name: _without_data(value) for name, value in told.items()}


def _without_data(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: member for name, member in value.items() if name not in _DATA}
