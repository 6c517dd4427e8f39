"""Failed batches by name: from the result files that the Map Run wrote to what a person reads."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hpc.contract.items import name_items
from hpc.errors import LostRunError
from hpc.json_objects import json_object
from hpc.runs.result_files import manifest_key, read_records
from hpc.targets.client import Target, explained

SHOWN_FAILURES = 10
SHOWN_CAUSE_CHARACTERS = 300
# More than the orchestrator has; each doubles the backslashes of those inside it.
MAX_NESTED_EXECUTIONS = 10


@dataclass(frozen=True)
class FailedBatch:
    """One child execution that did not succeed."""

    status: str
    batch: dict[str, Any] | None
    reason: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{name_batch(self.batch)}: {self.reason}"


@dataclass
class Failures:
    """The first failed batches, and how many there are of each status."""

    first: list[FailedBatch] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, failed: FailedBatch) -> None:
        self.statuses[failed.status] += 1
        # An aborted child was stopped because others had failed: those are what a person looks for.
        if failed.status != "ABORTED" and len(self.first) < SHOWN_FAILURES:
            self.first.append(failed)

    def lines(self) -> list[str]:
        if not self.statuses:
            return []
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(self.statuses.items()))
        left = sum(count for status, count in self.statuses.items() if status != "ABORTED") - len(self.first)
        more = [f"  and {left:,} more"] if left else []
        named = [f"  {failed}" for failed in self.first]
        first_traceback = next((failed.traceback for failed in self.first if failed.traceback), "")
        return [f"batches: {counts}", *named, *more, *indented(first_traceback)]


def read_failures(target: Target, run_name: str, map_run: dict[str, Any]) -> Failures:
    """Collect the failed batches of a Map Run that DescribeMapRun told of; memory does not grow with their number.

    Raises
    ------
    LostRunError
        If the result files can't be read.
    """
    failures = Failures()
    with explained(LostRunError, "reading the failed batches"):
        for record in read_records(target, manifest_key(run_name, map_run), ["FAILED"]):
            failures.add(_failed_batch(record))
    return failures


def error_line(error: str | None, cause: str | None) -> str:
    """Return one line for an error name and its cause.

    The cause may be the JSON that Lambda reports an exception in, the job of AWS Batch or the execution that failed.
    """
    error, cause = first_failure(error or "", cause or "")
    name, message = reported(error, cause)
    failed = json_object(cause)
    if "JobId" in failed:
        message = f"job {failed['JobId']} {failed.get('Status')}: {failed.get('StatusReason', 'no reason given')}"
    elif "ExecutionArn" in failed:
        message = f"execution {failed.get('Name')} {failed.get('Status')}"
    return ": ".join(part for part in (name, message) if part) or "no error was given"


def first_failure(error: str, cause: str) -> tuple[str, str]:
    """Return error and cause of the innermost execution, where the cause is one that a task had started and waited for.

    The service tells it as DescribeExecution does, with an error and a cause of its own.
    """
    for _ in range(MAX_NESTED_EXECUTIONS):
        inner = json_object(cause)
        if "ExecutionArn" not in inner or not inner.keys() & {"Error", "Cause"}:
            break
        error, cause = str(inner.get("Error", error)), str(inner.get("Cause", ""))
    return error, cause


def reported(error: str, cause: str) -> tuple[str, str]:
    """Return error and cause, those of the exception where the cause is the JSON that Lambda reports one in."""
    exception = json_object(cause)
    if "errorMessage" in exception:
        error, cause = str(exception.get("errorType", error)), str(exception["errorMessage"])
    return error, _split(cause)[0]


def details_of(error: str | None, cause: str | None) -> dict[str, Any]:
    """Return what a workload raised, as the handlers tell it beside their own error; empty where it raised nothing.

    Shape: ``{"error_type": str, "message": str, "traceback": str, "index"?: int}``
    """
    _, cause = first_failure(error or "", cause or "")
    return _split(str(json_object(cause).get("errorMessage", cause)))[1]


def _split(message: str) -> tuple[str, dict[str, Any]]:
    """Return the message of a handler's error, and the data in its last line; a workload's message may have several."""
    sentence, _, line = message.rpartition("\n")
    details = json_object(line)
    is_failure = all(isinstance(details.get(name), str) for name in ("error_type", "message", "traceback"))
    return (sentence, details) if is_failure else (message, {})


def indented(traceback: str) -> list[str]:
    """Return the lines of a traceback as they stand below the error that it is of.

    Without Python's own heading: it stands for errors of this program.  A bar before each line keeps a message of
    several lines from passing for a line of this command.
    """
    lines = (f"    | {line}" for line in traceback.splitlines())
    return [line.replace("    | Traceback (most", "    | (most", 1) for line in lines]


def name_batch(batch: dict[str, Any] | None) -> str:
    """Return e.g. ``batch 3 (items 24 to 31)``."""
    if batch is None:
        return "a batch that its record does not name"
    first, count = batch.get("first"), batch.get("count")
    if not (isinstance(first, int) and isinstance(count, int)):
        return f"batch {batch.get('batch')}"
    return f"batch {batch.get('batch')} ({name_items(first, count)})"


def _failed_batch(record: dict[str, Any]) -> FailedBatch:
    try:
        batch = json.loads(record.get("Input", ""))["batch"]
    except (ValueError, KeyError, TypeError):
        batch = None
    reason = error_line(record.get("Error"), record.get("Cause"))
    if len(reason) > SHOWN_CAUSE_CHARACTERS:
        reason = f"{reason[:SHOWN_CAUSE_CHARACTERS]}..."
    traceback = str(details_of(record.get("Error"), record.get("Cause")).get("traceback", ""))
    return FailedBatch(
        str(record.get("Status", "FAILED")), batch if isinstance(batch, dict) else None, reason, traceback
    )
