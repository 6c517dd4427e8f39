"""Whether an execution can be redriven, and what it runs then: the definition that it was started with.

Source: API reference of RedriveExecution and DescribeExecution (conditions, reasons, tokens); recorded refusals.
"""

import json

from sfn_local.execution.history import MAX_EVENTS
from sfn_local.storage.execution_store import ExecutionRow
from sfn_local.storage.machine_store import MachineRow

_DAY_SECONDS = 86_400
REDRIVABLE_SECONDS = 14 * _DAY_SECONDS
MAX_OPEN_SECONDS = 365 * _DAY_SECONDS
# An execution needs room for ExecutionRedriven and one event more: it can be redriven with fewer than these.
REDRIVABLE_EVENTS = MAX_EVENTS - 1
# A client token is remembered for so long, and while it is one of the last so many.
TOKEN_SECONDS = 15 * 60
TOKEN_COUNT = 10


def not_redrivable_because(row: ExecutionRow, *, now: float, event_count: int, is_deleting: bool) -> str | None:
    """Return why an execution can't be redriven, in the service's words; None if it can."""
    if is_deleting:
        return "State machine is in DELETING status"
    if row.status in ("RUNNING", "SUCCEEDED"):
        return f"Execution is {row.status} and cannot be redriven"
    if event_count >= REDRIVABLE_EVENTS:
        return "Execution history event limit exceeded"
    if now - row.started > MAX_OPEN_SECONDS:
        return "Execution has exceeded the max execution time"
    if row.stopped is not None and now - row.stopped > REDRIVABLE_SECONDS:
        return "Execution redrivable period exceeded"
    return None


def machine_of(row: ExecutionRow, definition: str) -> MachineRow:
    """Return the state machine as it was when the execution started."""
    snapshot = json.loads(row.snapshot)
    return MachineRow(
        arn=row.machine_arn,
        name=snapshot["name"],
        type="STANDARD",
        role_arn=snapshot["roleArn"],
        definition=definition,
        revision_id=snapshot["revisionId"],
        created=snapshot["updated"],
        updated=snapshot["updated"],
        is_of_stack=False,
        settings={name: snapshot[name] for name in _SETTINGS if name in snapshot},
    )


_SETTINGS = ("loggingConfiguration", "tracingConfiguration")
