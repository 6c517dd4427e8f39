"""Notify checks an entry of the orchestrator and answers the task token with the plan of the entry's execution."""

import logging
from dataclasses import dataclass
from typing import Any

from lambdas.contract.limits import MAX_ITEMS
from lambdas.items import inputs
from lambdas.items.batches import ceil_div
from lambdas.jobs.job_callback import TaskCallback, TaskCancelled
from lambdas.jobs.job_clients import step_functions_client
from lambdas.run_files.errors import InvalidEventError, InvalidInputError
from lambdas.run_files.json_text import shown

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
EVENT_KEYS = {"entry", "entry_count", "task_token"}
ENTRY_KEYS = ("name", "size", "workload", "params", "fail")
DEFAULT_SIZE = 16
# Children of an entry's array job.  Source: aws-samples/aws-stepfunction-complex-orchestrator-app, array of 3.
ARRAY_SIZE = 3
# Share of a state's 256 KiB for the totals of all entries, and the limit of one total.
ALL_TOTALS_CHARACTERS = 150_000
MAX_TOTAL_CHARACTERS = 10_000
TOTALS_OF_ENTRY = 3


class FailureRequestedError(Exception):
    """The entry says that its task shall fail."""


@dataclass(frozen=True)
class Entry:
    """A checked entry."""

    name: str
    size: int
    workload: str
    params: dict[str, Any]
    fail: bool | str


def handler(event: Any, _context: Any) -> None:
    r"""Answer the task with the entry's plan, or with a failure where the entry asks for one.

    Parameters
    ----------
    event
        ::

            {"task_token": str, "entry_count": int,
             "entry": {"name": str, "size"?: int, "workload"?: str, "params"?: {...}, "fail"?: bool | str}}

    Raises
    ------
    InvalidInputError
        If the entry is not what is allowed.
    """
    if not isinstance(event, dict) or set(event) != EVENT_KEYS or not _is_token(event["task_token"]):
        # Without the event: it holds a task token.
        raise InvalidEventError(f"notify takes {', '.join(sorted(EVENT_KEYS))}")
    if type(event["entry_count"]) is not int:
        raise InvalidEventError(f"entry_count must be an integer, got {shown(event['entry_count'])}")
    entry = read_entry(event["entry"])
    callback = TaskCallback(step_functions_client(), event["task_token"], interval_seconds=0)
    try:
        if entry.fail is False:
            callback.succeed(plan(entry, event["entry_count"]))
        else:
            cause = entry.fail if isinstance(entry.fail, str) else "it was told to"
            callback.fail(FailureRequestedError.__name__, f"entry {entry.name} failed: {cause}")
    except TaskCancelled as reason:
        LOGGER.info("nobody waits for the plan any more: %s", reason)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def read_entry(value: Any) -> Entry:
    """Check an entry; what Start checks is left to it."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        raise InvalidInputError(
            f'an entry must be an object with a name, such as {{"name": "invoke1"}}, got {shown(value)}'
        )
    unknown = [key for key in value if key not in ENTRY_KEYS]
    if unknown:
        raise InvalidInputError(
            f"entry {value['name']} has the unknown key {shown(unknown[0])}: allowed are {', '.join(ENTRY_KEYS)}"
        )
    fail = value.get("fail", False)
    if not isinstance(fail, bool | str):
        raise InvalidInputError(f"fail of entry {value['name']} must be true, false or a text, got {shown(fail)}")
    return Entry(
        name=value["name"],
        size=inputs.integer(value | {"size": value.get("size", DEFAULT_SIZE)}, "size", 0, MAX_ITEMS),
        workload=value.get("workload", inputs.DEFAULT_WORKLOAD),
        params=value.get("params", {}),
        fail=fail,
    )


def plan(entry: Entry, entry_count: int) -> dict[str, Any]:
    """Return what the states of SyncNested read; the totals of all entries must fit into one state."""
    share = ALL_TOTALS_CHARACTERS // (TOTALS_OF_ENTRY * max(entry_count, 1))
    return {
        "name": entry.name,
        "input": {"size": entry.size, "workload": entry.workload, "params": entry.params},
        "batch_size": max(1, ceil_div(entry.size, ARRAY_SIZE)),
        "total_characters": min(share, MAX_TOTAL_CHARACTERS),
    }
