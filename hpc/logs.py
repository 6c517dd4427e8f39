"""`hpc logs`: what the handlers wrote during a run, or while the batch of one item was computed."""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from hpc.client import explained
from hpc.console import emit_lines
from hpc.errors import ExitCode, LostRunError, NotStartedError
from hpc.home import Home
from hpc.items import find_batch
from hpc.reading import Run, open_run
from hpc.result_files import manifest_key, read_records
from hpc.watch import Watch

FUNCTION = re.compile(r"arn:[^:]+:lambda:[^:]+:\d+:function:(?P<name>[\w-]+)")
STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# The log's clock is the worker's, the run's is the service's.
MARGIN = timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """The time that is looked at, and the functions whose logs are."""

    begin: datetime
    end: datetime
    functions: list[str]


def logs(args: argparse.Namespace) -> int:
    """Print the lines, function by function."""
    home = Home.from_environment()
    with open_run(args, has_items=True) as run:
        window = _window_of_run(run) if args.index is None else _window_of_item(run, args.index)
        lines = _local_lines(home.folder / "logs", window) if run.target.is_local else cloudwatch_lines(run, window)
        with explained(LostRunError, "reading the logs"):
            emit_lines(lines, kept_in="hpc logs")
    return ExitCode.SUCCEEDED


def _window_of_run(run: Run) -> Window:
    execution = Watch(run.target, run.arn).look().execution
    end = execution.get("stopDate") or datetime.now(UTC)
    return Window(execution["startDate"] - MARGIN, end + MARGIN, _functions(run.definition()))


def _window_of_item(run: Run, index: int) -> Window:
    map_run = Watch(run.target, run.arn).look().map_run
    if map_run is None:
        raise NotStartedError(f"{run.name} has no child executions, so no log of item {index} alone")
    batch = find_batch(run, index)["batch"]
    functions = _functions(run.definition()["States"]["ComputeMap"])
    with explained(LostRunError, f"looking for the child of item {index}"):
        for record in read_records(run.target, manifest_key(run.name, map_run), ["SUCCEEDED", "FAILED"]):
            if json.loads(record["Input"])["batch"]["batch"] == batch:
                begin, end = (datetime.fromisoformat(record[name]) for name in ("StartDate", "StopDate"))
                return Window(begin - MARGIN, end + MARGIN, functions)
    raise NotStartedError(f"batch {batch}, which has item {index}, was not computed")


def _functions(value: Any) -> list[str]:
    """Return the names of the functions in a definition, each once, in its order."""
    return list(dict.fromkeys(match["name"] for match in FUNCTION.finditer(json.dumps(value))))


def _local_lines(folder: Path, window: Window) -> Iterator[str]:
    """Yield what may have been written in the window: what a handler prints has no time of its own.

    Such a line belongs to the time between the stamped lines around it, and is shown if that touches the window.
    """
    for path in chain.from_iterable(sorted(folder.glob(f"{name}.*log")) for name in window.functions):
        yield f"==> {path} <=="
        begin, end = _places(path, window)
        with path.open("rb") as file:
            file.seek(begin)
            for line in file:
                if file.tell() > end:
                    break
                yield line.decode(errors="replace").rstrip("\n")


def _places(path: Path, window: Window) -> tuple[int, int]:
    """Return the bytes after the last stamp before the window, and before the first one after it."""
    begin = end = 0
    is_after = False
    with path.open("rb") as file:
        for line in file:
            stamp = STAMP.search(line)
            moment = datetime.fromisoformat(stamp[0].decode()) if stamp else None
            if moment is not None and moment > window.end:
                is_after = True
            if not is_after:
                end += len(line)
                if moment is not None and moment < window.begin:
                    begin = end
    return begin, end


def cloudwatch_lines(run: Run, window: Window) -> Iterator[str]:
    """Yield what CloudWatch Logs has of the window."""
    logs_client, functions = run.target.client("logs"), run.target.client("lambda")
    for name in window.functions:
        settings = functions.get_function_configuration(FunctionName=name)
        group = settings.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
        yield f"==> {group} <=="
        pages = logs_client.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=_milliseconds(window.begin), endTime=_milliseconds(window.end)
        )
        for event in chain.from_iterable(page["events"] for page in pages):
            yield event["message"].rstrip("\n")


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
