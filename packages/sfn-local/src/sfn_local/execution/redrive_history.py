"""Reads from the history of an execution where it goes on when it is redriven.

Names of states are unique in a definition, so an event that names one tells which branch it is of; an event that names
none is of the branch of the event that it follows, or of one that encloses that.

Source: recorded redrives: a state that was entered and not left goes on without being entered again, a branch or an
iteration that had succeeded keeps its result, one that had not begun begins.
"""

from collections.abc import Callable, Iterable, Iterator

from sfn_local.execution.program import Program, State
from sfn_local.execution.redrive_points import Begun, Completed, Interrupted, RedrivePoint, without_results
from sfn_local.storage.event import Event

DATA_LIMIT = "States.DataLimitExceeded"


def redrive_point(program: Program, events: Iterable[Event]) -> RedrivePoint | None:
    """Return where the execution whose history this is goes on; None if it had entered no state.

    Parameters
    ----------
    program : Program
        The definition that the execution was started with.
    """
    reader = _Reader(program)
    for event in events:
        reader.read(event)
    point = reader.root.point()
    if isinstance(point, Begun):
        return None
    return without_results(point) if reader.error == DATA_LIMIT else point


class _Open:
    """A state that was entered: its branches are those of its last attempt."""

    def __init__(self, state: State, event: Event) -> None:
        details = event["stateEnteredEventDetails"]
        self.state = state
        self.event = event
        self.input: str = details["input"]
        self.started = 0
        self.is_failed = False
        self.branches: dict[int, _Branch] = {}
        self.map_run: str | None = None

    def start(self, event_id: int) -> None:
        self.started, self.is_failed, self.branches, self.map_run = event_id, False, {}, None


class _Branch:
    """The execution itself, a branch or an iteration, as far as its events have been read."""

    def __init__(self, program: Program, parent: "_Branch | None", last: int) -> None:
        self.program = program
        self.parent = parent
        self.last = last
        self.open: _Open | None = None
        self.left: _Open | None = None
        self.variables: dict[str, str] = {}
        self.output: str | None = None

    def outward(self) -> "Iterator[_Branch]":
        """Yield this and what encloses it."""
        branch: _Branch | None = self
        while branch is not None:
            yield branch
            branch = branch.parent

    def reopen(self) -> None:
        """Note that what had not ended runs again."""
        if self.open is not None:
            self.open.is_failed = False
            for branch in self.open.branches.values():
                branch.reopen()

    def point(self) -> RedrivePoint:
        current = self.open
        if current is None and self.left is not None:
            if self.output is not None and self.left.state.next is None and self.left.state.choice is None:
                return Completed(self.output, self.last)
            current = self.left  # what follows it was never entered
        if current is None:
            return Begun(self.last)
        return Interrupted(
            state=current.state.name,
            entered=current.event["id"],
            before=current.event["previousEventId"],
            entered_time=current.event["timestamp"],
            input=current.input,
            variables=dict(self.variables),
            started=current.started,
            branches={index: branch.point() for index, branch in current.branches.items()},
            map_run=current.map_run,
        )


class _Reader:
    """Reads events in their order; ``error`` is that of the last end of the execution."""

    def __init__(self, program: Program) -> None:
        self.root = _Branch(program, None, 0)
        self.error: str | None = None
        self._owners: dict[int, _Branch] = {0: self.root}

    def read(self, event: Event) -> None:
        follows = self._owners.get(event["previousEventId"], self.root)
        read = self._reader_of(event)
        self._owners[event["id"]] = read(event, follows) if read else follows

    def _reader_of(self, event: Event) -> Callable[[Event, _Branch], _Branch] | None:
        if "stateEnteredEventDetails" in event:
            return self._entered
        if "stateExitedEventDetails" in event:
            return self._exited
        return {
            "EvaluationFailed": self._evaluation_failed,
            "ExecutionFailed": self._failed,
            "ExecutionRedriven": self._redriven,
            "MapIterationStarted": self._iteration_started,
            "MapRunRedriven": self._map_run,
            "MapRunStarted": self._map_run,
            "MapStateFailed": self._group_failed,
            "MapStateStarted": self._group_started,
            "ParallelStateFailed": self._group_failed,
            "ParallelStateStarted": self._group_started,
        }.get(event["type"])

    def _entered(self, event: Event, follows: _Branch) -> _Branch:
        name = event["stateEnteredEventDetails"]["name"]
        branch = _enclosing(follows, name) or _new_branch(follows, name, event["previousEventId"])
        branch.open = _Open(branch.program.states[name], event)
        branch.left = None
        return branch

    def _exited(self, event: Event, follows: _Branch) -> _Branch:
        details = event["stateExitedEventDetails"]
        branch = _known(follows, details["name"])
        branch.open, branch.left = None, branch.open
        branch.output, branch.last = details["output"], event["id"]
        branch.variables |= details.get("assignedVariables", {})
        return branch

    def _evaluation_failed(self, event: Event, follows: _Branch) -> _Branch:
        """It follows what the state's entry follows, which may be of the enclosing branch."""
        name = event["evaluationFailedEventDetails"]["state"]
        inner = follows.open.branches.values() if follows.open else ()
        return _enclosing(follows, name) or next(branch for branch in inner if name in branch.program.states)

    def _group_started(self, event: Event, follows: _Branch) -> _Branch:
        """A retry follows an event of the attempt before, perhaps of a group inside that has failed for good."""
        branch, group = _running_group(follows, event["type"].removesuffix("StateStarted"))
        group.start(event["id"])
        return branch

    def _group_failed(self, event: Event, follows: _Branch) -> _Branch:
        branch, group = _running_group(follows, event["type"].removesuffix("StateFailed"))
        group.is_failed = True
        return branch

    def _iteration_started(self, event: Event, follows: _Branch) -> _Branch:
        details = event["mapIterationStartedEventDetails"]
        parent = _known(follows, details["name"])
        assert parent.open is not None
        branch = _Branch(parent.open.state.branches[0], parent, event["id"])
        parent.open.branches[details["index"]] = branch
        return branch

    def _map_run(self, event: Event, follows: _Branch) -> _Branch:
        kind = event["type"].removeprefix("MapRun")
        assert follows.open is not None
        follows.open.map_run = event[f"mapRun{kind}EventDetails"]["mapRunArn"]
        return follows

    def _failed(self, event: Event, _follows: _Branch) -> _Branch:
        self.error = event["executionFailedEventDetails"].get("error")
        return self.root

    def _redriven(self, _event: Event, _follows: _Branch) -> _Branch:
        self.error = None
        self.root.reopen()
        return self.root


def _running_group(branch: _Branch, kind: str) -> tuple[_Branch, _Open]:
    """Return the innermost state of this type that runs, and the branch that it is in."""
    return next(
        (each, each.open)
        for each in branch.outward()
        if each.open is not None and each.open.state.type == kind and not each.open.is_failed
    )


def _enclosing(branch: _Branch, name: str) -> _Branch | None:
    return next((each for each in branch.outward() if name in each.program.states), None)


def _known(branch: _Branch, name: str) -> _Branch:
    found = _enclosing(branch, name)
    assert found is not None, name  # the history is of this definition
    return found


def _new_branch(parent: _Branch, name: str, last: int) -> _Branch:
    """Begin the branch of a Parallel state that has a state of this name."""
    assert parent.open is not None
    index = next(index for index, program in enumerate(parent.open.state.branches) if name in program.states)
    branch = _Branch(parent.open.state.branches[index], parent, last)
    parent.open.branches[index] = branch
    return branch
