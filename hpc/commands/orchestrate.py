"""`hpc orchestrate`: from entries to their totals on every back end."""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpc.commands.inputs import read_json
from hpc.commands.rehearsal import announced, read_rehearsal
from hpc.commands.render import render_failure, shorten_number
from hpc.commands.starting import interrupted, new_run_name, open_target
from hpc.errors import ExitCode, LostRunError, NotStartedError
from hpc.runs.faults import described
from hpc.runs.run import Run
from hpc.runs.watch import Ended
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.targets.synthesis import WITH_JOBS
from hpc.terminal.console import emit, say
from hpc.terminal.printable import shorten

# Of the task that runs an entry.
ENTRY_RESOURCE = "startExecution.sync:2"
LONGEST_PAUSE_SECONDS = 2.0


def orchestrate(args: argparse.Namespace) -> int:
    """Start ComplexOrchestrator, follow it, print each entry's totals."""
    entries = read_entries(args.entries)
    home = Home.from_environment()
    rehearsal = read_rehearsal(args)
    with open_target(args, home, args.assembly, variant=WITH_JOBS, faults=rehearsal) as stack:
        orchestration = Orchestration.start(stack.orchestrator(), entries, args)
        with announced(rehearsal):
            finished, ended = orchestration.follow()
        return print_entries(orchestration, ended, finished)


def orchestration_result(target: Target, ended: Ended, args: argparse.Namespace) -> int:
    """Print of an orchestration that has ended what the command that started it printed."""
    orchestration = Orchestration(target, ended.execution["executionArn"], args)
    with explained(LostRunError, "asking about the orchestration"):
        finished = list(orchestration.news())
    return print_entries(orchestration, ended, finished)


def print_entries(orchestration: "Orchestration", ended: Ended, finished: list[dict[str, Any]]) -> int:
    """Print the entries that were finished, in the form that is asked for; return the exit code."""
    place = f"execution {orchestration.arn}"
    results = _results(ended, finished)
    faults = Run(orchestration.target, orchestration.arn).faults
    if ended.status != "SUCCEEDED":
        say(render_failure(ended))
    if orchestration.args.output == "json":
        emit(_render_json(ended, results, faults), kept_in=place)
    else:
        lines = [line for result in results for line in _render_entry(result, orchestration.target)]
        lines += [f"rehearsed with faults: {described(faults['injected'])}"] if faults is not None else []
        counted = f"{len(results)}{_of_entries(ended)} entries agree, {ended.seconds:.2f} s"
        emit(*lines, counted, kept_in=place)
    return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED


def read_entries(text_or_file: str) -> list[dict[str, Any]]:
    """Return the entries of a list, or of an orchestrator's whole input; what they hold is the stack's to check.

    Raises
    ------
    NotStartedError
        If it is neither.
    """
    given = json.loads(read_json(text_or_file, "--entries"))
    if isinstance(given, dict) and set(given) == {"input"} and isinstance(given["input"], dict):
        given = given["input"]["entries"] if set(given["input"]) == {"entries"} else None
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise NotStartedError(
            '--entries must be a list of objects such as [{"name": "invoke1"}], or {"input": {"entries": [...]}}, '
            f"got {shorten(text_or_file)}"
        )
    return given


@dataclass
class Orchestration:
    """An execution of ComplexOrchestrator; ``args`` has the command's ``output``, ``aws`` and ``stack_name``.

    Attributes
    ----------
    seen_event_id : int
        Up to here its history has been read.
    """

    target: Target
    arn: str
    args: argparse.Namespace
    seen_event_id: int = 0

    @classmethod
    def start(cls, target: Target, entries: list[dict[str, Any]], args: argparse.Namespace) -> "Orchestration":
        name = new_run_name("orchestrate-")
        text = json.dumps({"input": {"entries": entries}}, separators=(",", ":"), ensure_ascii=False)
        with explained(NotStartedError, "the orchestration was not started"):
            target.stepfunctions.start_execution(stateMachineArn=target.state_machine_arn, name=name, input=text)
        say(f"started {name}: {len(entries)} entries")
        return cls(target, target.execution_arn(name), args)

    def follow(self) -> tuple[list[dict[str, Any]], Ended]:
        """Return, when the execution has ended, the entries that were finished, in that order, and the end."""
        finished: list[dict[str, Any]] = []
        began = time.monotonic()
        try:
            while True:
                with explained(LostRunError, "asking about the orchestration"):
                    execution = self.target.stepfunctions.describe_execution(executionArn=self.arn)
                    news = list(self.news())
                finished += news
                for result in news:
                    say(f"{result['name']}: the totals agree")
                if execution["status"] != "RUNNING":
                    return finished, Ended(execution, None)
                time.sleep(min(self.target.pace.delay(time.monotonic() - began), LONGEST_PAUSE_SECONDS))
        except KeyboardInterrupt:
            say(*interrupted(self.target, self.arn, self.args))
            raise

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield what came of the entries that have finished since the last call."""
        events = []
        seen, pages = self.seen_event_id, self.target.stepfunctions.get_paginator("get_execution_history")
        for page in pages.paginate(executionArn=self.arn, reverseOrder=True, PaginationConfig={"PageSize": 100}):
            events += [event for event in page["events"] if event["id"] > seen]
            if page["events"] and page["events"][-1]["id"] <= seen:
                break
        self.seen_event_id = events[0]["id"] if events else seen
        for event in reversed(events):
            details = event.get("taskSucceededEventDetails", {})
            if details.get("resource") == ENTRY_RESOURCE:
                yield json.loads(details["output"])["Output"]


def _results(ended: Ended, finished: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all entries' results in their order, or those that were finished before the execution failed."""
    if ended.status != "SUCCEEDED":
        return finished
    results: list[dict[str, Any]] = json.loads(ended.execution["output"])
    return results


def _of_entries(ended: Ended) -> str:
    """Say how many entries were given; another client may have given something else, which then failed."""
    given = json.loads(ended.execution.get("input", "null"))
    inner = given.get("input") if isinstance(given, dict) else None
    entries = inner.get("entries") if isinstance(inner, dict) else None
    return f" of {len(entries)}" if isinstance(entries, list) else ""


def _render_json(ended: Ended, results: list[dict[str, Any]], faults: dict[str, Any] | None) -> str:
    """Return one JSON object on one line.

    Shape::

        {"status": str, "execution_arn": str, "seconds": float, "error"?: str, "cause"?: str, "faults"?: {...},
         "entries": [{"name": str, "agree": true, "count": int,
                      "totals": {<back end>: {"total": str} or {"total_file": str, "sha256": str}, ...}}, ...]}
    """
    document = {
        "status": ended.status,
        "execution_arn": ended.execution["executionArn"],
        "seconds": round(ended.seconds, 3),
        "entries": results,
    }
    if ended.status != "SUCCEEDED":
        document |= {"error": ended.execution.get("error"), "cause": ended.execution.get("cause")}
    if faults is not None:
        document["faults"] = faults
    return json.dumps(document)


def _render_entry(result: dict[str, Any], target: Target) -> Iterator[str]:
    yield f"{result['name']}: {'agree' if result['agree'] else 'DISAGREE'}, {result['count']:,} items"
    for back_end, total in result["totals"].items():
        if "total" in total:
            shown = shorten_number(total["total"]) if total["total"].isdecimal() else shorten(total["total"])
        else:
            file = total["total_file"]
            place = Home.from_environment().place_of(file, is_local=target.is_local)
            shown = f"sha256 {total['sha256'][:16]}..., {place}"
        yield f"  {back_end:<14}  {shown}"
