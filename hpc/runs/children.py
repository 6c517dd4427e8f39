"""Child executions through the API: listed a page at a time, attempts counted from their history."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from hpc.targets.client import Target, has_code

# The service's own limit of a page.
PAGE = 1_000
SCHEDULED = ("LambdaFunctionScheduled", "TaskScheduled")
# An Express child leaves no history, can't be described and may not be listed.
EXPRESS_CODES = {"ExecutionDoesNotExist", "StateMachineTypeNotSupported", "InvalidArn", "ValidationException"}


@dataclass(frozen=True)
class SlowChild:
    """A child that runs, and how often its present state was tried."""

    name: str
    started: datetime
    attempts: int | None


def began(described: dict[str, Any]) -> datetime:
    """Return when what a service tells of, an execution or a Map Run, began: of one that was redriven the last time."""
    moment: datetime = described.get("redriveDate") or described["startDate"]
    return moment


def list_children(target: Target, map_run_arn: str, status: str) -> Iterator[dict[str, Any]]:
    """Yield the children of one status, page by page; none of a Map Run whose Express children are not listed."""
    pages = target.stepfunctions.get_paginator("list_executions").paginate(
        mapRunArn=map_run_arn, statusFilter=status, PaginationConfig={"PageSize": PAGE}
    )
    try:
        for page in pages:
            yield from page["executions"]
    except ClientError as error:
        if not has_code(error, {"StateMachineTypeNotSupported"}):
            raise


def slowest_children(target: Target, map_run_arn: str, count: int) -> list[SlowChild]:
    """Return the running children that have run longest, since their last redrive."""
    running = list_children(target, map_run_arn, "RUNNING")
    first = heapq.nsmallest(count, running, key=lambda child: (began(child), child["name"]))
    return [SlowChild(child["name"], began(child), attempts(target, child["executionArn"])) for child in first]


def attempts(target: Target, execution_arn: str) -> int | None:
    """Return how often the child's last task was tried; None of an Express child, which has no history."""
    tried: int | None = None
    try:
        pages = target.stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=execution_arn, includeExecutionData=False, PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            for event in page["events"]:
                if event["type"] == "TaskStateEntered" or tried is None:
                    tried = 0
                tried += event["type"] in SCHEDULED
    except ClientError as error:
        if has_code(error, EXPRESS_CODES):
            return None
        raise
    return tried
