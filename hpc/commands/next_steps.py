"""First lines about a failed run: its causes, by the number of items that have them, and the next commands."""

import argparse
from collections.abc import Iterator
from itertools import islice

from hpc.commands.inputs import FUNCTIONS
from hpc.errors import CommandError
from hpc.json_objects import json_object
from hpc.runs.failed_items import FailedItem, FailedItems
from hpc.runs.failure_groups import group_failures
from hpc.runs.failures import MAX_NESTED_EXECUTIONS, reported
from hpc.runs.run import Run
from hpc.runs.watch import Ended, Seen
from hpc.targets.client import Target, execution_arn

# Each failed batch is asked for its attempts.
LOOKED_AT = 100
SHOWN_GROUPS = 3
# Compute's word for an item that does not fit into one invocation.
TOO_LONG = "ItemTooLongError"


def first_failures(run: Run, seen: Seen) -> list[FailedItem]:
    """Return the first failed items of a run, none where they can't be read: the run's own error is known."""
    try:
        return list(islice(FailedItems(run, seen), LOOKED_AT))
    except CommandError:
        return []


def cause_lines(items: list[FailedItem]) -> Iterator[str]:
    """Yield a line for each of the most frequent causes, with the first item that has it."""
    groups = group_failures(items)
    for kind, group in islice(groups.items(), SHOWN_GROUPS):
        first = group.first[0].index
        where = f"item {first}" if group.count == 1 else f"{group.count:,} items, the first is {first}"
        yield f"{kind}  ({where})"
    if len(groups) > SHOWN_GROUPS:
        yield f"and {len(groups) - SHOWN_GROUPS:,} more causes"
    if len(items) == LOOKED_AT:
        yield f"counted among the first {LOOKED_AT:,} failed items; hpc failures has all"


def next_line(run: Run, items: list[FailedItem], ended: Ended, args: argparse.Namespace) -> str:
    """Return the commands that a person may want after a failure."""
    of_items = [f"failures {run.name}"] if items else [f"logs {run.name}"]
    function = _failed_function(items, ended)
    if function or items:
        of_items.append(f"replay {run.name} {function or items[0].index}")
    elsewhere = " --back-end batch" if any(item.error == TOO_LONG for item in items) else ""
    return _next([*of_items, f"redrive {run.name}{elsewhere}"], run.target, args)


def orchestration_next(target: Target, ended: Ended, args: argparse.Namespace) -> str:
    """Return the commands that a person may want after an orchestration that failed: items belong to its runs."""
    name = str(ended.execution["name"])
    inner = failed_run(target, str(ended.execution.get("cause", "")))
    of_run = [f"failures {inner}", f"logs {inner}"] if inner is not None else []
    return _next([f"status {name}", f"report {name}", *of_run], target, args)


def failed_run(target: Target, cause: str) -> str | None:
    """Return the name of the innermost run of the pipeline that a cause tells of, None where it tells of none."""
    found, pipeline = None, execution_arn(target.outputs.get("StateMachineArn", "none"), "")
    for _ in range(MAX_NESTED_EXECUTIONS):
        told = json_object(cause)
        arn = str(told.get("ExecutionArn", ""))
        found = arn.rpartition(":")[2] if arn.startswith(pipeline) else found
        cause = str(told.get("Cause", ""))
    return found


def _next(commands: list[str], target: Target, args: argparse.Namespace) -> str:
    name = vars(args).get("stack_name")
    stack = f" --stack-name {name}" if name else ""
    place = "" if target.is_local else f" --aws{stack}"
    return "next: " + " | ".join(f"hpc {command}{place}" for command in commands)


def _failed_function(items: list[FailedItem], ended: Ended) -> str | None:
    """Return ``combine`` or ``finish`` where that raised."""
    error, cause = reported(ended.execution.get("error", ""), ended.execution.get("cause", ""))
    told = (items[0].error, items[0].cause) if items else (error, cause)
    return next((name for name in FUNCTIONS if told[0] == "WorkloadError" and told[1].startswith(name)), None)
