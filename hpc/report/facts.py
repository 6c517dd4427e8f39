"""What a report tells: asked for once, from the run's own settings to the history of its execution."""

import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore

from hpc.children import PAGE, SCHEDULED
from hpc.client import explained
from hpc.errors import LostRunError
from hpc.failed_items import FailedItems
from hpc.failures import describe_error
from hpc.failures_command import Group, group_failures
from hpc.reading import Run
from hpc.report.children import SAMPLE_CHARACTERS, Children, read_children
from hpc.watch import Seen, Watch


@dataclass
class StateFacts:
    """What happened in one state of the machine itself."""

    status: str = "NOT_REACHED"
    entered: int = 0
    tries: int = 0
    input: str = ""
    output: str = ""
    error: str = ""

    @property
    def retries(self) -> int:
        return max(0, self.tries - self.entered)


@dataclass(frozen=True)
class Facts:
    """Everything that the page shows."""

    run: Run
    seen: Seen
    now: datetime
    definition: dict[str, Any]
    states: dict[str, StateFacts]
    children: Children
    groups: dict[str, Group]
    failed: int
    not_computed: int
    is_known: bool = True
    versions: dict[str, str] = field(
        default_factory=lambda: {"Python": platform.python_version(), "botocore": botocore.__version__}
    )

    @property
    def begin(self) -> datetime:
        start = self.seen.execution["startDate"]
        assert isinstance(start, datetime)
        return start

    @property
    def end(self) -> datetime:
        stop = self.seen.execution.get("stopDate", self.now)
        assert isinstance(stop, datetime)
        return stop


def collect(run: Run) -> Facts:
    """Ask for all that a report tells.

    Raises
    ------
    LostRunError
        If something of it can't be read.
    """
    seen, now = Watch(run.target, run.arn).look(), datetime.now(UTC)
    with explained(LostRunError, "reading the run"):
        states = _states(run, seen.status)
        children = read_children(run, seen.map_run, now) if seen.map_run else Children()
        items = FailedItems(run, seen)
        groups = group_failures(items)
        return Facts(
            run=run,
            seen=seen,
            now=now,
            definition=run.definition(),
            states=states,
            children=children,
            groups=groups,
            failed=sum(group.count for group in groups.values()),
            not_computed=items.not_computed,
            is_known=items.is_known,
        )


def _states(run: Run, status: str) -> dict[str, StateFacts]:
    """Read the execution's history; a state that was entered and not left has its status."""
    states: dict[str, StateFacts] = {}
    current: StateFacts | None = None
    for event in _events(run):
        kind = event["type"]
        if entered := event.get("stateEnteredEventDetails"):
            current = states.setdefault(entered["name"], StateFacts())
            current.entered += 1
            current.status, current.input = status, _shortened(entered.get("input", ""))
        elif (left := event.get("stateExitedEventDetails")) and left["name"] in states:
            states[left["name"]].status = "SUCCEEDED"
            states[left["name"]].output = _shortened(left.get("output", ""))
        elif current is not None:
            current.tries += kind in SCHEDULED
            if details := _failure(event):
                current.error = error_text(details.get("error"), details.get("cause"))
    return states


def _events(run: Run) -> Iterator[dict[str, Any]]:
    pages = run.target.stepfunctions.get_paginator("get_execution_history").paginate(
        executionArn=run.arn, PaginationConfig={"PageSize": PAGE}
    )
    for page in pages:
        yield from page["events"]


def _failure(event: dict[str, Any]) -> dict[str, Any] | None:
    """Return the details of an event that tells of an error: every kind has them under a name of its own."""
    found = (value for name, value in event.items() if name.endswith(("FailedEventDetails", "TimedOutEventDetails")))
    return next(found, None)


def error_text(error: str | None, cause: str | None) -> str:
    """Return an error to be read: of an exception that Lambda reports, its message and where it was raised."""
    if not error and not cause:
        return ""
    try:
        trace = json.loads(cause or "")["stackTrace"]
        lines = [line.rstrip() for line in trace]
    except (ValueError, KeyError, TypeError, AttributeError):
        lines = []
    return _shortened("\n".join([describe_error(error, cause), *lines]))


def _shortened(text: str) -> str:
    if len(text) <= SAMPLE_CHARACTERS:
        return text
    return f"{text[:SAMPLE_CHARACTERS]}... ({len(text):,} characters)"
