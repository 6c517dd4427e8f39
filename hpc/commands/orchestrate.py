"""`hpc orchestrate`: from entries to their totals on every back end."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpc.commands.fault_injection import announced, read_fault_injector
from hpc.commands.inputs import read_json
from hpc.commands.next_steps import orchestration_next
from hpc.commands.render import render_failure, shorten_number
from hpc.commands.starting import interrupted, new_run_name, open_target
from hpc.errors import ExitCode, NotStartedError
from hpc.runs.faults import fault_counts_line
from hpc.runs.run import Run
from hpc.runs.watch import Ended, Watch
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.targets.patience import ask, naming_the_run
from hpc.targets.synthesis import WITH_JOBS
from hpc.terminal.console import emit, say
from hpc.terminal.counter import counted
from hpc.terminal.printable import shorten

# Resource of the task that runs an entry.
ENTRY_RESOURCE = "startExecution.sync:2"


def orchestrate(args: argparse.Namespace) -> int:
    """Start ComplexOrchestrator, follow it, print each entry's totals."""
    entries = read_entries(args.entries)
    home = Home.from_environment()
    injector = read_fault_injector(args)
    with open_target(args, home, args.assembly, variant=WITH_JOBS, faults=injector) as stack:
        orchestration = Orchestration.start(stack.orchestrator(), entries, args)
        with announced(injector):
            finished, ended = orchestration.follow()
        return print_entries(orchestration, ended, finished)


def orchestration_result(target: Target, ended: Ended, args: argparse.Namespace) -> int:
    """Print of an orchestration that has ended what the command that started it printed."""
    orchestration = Orchestration(target, ended.execution["executionArn"], args)
    return print_entries(orchestration, ended, orchestration.news())


def print_entries(orchestration: "Orchestration", ended: Ended, finished: list[dict[str, Any]]) -> int:
    """Print the entries that were finished, in the form that is asked for; return the exit code."""
    place = f"execution {orchestration.arn}"
    results = _results(ended, finished)
    faults = Run(orchestration.target, orchestration.arn).faults
    if ended.status != "SUCCEEDED":
        say(render_failure(ended), orchestration_next(orchestration.target, ended, orchestration.args))
    if orchestration.args.output == "json":
        emit(_render_json(ended, results, faults), kept_in=place)
    else:
        lines = [line for result in results for line in _render_entry(result, orchestration.target)]
        lines += [f"rehearsed with faults: {fault_counts_line(faults['injected'])}"] if faults is not None else []
        emit(*lines, f"{_agreeing(len(results), ended)}, {ended.seconds:.2f} s", kept_in=place)
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
        say(f"started {name}: {counted(len(entries), 'entry')}")
        return cls(target, target.execution_arn(name), args)

    def follow(self) -> tuple[list[dict[str, Any]], Ended]:
        """Return, when the execution has ended, the entries that were finished, in that order, and the end.

        Raises as :class:`hpc.runs.watch.Watch` does.
        """
        finished: list[dict[str, Any]] = []
        stack_name = None if self.target.is_local else self.args.stack_name

        def show(_counts: object, _seconds: float) -> None:
            with naming_the_run(self.target, self.arn, stack_name):
                news = self.news()
            finished.extend(news)
            for result in news:
                say(f"{result['name']}: the totals agree")

        watch = Watch(self.target, self.arn, is_new=True, has_items=False, stack_name=stack_name)
        try:
            return finished, watch.wait(show)
        except KeyboardInterrupt:
            say(*interrupted(self.target, self.arn, self.args))
            raise

    def news(self) -> list[dict[str, Any]]:
        """Return what came of the entries that have finished since the last call."""
        events = ask(self.target, "asking about the orchestration", self._new_events)
        if events:
            self.seen_event_id = events[0]["id"]
        succeeded = (event.get("taskSucceededEventDetails", {}) for event in reversed(events))
        return [json.loads(each["output"])["Output"] for each in succeeded if each.get("resource") == ENTRY_RESOURCE]

    def _new_events(self) -> list[dict[str, Any]]:
        """Return the events that have not been read, the latest first."""
        events: list[dict[str, Any]] = []
        pages = self.target.stepfunctions.get_paginator("get_execution_history")
        for page in pages.paginate(executionArn=self.arn, reverseOrder=True, PaginationConfig={"PageSize": 100}):
            events += [event for event in page["events"] if event["id"] > self.seen_event_id]
            if page["events"] and page["events"][-1]["id"] <= self.seen_event_id:
                break
        return events


def _results(ended: Ended, finished: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return all entries' results in their order, or those that were finished before the execution failed."""
    if ended.status != "SUCCEEDED":
        return finished
    results: list[dict[str, Any]] = json.loads(ended.execution["output"])
    return results


def _agreeing(count: int, ended: Ended) -> str:
    """Say how many entries agree, and of how many: another client may have given something else, which then failed."""
    given = json.loads(ended.execution.get("input", "null"))
    inner = given.get("input") if isinstance(given, dict) else None
    entries = inner.get("entries") if isinstance(inner, dict) else None
    if not isinstance(entries, list):
        return f"{counted(count, 'entry')} {'agrees' if count == 1 else 'agree'}"
    return f"{count:,} of {counted(len(entries), 'entry')} {'agrees' if count == 1 else 'agree'}"


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
