"""Histories of executions: what came of each state, and what the states started elsewhere."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hpc.json_objects import json_object
from hpc.runs.children import PAGE, SCHEDULED
from hpc.runs.failures import details_of, error_line, first_failure
from hpc.targets.client import Target

SAMPLE_CHARACTERS = 4_000
# From the one that a person has to know of to the one that says nothing.
STATUSES = ("FAILED", "TIMED_OUT", "ABORTED", "RUNNING", "CAUGHT", "SUCCEEDED")
# The events that end an execution which may be redriven.
ENDS = ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
FAILURES = ("FailedEventDetails", "TimedOutEventDetails")


@dataclass
class StateFacts:
    """Facts of one state over all its visits; input, output and error are of one visit.

    Attributes
    ----------
    seconds : float
        From entering to leaving, of all times together, without the pauses before redrives; a state that goes on is
        counted up to now.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    input: str = ""
    output: str = ""
    error: str = ""
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """The worst that came of it."""
        return next((status for status in STATUSES if self.statuses[status]), "NOT_REACHED")

    def add(self, other: "StateFacts") -> None:
        """Take what happened at other times; data of the worse of two stays."""
        if not self.statuses or STATUSES.index(other.status) < STATUSES.index(self.status):
            self.input, self.output, self.error = other.input, other.output, other.error
        self.statuses.update(other.statuses)
        self.retries += other.retries
        self.seconds += other.seconds


@dataclass(eq=False)
class Visit:
    """One time that a state was entered, and the Map or Parallel state that it is inside of."""

    name: str
    container: "Visit | None"
    input: str
    entered: datetime
    is_open: bool = True
    has_failed: bool = False
    tries: int = 0
    error: str = ""
    # Fields of the present attempt.
    function: str = ""
    began: datetime | None = None
    run_folder: str | None = None


@dataclass(frozen=True)
class StartedJob:
    """A job of AWS Batch; ``folder`` is where the files are of the run that it computes."""

    state: str
    job_id: str
    folder: str


@dataclass
class History:
    """Facts of one execution from its history.

    Attributes
    ----------
    transitions : int
        States that were entered, and tried again: what a Standard execution is billed for.
    calls : dict
        ARN of a Lambda function -> seconds of each invocation.
    executions : list of tuple
        State, and ARN of the execution that it started.
    map_runs : list of str
        ARNs.
    marks : list of tuple
        When the execution went on to which state of its own, not to one inside of a Map or Parallel; to None where it
        ended, before a redrive.
    """

    states: dict[str, StateFacts] = field(default_factory=dict)
    transitions: int = 0
    calls: dict[str, list[float]] = field(default_factory=dict)
    executions: list[tuple[str, str]] = field(default_factory=list)
    map_runs: list[str] = field(default_factory=list)
    jobs: list[StartedJob] = field(default_factory=list)
    redriven: list[datetime] = field(default_factory=list)
    marks: list[tuple[datetime, str | None]] = field(default_factory=list)


def read_history(target: Target, execution: dict[str, Any]) -> History:
    """Read the history of an execution that DescribeExecution told of."""
    reader = HistoryReader()
    pages = target.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=execution["executionArn"], PaginationConfig={"PageSize": PAGE}
    )
    for page in pages:
        for event in page["events"]:
            reader.add(event)
    return reader.end(execution["status"], execution.get("stopDate") or datetime.now(UTC))


class HistoryReader:
    """Takes events in their order; iterations of a Map are told apart by the event before each."""

    def __init__(self) -> None:
        self._history = History()
        self._visits: dict[int, Visit | None] = {}
        self._open: dict[int, Visit] = {}
        # From an end of the execution to the redrive that went on.
        self._pauses: list[tuple[datetime, datetime]] = []

    def add(self, event: dict[str, Any]) -> None:
        """Take the next event."""
        before = self._visits.get(event.get("previousEventId", 0))
        if entered := event.get("stateEnteredEventDetails"):
            container = before if before is None or before.is_open else before.container
            moment: datetime = event["timestamp"]
            visit: Visit | None = Visit(entered["name"], container, shortened(entered.get("input", "")), moment)
            assert visit is not None
            if container is None:
                self._history.marks.append((moment, visit.name))
            self._open[id(visit)] = visit
            self._history.transitions += 1
        elif left := event.get("stateExitedEventDetails"):
            visit = self._left(before, left["name"])
            if visit is not None:
                status, output = "CAUGHT" if visit.has_failed else "SUCCEEDED", shortened(left.get("output", ""))
                self._close(visit, status, output, event["timestamp"])
        else:
            visit = before
            if visit is not None:
                self._happened(visit, event)
        if event["type"] in ENDS:
            self._history.marks.append((event["timestamp"], None))
        if event["type"] == "ExecutionRedriven":
            self._redriven(event["timestamp"])
        if started := event.get("mapRunStartedEventDetails"):
            self._history.map_runs.append(started["mapRunArn"])
        self._visits[event["id"]] = visit

    def _redriven(self, moment: datetime) -> None:
        self._history.redriven.append(moment)
        if self._history.marks and self._history.marks[-1][1] is None:
            self._pauses.append((self._history.marks[-1][0], moment))
        for visit in self._open.values():  # what failed goes on, and may succeed now
            visit.has_failed, visit.error = False, ""
        goes_on = next((visit for visit in reversed(self._open.values()) if visit.container is None), None)
        if goes_on is not None:
            self._history.marks.append((moment, goes_on.name))

    def end(self, status: str, moment: datetime) -> History:
        """Return the whole; ``status`` is the execution's, ``moment`` when it ended, or now."""
        for visit in [visit for visit in self._open.values() if visit.has_failed]:
            container = visit.container
            while container is not None:
                container.has_failed, container = True, container.container
        is_elsewhere = any(visit.has_failed for visit in self._open.values())
        for visit in list(self._open.values()):
            # States that ran beside a failure were stopped for it.
            stopped = status == "FAILED" and is_elsewhere and not visit.has_failed
            self._close(visit, "ABORTED" if stopped else status, "", moment)
        return self._history

    def _left(self, before: Visit | None, name: str) -> Visit | None:
        visit = before
        while visit is not None and (visit.name != name or not visit.is_open):
            visit = visit.container
        # A redrive begins a new chain of events.
        return visit or next((visit for visit in self._open.values() if visit.name == name), None)

    def _close(self, visit: Visit, status: str, output: str, moment: datetime) -> None:
        visit.is_open = False
        del self._open[id(visit)]
        facts = StateFacts(Counter([status]), max(0, visit.tries - 1), visit.input, output, visit.error)
        idle = sum((end - begin).total_seconds() for begin, end in self._pauses if begin >= visit.entered)
        facts.seconds = max(0.0, (moment - visit.entered).total_seconds() - idle)
        self._history.states.setdefault(visit.name, StateFacts()).add(facts)
        visit.input = visit.error = ""  # events still name it; its data is in the facts

    def _happened(self, visit: Visit, event: dict[str, Any]) -> None:
        kind: str = event["type"]
        if kind in SCHEDULED:
            self._scheduled(visit, event)
        elif kind in ("LambdaFunctionStarted", "TaskStarted"):
            visit.began = event["timestamp"]
        elif kind.startswith(("LambdaFunction", "Task")):
            self._ended_call(visit, event["timestamp"])
        for name, details in event.items():
            if name.endswith(FAILURES) and ("error" in details or "cause" in details):
                visit.has_failed = True
                visit.error = error_text(details.get("error"), details.get("cause"))
            elif name == "taskSubmittedEventDetails" or (
                name == "taskSucceededEventDetails" and details["resource"] == "startExecution"
            ):
                self._submitted(visit, details)

    def _scheduled(self, visit: Visit, event: dict[str, Any]) -> None:
        visit.tries += 1
        visit.has_failed = False
        visit.function, visit.began, visit.run_folder = "", event["timestamp"], None
        if visit.tries > 1:
            self._history.transitions += 1
        if function := event.get("lambdaFunctionScheduledEventDetails"):
            visit.function = function["resource"]
            return
        task = event["taskScheduledEventDetails"]
        parameters = json_object(task.get("parameters"))
        if task["resourceType"] == "lambda":
            visit.function = str(parameters.get("FunctionName", ""))
            payload = parameters.get("Payload")
            # The payload has a task token too: nothing else of it is taken.
            visit.run_folder = _text(payload.get("run")) if isinstance(payload, dict) else None
        elif task["resourceType"] == "batch":
            variables = (parameters.get("ContainerOverrides") or {}).get("Environment", [])
            visit.run_folder = next((_text(each["Value"]) for each in variables if each["Name"] == "RUN"), None)

    def _ended_call(self, visit: Visit, moment: datetime) -> None:
        """Count an invocation once: one with a task token has returned when its task is submitted."""
        if visit.function and visit.began is not None:
            seconds = (moment - visit.began).total_seconds()
            self._history.calls.setdefault(visit.function, []).append(seconds)
            visit.began = None

    def _submitted(self, visit: Visit, task: dict[str, Any]) -> None:
        output = json_object(task.get("output"))
        payload = output.get("Payload") or {}
        if task["resourceType"] == "states" and "ExecutionArn" in output:
            self._history.executions.append((visit.name, str(output["ExecutionArn"])))
        job_id = output.get("JobId") or (payload.get("job_id") if isinstance(payload, dict) else None)
        if job_id is not None and visit.run_folder is not None:
            self._history.jobs.append(StartedJob(visit.name, str(job_id), visit.run_folder))


def error_text(error: str | None, cause: str | None) -> str:
    """Return an error to be read: of an exception that Lambda reports, its message and where it was raised."""
    if not error and not cause:
        return ""
    trace = json_object(first_failure(error or "", cause or "")[1]).get("stackTrace")
    lines = [str(line).rstrip() for line in trace] if isinstance(trace, list) else []
    # The person's own code, where it raised, rather than the frames of what called it.
    lines = str(details_of(error, cause).get("traceback", "")).splitlines() or lines
    return shortened("\n".join([error_line(error, cause), *lines]))


def shortened(text: str) -> str:
    if len(text) <= SAMPLE_CHARACTERS:
        return text
    return f"{text[:SAMPLE_CHARACTERS]}... ({len(text):,} characters)"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
