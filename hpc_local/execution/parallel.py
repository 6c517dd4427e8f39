"""Parallel states and inline Map states: branches of one execution that run side by side.

**Differs from AWS:** an inline Map without MaxConcurrency runs 40 iterations at a time, as the service documents; how
it orders the events of concurrent branches is not documented.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hpc_local.execution.frames import Cursor, Frame, Step
from hpc_local.execution.interpreter import run_program
from hpc_local.execution.program import State
from hpc_local.language import Json
from hpc_local.language.errors import StatesError
from hpc_local.maps.items import context_item, members_or_items, select_item

# Source: Step Functions developer guide, "Map state processing modes": inline, up to 40 concurrent iterations.
INLINE_CONCURRENCY = 40

# Types of states whose abort is an event.  Source: the service model, ``HistoryEventType``.
_ABORTABLE = ("Map", "Parallel", "Task", "Wait")

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
    group = _Group(branches, step.cursor)
    try:
        results = await group.run(len(branches))
    except StatesError:
        group.note_aborted(lambda _index, _is_failed: None)
        step.cursor.add("ParallelStateFailed")
        raise
    step.cursor.note("ParallelStateSucceeded")
    return results


async def run_inline_map(state: State, step: Step) -> Json:
    """Run the item processor once an item; the result is the array of outputs in the order of the items."""
    assert state.map_fields is not None
    items = list(members_or_items(state.map_fields.items.items(step.effective_input, step.scope)))
    limit = state.settings.get("MaxConcurrency")
    concurrency = (limit(step.effective_input, step.scope) if limit else 0) or INLINE_CONCURRENCY
    step.cursor.add("MapStateStarted", "mapStateStartedEventDetails", {"length": len(items)})
    branches = [_iteration(state, step, index, context_item(index, item)) for index, item in enumerate(items)]
    group = _Group(branches, step.cursor)

    def note_iteration(index: int, is_failed: bool) -> None:
        kind = "Failed" if is_failed else "Aborted"
        details = {"name": state.name, "index": index}
        step.cursor.note(f"MapIteration{kind}", f"mapIteration{kind}EventDetails", details)

    try:
        results = await group.run(min(concurrency, INLINE_CONCURRENCY))
    except StatesError:
        group.note_aborted(note_iteration)
        step.cursor.add("MapStateFailed")
        raise
    step.cursor.note("MapStateSucceeded")
    return results


def _iteration(state: State, step: Step, index: int, item: dict[str, Json]) -> Branch:
    async def run(cursor: Cursor) -> Json:
        details = {"name": state.name, "index": index}
        cursor.add("MapIterationStarted", "mapIterationStartedEventDetails", details)
        context = {**step.frame.scope.context, "Map": {"Item": item}}
        frame: Frame = step.frame.with_scope(step.scope.enter(context))
        payload = select_item(state, step, item)
        output = await run_program(state.branches[0], payload, frame, cursor)
        cursor.note("MapIterationSucceeded", "mapIterationSucceededEventDetails", details)
        return output

    return run


class _Group:
    """Branches that run side by side.

    Source: recorded executions, for what their events follow: a branch that had to wait for another follows that one's
    last state; what follows the group follows the branch that ended last; after a failure everything follows the event
    that failed.
    """

    def __init__(self, branches: Sequence[Branch], cursor: Cursor) -> None:
        self._cursor = cursor
        self._branches = branches
        self._cursors = [cursor.branch() for _ in branches]
        self._open: set[int] = set()
        self._failed: list[int] = []
        self._freed: list[int] = []

    async def run(self, concurrency: int) -> list[Json]:
        """Run the branches, at most ``concurrency`` at once; the first failure stops the others and is raised."""
        slots = asyncio.Semaphore(concurrency)
        tasks = [asyncio.ensure_future(self._run_one(index, slots)) for index in range(len(self._branches))]
        try:
            results = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        ends = (max(own.last, own.noted) for own in self._cursors)
        self._cursor.last = max(ends, default=self._cursor.last)
        return list(results)

    async def _run_one(self, index: int, slots: asyncio.Semaphore) -> Json:
        own = self._cursors[index]
        async with slots:
            if self._failed:
                return None  # its place came free by a failure, which ends the group
            if self._freed:
                own.last = self._freed.pop(0)
            self._open.add(index)
            try:
                result = await self._branches[index](own)
            except StatesError:
                self._failed.append(index)
                raise
            self._open.discard(index)
            self._freed.append(own.last)
            return result

    def note_aborted(self, note_branch: Callable[[int, bool], None]) -> None:
        """Add the events of branches that had not ended when one failed."""
        self._cursor.last = self._cursors[self._failed[0]].last
        for index in sorted(self._open):
            note_branch(index, index == self._failed[0])
            if self._cursors[index].open_state in _ABORTABLE:
                self._cursor.note(f"{self._cursors[index].open_state}StateAborted")
