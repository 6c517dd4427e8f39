"""Summary that tells one run from another: workload, items, result or error, and note."""

import json
from dataclasses import dataclass
from typing import Any

from hpc.contract.keys import upload_key
from hpc.contract.limits import MAX_NOTE_CHARACTERS
from hpc.errors import CommandError, LostRunError
from hpc.json_objects import json_object
from hpc.planning.workload import DEFAULT_WORKLOAD
from hpc.runs.failures import error_line
from hpc.targets.client import Target, explained
from hpc.terminal.printable import shorten

SHOWN_OUTCOME_CHARACTERS = 70


@dataclass(frozen=True)
class Summary:
    """A run in a few words; ``outcome`` is its result or error, None where there is neither, as of one that runs."""

    workload: str | None = None
    items: int | None = None
    outcome: str | None = None
    is_partial: bool = False
    note: str | None = None


def summarize(target: Target, listed: dict[str, Any]) -> Summary:
    """Return what DescribeExecution and the run's note say, nothing of a run that can't be described."""
    try:
        with explained(LostRunError):
            described = target.stepfunctions.describe_execution(executionArn=listed["executionArn"])
        note = read_note(target, listed["name"])
    except CommandError:
        return Summary()
    given, output = json_object(described.get("input")), json_object(described.get("output"))
    return Summary(
        workload=_workload(given),
        items=_items(given, output),
        outcome=_outcome(described, output),
        is_partial=output.get("complete") is False,
        note=note,
    )


def note_key(run_name: str) -> str:
    return upload_key(run_name, "note.txt")


def write_note(target: Target, run_name: str, note: str) -> None:
    """Keep the note of a run that is about to start beside its data, for as long as that is kept."""
    target.s3.put_object(Bucket=target.bucket, Key=note_key(run_name), Body=note.encode())


def read_note(target: Target, run_name: str) -> str | None:
    """Return the note, None where there is none or it may not be read."""
    try:
        with explained(LostRunError):
            answer = target.s3.get_object(Bucket=target.bucket, Key=note_key(run_name))
            return str(answer["Body"].read(4 * MAX_NOTE_CHARACTERS).decode(errors="replace"))
    except CommandError:
        return None


def _workload(given: dict[str, Any]) -> str | None:
    if "redrive_of" in given:
        return f"of {given['redrive_of']}"
    if "workload" in given or given.keys() & {"size", "items", "source"}:
        return str(given.get("workload", DEFAULT_WORKLOAD))
    return None


def _items(given: dict[str, Any], output: dict[str, Any]) -> int | None:
    if isinstance(output.get("count"), int):
        return int(output["count"]) + int(output.get("failed", 0))
    if isinstance(given.get("items"), list):
        return len(given["items"])
    size = given.get("size")
    return size if isinstance(size, int) else None


def _outcome(described: dict[str, Any], output: dict[str, Any]) -> str | None:
    if "error" in described or "cause" in described:
        reason = error_line(described.get("error"), described.get("cause"))
        return shorten(reason, SHOWN_OUTCOME_CHARACTERS)
    result = output.get("total_sum", output.get("result"))
    if result is None:
        return None
    return shorten(result if isinstance(result, str) else json.dumps(result), SHOWN_OUTCOME_CHARACTERS)
