"""The phases of a run: which of its states it was in, from its first moment to its last, without a gap."""

from dataclasses import dataclass
from datetime import datetime

from hpc.runs.tree import Execution

# Between an end and the redrive that went on.
IDLE = "not running"


@dataclass(frozen=True)
class Phase:
    """A time in one state; in seconds since the epoch."""

    name: str
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.begin


def phases_of(execution: Execution, now: datetime) -> list[Phase]:
    """Return the phases: the first begins with the execution, the last ends with it, each follows the one before.

    What passes between two states, a transition of the service, is of the first of them.
    """
    begin = execution.begin.timestamp()
    end = max(begin, execution.end(now).timestamp())  # a clock that was set back ends no run before it began
    marks = [(min(max(moment.timestamp(), begin), end), name or IDLE) for moment, name in execution.history.marks]
    if marks and marks[-1][1] == IDLE:
        marks.pop()  # the end itself
    if not marks:
        return [Phase("starting", begin, end)]
    starts = [begin, *(moment for moment, _ in marks[1:])]
    ends = [*starts[1:], end]
    found: list[Phase] = []
    for (_, name), first, last in zip(marks, starts, ends, strict=True):
        if found and found[-1].name == name:
            found[-1] = Phase(name, found[-1].begin, last)
        elif last > first or name != IDLE:
            found.append(Phase(name, first, last))
    return found


def by_name(phases: list[Phase]) -> dict[str, float]:
    """Return the seconds of each state, in the order in which they were entered first."""
    seconds: dict[str, float] = {}
    for phase in phases:
        seconds[phase.name] = seconds.get(phase.name, 0.0) + phase.seconds
    return seconds


class Axis:
    """Time from the begin of a run to its end, without the pauses before redrives.

    Attributes
    ----------
    seconds : float
        Its length.
    """

    def __init__(self, phases: list[Phase]) -> None:
        self.stretches = [(phase.begin, phase.end) for phase in phases if phase.name != IDLE]
        self.seconds = sum(end - begin for begin, end in self.stretches)

    def share(self, moment: float) -> float:
        """Return the place of a moment, 0 at the begin and 1 at the end."""
        before = sum(max(0.0, min(moment, end) - begin) for begin, end in self.stretches)
        return before / self.seconds if self.seconds else 0.0

    def moments(self, count: int) -> list[float]:
        """Return ``count + 1`` moments at equal distances, from the begin to the end."""
        step, found, passed = self.seconds / count, list[float](), 0.0
        for begin, end in self.stretches:
            while len(found) <= count and step * len(found) <= passed + (end - begin):
                found.append(begin + step * len(found) - passed)
                if not step:
                    break
            passed += end - begin
        last = self.stretches[-1][1] if self.stretches else 0.0
        return found + [last] * (count + 1 - len(found))
