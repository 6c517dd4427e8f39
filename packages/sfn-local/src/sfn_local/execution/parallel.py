"""Parallel states and inline Map states: branches of one execution that run side by side.

**Differs from AWS:** an inline Map without MaxConcurrency runs 40 iterations at a time, as the service documents; how
it orders the events of concurrent branches is not documented.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sfn_local.execution.frames import Cursor, Frame, Step
from sfn_local.execution.interpreter import run_program
from sfn_local.execution.map_items import context_item, members_or_items, select_item
from sfn_local.execution.program import Program, State
from sfn_local.execution.redrive_points import Completed, Interrupted, RedrivePoint
from sfn_local.language import Json
from sfn_local.language.errors import ItemSelectionError, QueryEvaluationError, StatesError, StatesRuntimeError
from sfn_local.language.json_text import compact
from sfn_local.language.sizes import characters, check_characters

# Source: Step Functions developer guide, "Map state processing modes": inline, up to 40 concurrent iterations.
INLINE_CONCURRENCY = 40

# Types of states whose abort is an event.  Source: the service model, ``HistoryEventType``.
_ABORTABLE = ("Map", "Parallel", "Task", "Wait")

Branch = Callable[[Cursor], Awaitable[Json]]


async def run_parallel(state: State, step: Step) -> Json:
    """Run every branch on the same input; the result is the array of their outputs."""
    payload = await step.evaluate(state.flow.arguments)
    points = _start(step, lambda: step.cursor.add("ParallelStateStarted"))
    frame = step.frame.with_scope(step.scope.enter(step.frame.scope.context))
    text = compact(payload)  # once for all of them
    branches = [
        _branch(program, payload, text, frame, points.get(index)) for index, program in enumerate(state.branches)
    ]
    group = _Group(branches, step.cursor)
    try:
        results = await group.run(len(branches))
    except StatesError:
        group.note_aborted(lambda _index, _is_failed: None)
        step.cursor.failure = "ParallelStateFailed"
        raise
    step.cursor.note("ParallelStateSucceeded")
    return results


async def run_inline_map(state: State, step: Step) -> Json:
    """Run the item processor once an item; the result is the array of outputs in the order of the items."""
    assert state.map_fields is not None
    try:
        items = list(members_or_items(await step.evaluate(state.map_fields.items.items)))
    except QueryEvaluationError:
        step.cursor.failure = "MapStateFailed"
        raise
    limit = state.settings.get("MaxConcurrency")
    concurrency = (await step.evaluate(limit) if limit else 0) or INLINE_CONCURRENCY
    length = {"length": len(items)}
    points = _start(step, lambda: step.cursor.add("MapStateStarted", "mapStateStartedEventDetails", length))
    if max(points, default=-1) >= len(items):
        raise StatesRuntimeError("The items of the Map state are not those that it was started with")
    branches = [
        _iteration(state, step, context_item(index, item), points.get(index)) for index, item in enumerate(items)
    ]
    group = _Group(branches, step.cursor)

    def note_iteration(index: int, is_failed: bool) -> None:
        kind = "Failed" if is_failed else "Aborted"
        details = {"name": state.name, "index": index}
        step.cursor.note(f"MapIteration{kind}", f"mapIteration{kind}EventDetails", details)

    try:
        results = await group.run(min(concurrency, INLINE_CONCURRENCY))
    except ItemSelectionError:
        raise  # as recorded, only the execution's end tells of it
    except StatesError:
        group.note_aborted(note_iteration)
        step.cursor.failure = "MapStateFailed"
        raise
    step.cursor.note("MapStateSucceeded")
    return results


def _start(step: Step, add_event: Callable[[], int]) -> Mapping[int, RedrivePoint]:
    """Start the branches, or after a redrive go on with those that were started: return how far each was."""
    if step.resumed is None or not step.resumed.started:
        add_event()
        return {}
    step.cursor.last = step.resumed.started
    return step.resumed.branches


def _branch(program: Program, payload: Json, text: str, frame: Frame, point: RedrivePoint | None) -> Branch:
    async def run(cursor: Cursor) -> Json:
        if isinstance(point, Completed):
            return _kept(point, cursor)
        resumed = point if isinstance(point, Interrupted) else None
        return await run_program(program, payload, frame, cursor, resumed, text=text)

    return run


def _iteration(state: State, step: Step, item: dict[str, Json], point: RedrivePoint | None) -> Branch:
    details = {"name": state.name, "index": item["Index"]}

    async def run(cursor: Cursor) -> Json:
        if isinstance(point, Completed):
            return _kept(point, cursor)
        context = {**step.frame.scope.context, "Map": {"Item": item}}
        frame: Frame = step.frame.with_scope(step.scope.enter(context))
        if isinstance(point, Interrupted):
            output = await run_program(state.branches[0], None, frame, cursor, point)
        else:
            if point is not None:
                cursor.last = point.last
            selected = await _select(state, step, item)
            if point is None:
                cursor.add("MapIterationStarted", "mapIterationStartedEventDetails", details)
            output = await run_program(state.branches[0], selected, frame, cursor)
        cursor.note("MapIterationSucceeded", "mapIterationSucceededEventDetails", details)
        return output

    return run


async def _select(state: State, step: Step, item: dict[str, Json]) -> Json:
    try:
        return await step.frame.services.evaluation.run(select_item, state, step, item)
    except StatesRuntimeError as error:
        raise ItemSelectionError(error.cause) from error


def _kept(point: Completed, cursor: Cursor) -> Json:
    """Return the output of a branch that had ended before a redrive."""
    cursor.last = point.last
    return json.loads(point.output)


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
        self._characters = 0
        self._open: set[int] = set()
        self._failed: list[int] = []
        self._freed: list[int] = []

    async def run(self, concurrency: int) -> list[Json]:
        """Run the branches, at most ``concurrency`` at once; the first failure stops the others and is raised."""
        results: list[Json] = [None] * len(self._branches)
        indices = iter(range(len(self._branches)))

        async def run_in_turn() -> None:
            for index in indices:
                results[index] = await self._run_one(index, has_to_wait=index >= concurrency)

        tasks = [asyncio.ensure_future(run_in_turn()) for _ in range(min(concurrency, len(self._branches)))]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        ends = (max(own.last, own.noted) for own in self._cursors)
        self._cursor.last = max(ends, default=self._cursor.last)
        return results

    async def _run_one(self, index: int, *, has_to_wait: bool) -> Json:
        own = self._cursors[index]
        if self._failed:
            return None  # its place came free by a failure, which ends the group
        if has_to_wait:
            own.last = self._freed.pop(0)
        self._open.add(index)
        try:
            result = await self._branches[index](own)
            self._characters += characters(result)
            check_characters(self._characters, "The array of the results")
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
