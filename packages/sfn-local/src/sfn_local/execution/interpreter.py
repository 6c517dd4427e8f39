"""Runs a compiled program: one state after the other, with Retry, Catch and the events of the history.

Source: the Amazon States Language specification, "Input and Output Processing" and "Errors"; recorded executions for
what the specification leaves open.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from sfn_local.execution.frames import Cursor, Frame, Step
from sfn_local.execution.program import Program, State
from sfn_local.execution.redrive_points import Interrupted
from sfn_local.language import Json
from sfn_local.language.data_flow import StateOutput
from sfn_local.language.errors import (
    TOO_DEEP,
    AssignmentLimitError,
    IntrinsicFailureError,
    QueryEvaluationError,
    ReferencePathConflictError,
    StatesError,
    StatesRuntimeError,
    VariableLimitError,
    in_state,
    matches,
)
from sfn_local.language.json_text import check_size, compact
from sfn_local.language.retry import first_counters, next_retry
from sfn_local.language.scope import Scope
from sfn_local.language.timestamps import timestamp

# Errors of the data flow itself: their causes tell the state and the event that entered it.
_EVALUATION_ERRORS = (
    StatesRuntimeError,
    QueryEvaluationError,
    IntrinsicFailureError,
    ReferencePathConflictError,
    VariableLimitError,
)

# The service's own words name the field; see sfn_local.language.jsonata.
_EVALUATED_FIELD = re.compile(r"specified for the field '([^']*)'")
_REFUSED_TIME = re.compile(r"The (Timestamp) field cannot be parsed")


class _Transition(NamedTuple):
    left: StateOutput
    next: str | None
    output_text: str


async def run_program(
    program: Program,
    payload: Json,
    frame: Frame,
    cursor: Cursor,
    resumed: Interrupted | None = None,
    *,
    text: str | None = None,
) -> Json:
    """Run ``program`` from its first state to its end and return the last state's output.

    Parameters
    ----------
    resumed : Interrupted or None
        Where to go on instead, after a redrive.
    text : str or None
        The payload as compact JSON, where it is there already.

    Raises
    ------
    StatesError
        If a state fails and nothing catches it, or data nests deeper than Python's own JSON reaches.
    """
    try:
        return await _run_states(program, payload, frame, cursor, resumed, text=text)
    except RecursionError:
        raise StatesRuntimeError(TOO_DEEP) from None


async def _run_states(
    program: Program, payload: Json, frame: Frame, cursor: Cursor, resumed: Interrupted | None, *, text: str | None
) -> Json:
    name: str | None = program.start_at
    if resumed is not None:
        name, payload = resumed.state, json.loads(resumed.input)
        frame = frame.with_scope(_with_variables(frame.scope, resumed.variables))
    if text is None or resumed is not None:
        text = compact(payload)
    turns, history = frame.services.turns, cursor.history
    while name is not None:
        if turns.is_over():
            await turns.next()
        if history.is_behind:
            await history.catch_up()
        state = program.states[name]
        transition = await _run_state(state, payload, text, frame, cursor, resumed=resumed)
        resumed = None
        payload, text, name = transition.left.output, transition.output_text, transition.next
        frame = frame.with_scope(transition.left.scope)
    return payload


def _with_variables(scope: Scope, texts: Mapping[str, str]) -> Scope:
    for name, text in texts.items():  # one by one: together they may be more than one Assign may hold
        scope = scope.assign({name: json.loads(text)})
    return scope


class _Entry(NamedTuple):
    """The event that entered a state, the one that it follows, and when that was."""

    entered: int
    before: int
    seconds: float


def _enter(state: State, text: str, frame: Frame, cursor: Cursor, resumed: Interrupted | None) -> _Entry:
    """Enter a state; one that goes on after a redrive was entered before."""
    before = cursor.last
    cursor.open_state = state.type
    if resumed is not None:
        cursor.last = resumed.entered
        return _Entry(resumed.entered, resumed.before, resumed.entered_time)
    details = {"name": state.name, "input": text, "inputDetails": {"truncated": False}}
    entered = cursor.add(f"{state.type}StateEntered", "stateEnteredEventDetails", details)
    return _Entry(entered, before, frame.services.clock.time())


async def _run_state(
    state: State, payload: Json, text: str, frame: Frame, cursor: Cursor, *, resumed: Interrupted | None
) -> _Transition:
    entered, before, entered_seconds = _enter(state, text, frame, cursor, resumed)
    entered_time = timestamp(entered_seconds)
    counters = first_counters(state.retriers)
    attempt = 0
    while True:
        scope = _scope_in(state, frame, entered_time, attempt)
        cursor.failure = None
        try:
            transition = await _attempt(state, payload, frame, cursor, scope=scope, entered=entered, resumed=resumed)
            break
        except StatesError as raised:
            error = _with_place(raised, state, entered)
            if state.is_jsonata and isinstance(raised, (QueryEvaluationError, AssignmentLimitError)):
                _note_evaluation_failed(error, raised, state, before, cursor)
            decision = next_retry(state.retriers, error.matched_name, counters, frame.services.random.random)
            if decision is None:
                if cursor.failure is not None:
                    cursor.add(cursor.failure)
                transition = await _catch(state, payload, frame, scope=scope, error=error, entered=entered)
                break
        counters, resumed = decision.counters, None
        attempt += 1
        await frame.services.clock.sleep(decision.delay_seconds)
    _leave(state, transition, cursor)
    left = transition.left.scope
    # Mostly nothing is assigned, and the frame can stay as it is.
    base = frame.scope if left is scope else left.with_context(frame.scope.context)
    return transition._replace(left=transition.left._replace(scope=base))


def _scope_in(state: State, frame: Frame, entered_time: str, attempt: int) -> Scope:
    described: dict[str, Json] = {"Name": state.name, "EnteredTime": entered_time}
    if state.type in ("Task", "Parallel", "Map"):
        described["RetryCount"] = attempt
    return frame.scope.with_context({**frame.scope.context, "State": described})


async def _attempt(
    state: State,
    payload: Json,
    frame: Frame,
    cursor: Cursor,
    *,
    scope: Scope,
    entered: int,
    resumed: Interrupted | None,
) -> _Transition:
    evaluate = frame.services.evaluation.run
    effective = await evaluate(state.flow.effective_input, payload, scope)
    step = Step(
        frame=frame,
        scope=scope,
        cursor=cursor,
        entered=entered,
        state_input=payload,
        effective_input=effective,
        resumed=resumed,
    )
    if state.choice is not None:
        name, rule = await evaluate(state.choice.choose, effective, scope)
        left = await evaluate(state.flow.leave_choice, payload, rule.index if rule else None, scope)
        next_name: str | None = name
    else:
        result = await frame.services.work[state.type](state, step)
        left = await evaluate(state.flow.leave, payload, result, scope)
        next_name = state.next
    return _transition(state, left, next_name)


def _transition(state: State, left: StateOutput, next_name: str | None) -> _Transition:
    text = compact(left.output)
    check_size(text, state.name)
    return _Transition(left, next_name, text)


async def _catch(
    state: State, payload: Json, frame: Frame, *, scope: Scope, error: StatesError, entered: int
) -> _Transition:
    for position, catcher in enumerate(state.catchers):
        if matches(catcher.error_equals, error.matched_name):
            try:
                left = await frame.services.evaluation.run(state.flow.leave_caught, payload, position, error, scope)
                return _transition(state, left, catcher.next)
            except StatesError as second:
                raise _with_place(second, state, entered) from error
    raise error


def _with_place(error: StatesError, state: State, entered: int) -> StatesError:
    return in_state(error, state.name, entered) if isinstance(error, _EVALUATION_ERRORS) else error


def _note_evaluation_failed(error: StatesError, raised: StatesError, state: State, before: int, cursor: Cursor) -> None:
    """Add the event of an expression that failed; as recorded, it follows what the state's entry follows.

    Where the expression gave a time that can't be read, or too much to assign, it follows the entry itself.
    """
    details = {"error": error.name, "cause": error.cause, "state": state.name}
    refused = _REFUSED_TIME.match(raised.cause or "")
    is_too_much = isinstance(raised, AssignmentLimitError)
    field = refused or _EVALUATED_FIELD.search(raised.cause or "")
    if field or is_too_much:
        details["location"] = field[1] if field else "Assign"
    follows = cursor.last if refused or is_too_much else before
    cursor.last = cursor.history.add("EvaluationFailed", follows, "evaluationFailedEventDetails", details)


def _leave(state: State, transition: _Transition, cursor: Cursor) -> None:
    details: dict[str, Json] = {
        "name": state.name,
        "output": transition.output_text,
        "outputDetails": {"truncated": False},
    }
    if transition.left.assigned:
        details["assignedVariables"] = {name: compact(value) for name, value in transition.left.assigned.items()}
        details["assignedVariablesDetails"] = {"truncated": False}
    cursor.add(f"{state.type}StateExited", "stateExitedEventDetails", details)
    cursor.open_state = None
