"""Logs on AWS: CloudWatch Logs has a group for each function, and one for all jobs."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from hpc.runs.log_lines import announcement, batch_lines
from hpc.runs.log_window import Window, milliseconds
from hpc.runs.run import Run

# Lambda's START line is as much older than Compute's announcement at the most.
BEFORE_MILLISECONDS = 5_000


def cloudwatch_lines(run: Run, window: Window, batch: int | None) -> Iterator[str]:
    """Yield, group by group, what was written in the window, or of a batch; raises botocore's errors."""
    logs = run.target.client("logs")
    for group in _groups(run, window):
        if batch is None:
            yield f"==> {group} <=="
            yield from _messages(logs, group, milliseconds(window.begin), window)
        else:
            yield from _batch_lines(logs, group, run, window, batch)


def _groups(run: Run, window: Window) -> Iterator[str]:
    functions = run.target.client("lambda")
    for name in window.functions:
        settings = functions.get_function_configuration(FunctionName=name)
        yield settings.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
    if window.has_jobs:
        definition = run.target.outputs["JobDefinitionArn"]
        [described] = run.target.batch.describe_job_definitions(jobDefinitions=[definition])["jobDefinitions"]
        yield described["containerProperties"]["logConfiguration"]["options"]["awslogs-group"]


def _batch_lines(logs: Any, group: str, run: Run, window: Window, batch: int) -> Iterator[str]:
    """Find the streams in which the batch is announced, then read them around that."""
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    pattern = f'"{announcement(run.name, batch)}"'
    for event in _events(logs, group, milliseconds(window.begin), window, filterPattern=pattern):
        stream = event["logStreamName"]
        counts[stream] += 1
        first.setdefault(stream, event["timestamp"])
    for stream, count in counts.items():
        yield f"==> {group} {stream} <=="
        begin = first[stream] - BEFORE_MILLISECONDS
        yield from batch_lines(
            _messages(logs, group, begin, window, logStreamNames=[stream]), run.name, batch, count=count
        )


def _messages(logs: Any, group: str, begin: int, window: Window, **given: Any) -> Iterator[str]:
    for event in _events(logs, group, begin, window, **given):
        yield event["message"].rstrip("\n")


def _events(logs: Any, group: str, begin: int, window: Window, **given: Any) -> Iterator[dict[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=begin, endTime=milliseconds(window.end), **given
    )
    return chain.from_iterable(page["events"] for page in pages)
