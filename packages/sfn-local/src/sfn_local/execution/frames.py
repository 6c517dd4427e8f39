"""Frames: the execution and the branch that a state is part of."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sfn_local.clock import Clock
from sfn_local.execution.evaluation import Evaluation
from sfn_local.execution.history import History
from sfn_local.execution.turns import Turns
from sfn_local.iam.sessions import service_session_arn
from sfn_local.language import Json
from sfn_local.language.map_fields import Evaluate
from sfn_local.language.scope import Scope

if TYPE_CHECKING:
    from sfn_local.execution.integrations import Integrations
    from sfn_local.execution.program import State
    from sfn_local.execution.redrive_points import Interrupted
    from sfn_local.execution.task_tokens import TaskTokens

Work = Callable[["State", "Step"], Awaitable[Json]]
"""A state's own work: from its effective input to its result; raises :class:`StatesError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Services that all executions share.

    ``work`` is by state type. ``maps`` is used by Distributed Maps only, which know its type.
    """

    clock: Clock
    integrations: "Integrations"
    maps: object
    tokens: "TaskTokens"
    random: random.Random
    work: Mapping[str, Work]
    turns: Turns = field(default_factory=Turns)
    evaluation: Evaluation = field(default_factory=Evaluation)


class Cursor:
    """Position of one branch in the history: each event that it adds follows its own last one.

    Attributes
    ----------
    noted : int
        Id of the last event that none follows.
    open_state : str or None
        Type of the state that was entered and not left.
    failure : str or None
        Type of the event that tells of the open state's failure, once no retry follows.
    """

    __slots__ = ("_attempts", "failure", "history", "last", "noted", "open_state")

    def __init__(self, history: History, last: int = 0) -> None:
        self._attempts: dict[str, int] | None = None
        self.history = history
        self.last = last
        self.noted = 0
        self.open_state: str | None = None
        self.failure: str | None = None

    def add(self, event_type: str, details_name: str = "", details: dict[str, Json] | None = None) -> int:
        self.last = self.history.add(event_type, self.last, details_name, details)
        return self.last

    def note(self, event_type: str, details_name: str = "", details: dict[str, Json] | None = None) -> int:
        """Add an event that the branch's next one does not follow."""
        self.noted = self.history.add(event_type, self.last, details_name, details)
        return self.noted

    def count_attempt(self, state: str) -> int:
        """Count an attempt at a state; return its number, from 1."""
        if self._attempts is None:
            self._attempts = {}
        number = self._attempts[state] = self._attempts.get(state, 0) + 1
        return number

    def branch(self) -> "Cursor":
        return Cursor(self.history, self.last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One execution, branch or iteration at one moment; immutable.

    Attributes
    ----------
    machine_arn, execution_arn : str
        ARNs of the state machine and the execution; inside a Distributed Map, those of the child execution.
    execution_id : int
        Row of the top-level execution in the store, which owns the Map Runs.
    parent : Frame or None
        Frame of the Map state that started a child execution.
    position : int or None
        Position of a child execution in its Map Run.
    """

    services: Services
    machine_arn: str
    machine_name: str
    role_arn: str
    execution_arn: str
    execution_id: int
    scope: Scope
    parent: "Frame | None" = None
    position: int | None = None

    @property
    def principal(self) -> str:
        """Principal that calls the services: a session of the state machine's role."""
        return service_session_arn(self.role_arn)

    def with_scope(self, scope: Scope) -> "Frame":
        return self if scope is self.scope else replace(self, scope=scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One attempt at one state: what its work may use.

    Attributes
    ----------
    scope : Scope
        With ``$$.State`` of this state in its context.
    entered : int
        Id of the event that entered the state.
    resumed : Interrupted or None
        How far the state was, in its first attempt after a redrive.
    """

    frame: Frame
    scope: Scope
    cursor: Cursor
    entered: int
    state_input: Json
    effective_input: Json
    resumed: "Interrupted | None" = None

    async def evaluate(self, evaluate: Evaluate) -> Json:
        """Evaluate a field, or several together, of the state; raises :class:`StatesError`."""
        return await self.frame.services.evaluation.run(evaluate, self.effective_input, self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A task's call of an integration.

    Attributes
    ----------
    on_submitted : callable
        Called with the service's answer once a job has been taken; for integrations that wait for one.
    on_started : callable
        Called once a worker has taken the call, and what it returns once the worker has ended it; for functions, whose
        calls wait for a worker.
    """

    frame: Frame
    on_submitted: Callable[[Json], None]
    on_started: Callable[[], Callable[[], None]]
