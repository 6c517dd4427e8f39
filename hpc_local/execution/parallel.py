"""Parallel states and inline Map states: branches of one execution that run side by side.

**Differs from AWS:** an inline Map without MaxConcurrency runs 40 iterations at a time, as the service documents; how
it orders the events of concurrent branches is not documented.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hpc_local.execution.frames import Cursor, Frame, Step
from hpc_local.execution.history import HistoryLimitError
from hpc_local.execution.interpreter import run_program
from hpc_local.execution.program import State
from hpc_local.language import Json
from hpc_local.language.errors import StatesError
from hpc_local.maps.items import context_item, members_or_items, select_item

# Source: Step Functions developer guide, "Map state processing modes": inline, up to 40 concurrent iterations.
INLINE_CONCURRENCY = 40

Branch = Callable[[Cursor], Awaitable[Json]]


async def run_parallel(state: State, step: Step) -> Json:
    """Run every branch on the same input; the result is the array of their outputs."""
    payload = state.flow.arguments(step.effective_input, step.scope)
    step.cursor.add("ParallelStateStarted")
    frame = step.frame.with_scope(step.scope.enter(step.frame.scope.context))
    branches: list[Branch] = [
        lambda cursor, program=program: run_program(program, payload, frame, cursor)  # type: ignore[misc]  # mypy sees no default in a lambda
        for program in state.branches
    ]
    try:
        results = await _side_by_side(branches, len(branches), step.cursor)
    except StatesError:
        step.cursor.add("ParallelStateFailed")
        raise
    step.cursor.add("ParallelStateSucceeded")
    return results


async def run_inline_map(state: State, step: Step) -> Json:
    """Run the item processor once an item; the result is the array of outputs in the order of the items."""
    assert state.map_fields is not None
    items = list(members_or_items(state.map_fields.items.items(step.effective_input, step.scope)))
    limit = state.settings.get("MaxConcurrency")
    concurrency = (limit(step.effective_input, step.scope) if limit else 0) or INLINE_CONCURRENCY
    step.cursor.add("MapStateStarted", "mapStateStartedEventDetails", {"length": len(items)})
    branches = [_iteration(state, step, index, context_item(index, item)) for index, item in enumerate(items)]
    try:
        results = await _side_by_side(branches, min(concurrency, INLINE_CONCURRENCY), step.cursor)
    except StatesError:
        step.cursor.add("MapStateFailed")
        raise
    step.cursor.add("MapStateSucceeded")
    return results


def _iteration(state: State, step: Step, index: int, item: dict[str, Json]) -> Branch:
    async def run(cursor: Cursor) -> Json:
        details = {"name": state.name, "index": index}
        cursor.add("MapIterationStarted", "mapIterationStartedEventDetails", details)
        context = {**step.frame.scope.context, "Map": {"Item": item}}
        frame: Frame = step.frame.with_scope(step.scope.enter(context))
        try:
            payload = select_item(state, step, item)
            output = await run_program(state.branches[0], payload, frame, cursor)
        except asyncio.CancelledError:
            cursor.add("MapIterationAborted", "mapIterationAbortedEventDetails", details)
            raise
        except HistoryLimitError:
            raise
        except StatesError:
            cursor.add("MapIterationFailed", "mapIterationFailedEventDetails", details)
            raise
        cursor.add("MapIterationSucceeded", "mapIterationSucceededEventDetails", details)
        return output

    return run


async def _side_by_side(branches: Sequence[Branch], concurrency: int, cursor: Cursor) -> list[Json]:
    """Run ``branches``, at most ``concurrency`` at once; the first failure stops the others and is raised."""
    slots = asyncio.Semaphore(concurrency)
    cursors = [cursor.branch() for _ in branches]

    async def run(branch: Branch, own: Cursor) -> Json:
        async with slots:
            return await branch(own)

    tasks = [asyncio.ensure_future(run(branch, own)) for branch, own in zip(branches, cursors, strict=True)]
    try:
        results = await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        cursor.last = max((own.last for own in cursors), default=cursor.last)
        raise
    cursor.last = max((own.last for own in cursors), default=cursor.last)
    return list(results)
