"""The message of a run's end: a Lambda function that EventBridge calls, and that asks what ``hpc status`` asks."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config

from hpc.errors import CommandError
from hpc.json_objects import json_object
from hpc.planning.table import usd
from hpc.runs.failures import error_line
from hpc.runs.overview import Overview, OverviewReader
from hpc.runs.run import Run
from hpc.runs.watch import SETTLING_PAUSE_SECONDS, SETTLING_SECONDS, Seen, Watch
from hpc.targets.client import AWS_PACE, Target
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration
from hpc.terminal.printable import shorten

# Status of a run -> what to type next.
NEXT_COMMANDS: Mapping[str, Sequence[str]] = {
    "SUCCEEDED": ("result", "report"),
    "PARTIAL": ("failures", "redrive", "result"),
    "FAILED": ("failures", "redrive"),
    "TIMED_OUT": ("status", "redrive"),
    "ABORTED": ("status", "redrive"),
}
MAX_ERROR_CHARACTERS = 500
# Source: Amazon SNS API reference, Publish, "Subject": ASCII, less than 100 characters.
MAX_SUBJECT_CHARACTERS = 99


def handler(event: Any, _context: Any) -> dict[str, str]:
    """Publish that an execution has ended.

    Parameters
    ----------
    event
        Of EventBridge: ``{"detail": {"executionArn": str, "name": str, "status": str}}``.  The rest is asked for,
        because an event leaves out long outputs.

    Returns
    -------
    dict
        ``{"subject": str, "message": str}``, what was published.
    """
    detail = event["detail"]
    arn, name, status = (str(detail[key]) for key in ("executionArn", "name", "status"))
    told = {"subject": subject(name, status), "message": "\n".join(lines(deployed_target(), arn, status))}
    topic = boto3.client("sns")
    topic.publish(TopicArn=os.environ["TOPIC_ARN"], Subject=told["subject"], Message=told["message"])
    return told


def deployed_target() -> Target:
    """Return the stack that the function is part of."""
    orchestrator = os.environ.get("ORCHESTRATOR_ARN")
    return Target(
        boto3.Session(),
        Config(retries={"mode": "standard", "total_max_attempts": 8}),
        None,
        os.environ["STATE_MACHINE_ARN"],
        os.environ["RESULTS_BUCKET"],
        AWS_PACE,
        is_local=False,
        outputs={} if orchestrator is None else {"OrchestratorArn": orchestrator},
        may_renew=False,
    )


def subject(name: str, status: str) -> str:
    """Return the subject of the mail."""
    return f"{status}: {name}".encode("ascii", "replace").decode()[:MAX_SUBJECT_CHARACTERS]


def lines(target: Target, arn: str, status: str) -> Iterator[str]:
    """Yield the message; what can't be found out is said to be unknown, and why."""
    run = Run(target, arn)
    try:
        seen = _ended(target, arn)
        overview = OverviewReader(run).read(is_last=True)
    except CommandError as error:
        yield f"{run.name} has ended: {status}."
        yield f"items and cost so far: not known ({error})"
        yield from _next(run.name, status)
        return
    output = json_object(seen.execution.get("output"))
    if output.get("complete") is False:
        status = "PARTIAL"
    started, stopped = seen.execution["startDate"], seen.execution.get("stopDate")
    took = f" after {duration((stopped - started).total_seconds())}" if stopped else ""
    yield f"{run.name} has ended: {status}{took}."
    yield f"items: {_items(overview, output)}"
    yield f"cost so far: {_cost(overview)}"
    if "error" in seen.execution:
        reason = error_line(seen.execution["error"], seen.execution.get("cause"))
        yield f"error: {shorten(reason, MAX_ERROR_CHARACTERS)}"
    yield from _next(run.name, status)


def _ended(target: Target, arn: str) -> Seen:
    """Return what DescribeExecution says, once it knows of the end; later than that it is another redrive."""
    watch, until = Watch(target, arn), time.monotonic() + SETTLING_SECONDS
    while True:
        seen = watch.look()
        if seen.status != "RUNNING" or time.monotonic() > until:
            return seen
        time.sleep(SETTLING_PAUSE_SECONDS)


def _items(overview: Overview, output: dict[str, Any]) -> str:
    if isinstance(output.get("count"), int):
        with_result, failed = output["count"], int(output.get("failed", 0))
        return f"{with_result + failed:,}, {f'{failed:,} of them failed' if failed else 'all with a result'}"
    formed = [int(part.settings["item_count"]) for part in overview.parts if "item_count" in part.settings]
    if not formed:
        return "none were formed"
    runs = f" in {counted(len(formed), 'run')}" if len(formed) > 1 else ""
    computed = "".join(_batches(overview))
    return f"{sum(formed):,}{runs}{computed}"


def _batches(overview: Overview) -> Iterator[str]:
    """Yield how far the batches of runs on Lambda came."""
    counts = [part.work.seen.map_run["itemCounts"] for part in overview.parts if part.work.seen.map_run is not None]
    if counts:
        succeeded, total = (sum(each[name] for each in counts) for name in ("succeeded", "total"))
        yield f"; {succeeded:,} of {counted(total, 'batch')} succeeded"


def _cost(overview: Overview) -> str:
    return f"not known ({overview.spent})" if overview.usd is None else f"about ${usd(overview.usd)}"


def _next(name: str, status: str) -> Iterator[str]:
    yield "next:"
    for command in NEXT_COMMANDS.get(status, ("status",)):
        yield f"  hpc {command} {name} --aws --stack-name {os.environ['STACK_NAME']}"
