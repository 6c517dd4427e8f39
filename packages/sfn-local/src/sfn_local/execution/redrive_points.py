"""Points at which a redriven execution, branch or iteration resumes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Completed:
    """It had ended: its output (JSON text) is kept; ``last`` is the id of the event that left its last state."""

    output: str
    last: int


@dataclass(frozen=True, slots=True)
class Begun:
    """An iteration that had begun and entered no state; ``last`` is the id of its last event."""

    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A state had been entered and not left.

    Attributes
    ----------
    entered, before : int
        Ids of the event that entered the state, and of the one which that follows.
    entered_time : float
        Seconds since the epoch.
    input : str
        The state's input, JSON text.
    variables : Mapping
        What the states before assigned, JSON text by name.
    started : int
        Id of the event that started the branches of a Parallel or Map state, 0 if they were not started.
    branches : Mapping
        Branches that had begun, by index.
    map_run : str or None
        ARN of the Map Run that a Distributed Map had started.
    """

    state: str
    entered: int
    before: int
    entered_time: float
    input: str
    variables: Mapping[str, str] = field(default_factory=dict)
    started: int = 0
    branches: Mapping[int, "RedrivePoint"] = field(default_factory=dict)
    map_run: str | None = None


RedrivePoint = Completed | Begun | Interrupted


def without_results(point: RedrivePoint) -> RedrivePoint:
    """Let states begin anew whose branches, or whose Map Run, had all succeeded.

    Source: Step Functions developer guide, "Redriving executions": a Parallel or Map state that failed with
    ``States.DataLimitExceeded`` runs again as a whole.
    """
    if not isinstance(point, Interrupted):
        return point
    if all(isinstance(branch, Completed) for branch in point.branches.values()):
        return replace(point, started=0, branches={}, map_run=None)
    return replace(point, branches={index: without_results(branch) for index, branch in point.branches.items()})
