"""Evaluates expressions and queries, in this process or in one that can be ended, within time limits.

What is quick is evaluated where it is asked for: on the event loop, for the most part.  Everything else (JSONata with
functions, loops or patterns; JSONPath with filters or ``..``) is evaluated in processes of their own, see
`sfn_local.language.evaluators`: a pattern that goes on for years, or data that grows without end, can't be interrupted
within a process, so the process is ended.

Whoever waits for such a process must not be the event loop.  There, `quickly` runs a step of the data flow and gives up
by `NotQuickError` as soon as it comes to anything else; the step, which changes nothing, is then run again from its
beginning by `thoroughly` in a thread.

Source of the figures: AWS documents 1,000 ms of processor time, 10 MB and a depth of 100 for the JSONata of AWS
Elemental Inference; others measured the depth of 100 and about 7 MB a value on Step Functions.  The processor time here
is twice that: the library is slower.

Differs from AWS: the service doesn't document what it allows the fields of a state; here they may take 2 s of processor
time, 256 MiB of memory, and give 16 million characters.  A definition may take 2 s to read, and an expression
in it have 20,000 names, values and operators.
"""

import atexit
import threading
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from sfn_local.language.errors import StatesRuntimeError
from sfn_local.language.evaluators import Answer, EvaluatorEndedError, Evaluators, Request
from sfn_local.language.sizes import check_characters

Result = TypeVar("Result")
Parameters = ParamSpec("Parameters")

# Processor time of all expressions of one step: of a state's fields that are evaluated together, or of one item.
PROCESSOR_SECONDS = 2.0
QUICK_SECONDS = 0.01


class NotQuickError(BaseException):
    """This takes longer than the event loop can be held; no fault, so nothing that handles faults handles it."""


class OverLimitError(StatesRuntimeError):
    """An evaluation takes more than it may; for JSONata, `QueryEvaluationError` takes its place."""


class OutOfTimeError(OverLimitError):
    """An evaluation takes more processor time than it may."""

    def __init__(self, seconds: float = PROCESSOR_SECONDS) -> None:
        super().__init__(f"Evaluation takes more than {seconds:g} seconds of processor time")


class _Place(threading.local):
    """Limits of the evaluations of this thread."""

    quick_until: float | None = None  # on time.monotonic(): on the event loop
    evaluators: Evaluators | None = None  # in a thread that may wait
    end: float | None = None  # on time.thread_time()
    characters = 0  # of the answers so far


_place = _Place()
_default_evaluators = Evaluators()  # of code without a server
atexit.register(_default_evaluators.close)


def quickly(step: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs) -> Result:
    """Run a step of the data flow on the event loop.

    Raises
    ------
    NotQuickError
        If it can't be done without holding the loop.
    """
    _place.quick_until = time.monotonic() + QUICK_SECONDS
    try:
        return step(*args, **named)
    finally:
        _place.quick_until = None


def thoroughly(
    evaluators: Evaluators, step: Callable[Parameters, Result], *args: Parameters.args, **named: Parameters.kwargs
) -> Result:
    """Run a step of the data flow in this thread, which waits for what has to be evaluated elsewhere."""
    _place.evaluators = evaluators
    restart()
    try:
        with evaluators.interpreter:
            return step(*args, **named)
    finally:
        _place.evaluators = _place.end = None


def restart() -> None:
    """Begin to count the time of another step, in a thread that goes through several: the items of a Map state."""
    if _place.evaluators is not None:
        _place.end = time.thread_time() + PROCESSOR_SECONDS
        _place.characters = 0


def is_in_thread() -> bool:
    """Whether this is a thread that may wait, beside the event loop's."""
    return _place.evaluators is not None


def pause() -> None:
    """Look at the time; called before each piece of work, of which there may be many.

    Raises
    ------
    NotQuickError
        On the event loop, if the step has gone on too long for it.
    OverLimitError
        If the step has taken the processor time that it may, or the server stops.
    """
    if _place.quick_until is not None:
        if time.monotonic() > _place.quick_until:
            raise NotQuickError
    elif _place.end is not None and time.thread_time() > _place.end:
        raise OutOfTimeError
    elif _place.evaluators is not None and _place.evaluators.is_closed:
        raise OverLimitError("the server was stopped")


def elsewhere(language: str, text: str, value: Any, *, most_seconds: float = PROCESSOR_SECONDS) -> Answer:
    """Evaluate in a process of its own.

    Parameters
    ----------
    language : str
        A key of `sfn_local.language.evaluator.LANGUAGES`.
    value : Any
        What the language's evaluation takes.
    most_seconds : float
        Limit of processor time, if the step has as much left.

    Returns
    -------
    tuple
        What that evaluation gives.

    Raises
    ------
    NotQuickError
        On the event loop.
    OverLimitError
        If it takes too much time or memory.
    """
    if _place.quick_until is not None:
        raise NotQuickError
    seconds = most_seconds if _place.end is None else min(most_seconds, _place.end - time.thread_time())
    if seconds <= 0:
        raise OutOfTimeError
    try:
        answer, used = _wait_for((language, text, value), seconds)
    except EvaluatorEndedError as ended:
        raise OutOfTimeError(most_seconds) if ended.is_out_of_time else OverLimitError(str(ended)) from None
    if _place.end is not None:
        _place.end -= used
        _place.characters += sum(len(part) for part in answer if isinstance(part, str))
        check_characters(_place.characters, "What the expressions give together")
    return answer


def _wait_for(request: Request, seconds: float) -> tuple[Answer, float]:
    evaluators = _place.evaluators
    if evaluators is None:
        return _default_evaluators.evaluate(request, seconds)
    evaluators.interpreter.release()
    try:
        return evaluators.evaluate(request, seconds)
    finally:
        evaluators.interpreter.acquire()
