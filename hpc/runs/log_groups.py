"""Logs on AWS: CloudWatch Logs has a group for each function, and one for all jobs."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from hpc.runs.log_lines import announcement, batch_lines
from hpc.runs.log_window import Window, milliseconds
from hpc.runs.run import Run

# Lambda's START line is as much older than Compute's announcement at the most.
BEFORE_MILLISECONDS = 5_000
# Events reach CloudWatch Logs some seconds after their time.
LATE_MILLISECONDS = 60_000


class ReadEvents:
    """Remembers the events that were read, so that a log is followed without reading it again from its beginning."""

    def __init__(self) -> None:
        # Group -> id of an event -> its time.
        self._times: dict[str, dict[str, int]] = {}

    def begin(self, group: str, window: Window) -> int:
        """Return the time in milliseconds from which a group is read next."""
        newest = max(self._times.get(group, {}).values(), default=0)
        return max(milliseconds(window.begin), newest - LATE_MILLISECONDS)

    def new(self, group: str, begin: int, events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the events from ``begin`` on that were not read before."""
        before = self._times.get(group, {})
        times = self._times[group] = {event: time for event, time in before.items() if time >= begin}
        for event in events:
            if event["eventId"] not in times:
                times[event["eventId"]] = event["timestamp"]
                yield event


def cloudwatch_lines(run: Run, window: Window, batch: int | None, read: ReadEvents | None = None) -> Iterator[str]:
    """Yield what was written in the window, or of a batch, group by group.

    A group has a stream for each execution environment of its function, which write at the same time.  Events come in
    the order of their times; a title before a line says which stream it is of, where that changes.

    Parameters
    ----------
    read
        Events of a whole run that were read before, which are left out.

    Raises
    ------
    botocore.exceptions.ClientError
        If the service refuses to answer.
    """
    logs = run.target.client("logs")
    for group in _groups(run, window):
        if batch is None:
            yield from _group_lines(logs, group, window, read)
        else:
            yield from _batch_lines(logs, group, run, window, batch)


def _group_lines(logs: Any, group: str, window: Window, read: ReadEvents | None) -> Iterator[str]:
    begin = read.begin(group, window) if read else milliseconds(window.begin)
    events: Iterable[dict[str, Any]] = _events(logs, group, begin, window)
    stream = None
    for event in read.new(group, begin, events) if read else events:
        if event["logStreamName"] != stream:
            stream = event["logStreamName"]
            yield f"==> {group} {stream} <=="
        yield _message(event)


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
        messages = map(_message, _events(logs, group, begin, window, logStreamNames=[stream]))
        yield from batch_lines(messages, run.name, batch, count=count)


def _message(event: dict[str, Any]) -> str:
    return str(event["message"]).rstrip("\n")


def _events(logs: Any, group: str, begin: int, window: Window, **given: Any) -> Iterator[dict[str, Any]]:
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=group, startTime=begin, endTime=milliseconds(window.end), **given
    )
    return chain.from_iterable(page["events"] for page in pages)
