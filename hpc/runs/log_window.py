"""The part of the logs that belongs to a run: its time, and the functions that computed for it."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hpc.runs.run import Run
from hpc.runs.watch import Watch

FUNCTION = re.compile(r"arn:[^:]+:lambda:[^:]+:\d+:function:(?P<name>[\w-]+)")
# The log's clock is the worker's, the run's is the service's.
MARGIN = timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """The time that is looked at, the functions whose logs are, and whether those of jobs are."""

    begin: datetime
    end: datetime
    functions: list[str]
    has_jobs: bool = False


def window_of(run: Run, *, of_batch: bool) -> Window:
    """Return the time of a run, with the functions that may have computed a batch, or all of them."""
    execution = Watch(run.target, run.arn).look().execution
    end = execution.get("stopDate") or datetime.now(UTC)
    definition = run.definition()
    part = definition["States"].get("ComputeMap", {}) if of_batch else definition
    has_jobs = run.settings is not None and run.settings.get("back_end", "lambda") != "lambda"
    functions = [] if of_batch and has_jobs else function_names(part)
    return Window(execution["startDate"] - MARGIN, end + MARGIN, functions, has_jobs)


def function_names(value: Any) -> list[str]:
    """Return the names of the functions in a definition, each once, in its order."""
    return list(dict.fromkeys(match["name"] for match in FUNCTION.finditer(json.dumps(value))))


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
