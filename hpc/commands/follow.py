"""A run that a command follows: to its end and a result on stdout, or until it is interrupted."""

import argparse
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpc.commands.next_steps import cause_lines, first_failures, next_line
from hpc.commands.progress import open_view
from hpc.commands.render import render_failure, render_json, render_text
from hpc.commands.starting import follow_up, interrupted
from hpc.errors import CommandError, ExitCode, LostRunError, UnansweredError
from hpc.runs.failed_jobs import failed_array_job, read_failed_children
from hpc.runs.failures import details_of, indented, read_failures
from hpc.runs.run import Run
from hpc.runs.watch import Counts, Ended, Watch
from hpc.targets.client import Target, explained
from hpc.targets.home import Home
from hpc.terminal.console import emit, say

if TYPE_CHECKING:
    from hpc.commands.budget import Budget


@dataclass(frozen=True)
class FollowedRun:
    """A run that this command has started; ``args`` has the command's ``output``, ``aws`` and ``stack_name``."""

    target: Target
    home: Home
    name: str
    args: argparse.Namespace
    # Limit of its cost.
    budget: "Budget | None" = None
    # Redrives of the run so far.
    redrive_count: int = 0

    @property
    def arn(self) -> str:
        return self.target.execution_arn(self.name)

    @property
    def results(self) -> str:
        """Address of the run's files."""
        return self._locate(f"s3://{self.target.bucket}/runs/{self.name}/")

    def follow(self) -> int:
        """Wait for the run's end, print what came out and return the exit code; raises as :class:`Watch` does."""
        try:
            with open_view() as view:
                show = view.show if self.budget is None else self.budget.guard(view.show, self._stop_over_budget)
                ended = self._watch().wait(show)
        except KeyboardInterrupt:
            say(*self.interrupted())
            raise
        self._report(ended)
        return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED

    def _watch(self) -> Watch:
        return Watch(
            self.target,
            self.arn,
            redrive_count=self.redrive_count,
            is_new=self.redrive_count == 0,
            stack_name=None if self.target.is_local else self.args.stack_name,
        )

    def detach(self) -> None:
        """Leave the run going on, and say how it is found again.

        On AWS only when DescribeExecution knows it, so that the next command finds it.
        """
        if not self.target.is_local:
            with suppress(CommandError):  # it was started
                self._watch().settled_execution()
        started = {"status": "RUNNING", "execution_arn": self.arn, "results": self.results}
        emit(json.dumps(started) if self.args.output == "json" else self.arn, kept_in=self.results)
        say(*follow_up(self.target, self.arn, self.args))

    def interrupted(self) -> list[str]:
        """Stop a local run, which would end with its server; say what became of the run."""
        return interrupted(self.target, self.arn, self.args)

    def _stop_over_budget(self, reason: str) -> None:
        say(f"stopping {self.name}: {reason}")
        with explained(LostRunError, f"stopping {self.name}"):
            self.target.stepfunctions.stop_execution(executionArn=self.arn, error="Hpc.MaxUsdPassed", cause=reason)

    def _locate(self, uri: str) -> str:
        return self.home.place_of(uri, is_local=self.target.is_local)

    def _report(self, ended: Ended) -> None:
        failed_batches = self._failed_batch_lines(ended)
        run = Run(self.target, self.arn)
        has_failed = ended.status != "SUCCEEDED"
        items = first_failures(run, ended) if has_failed or failed_batches else []
        if has_failed:
            say(*cause_lines(items), render_failure(ended))
            failed_batches += self._own_traceback(ended)
        say(*failed_batches)
        faults = run.faults
        if self.args.output == "json":
            emit(render_json(ended, self.results, faults), kept_in=self.results)
        elif ended.status == "SUCCEEDED":
            emit(*render_text(ended, self.results, self._locate, faults), kept_in=self.results)
        else:
            say(f"results so far: {self.results}")
        if has_failed or items:
            say(next_line(run, items, ended, self.args))

    def _own_traceback(self, ended: Ended) -> list[str]:
        """Return the traceback of what the run itself failed with, where that was the person's code."""
        details = details_of(ended.execution.get("error"), ended.execution.get("cause"))
        return indented(details["traceback"]) if details else []

    def _failed_batch_lines(self, ended: Ended) -> list[str]:
        job = failed_array_job(ended.execution.get("cause"))
        try:
            if job is not None:
                return read_failed_children(self.target, job)
            counts = Counts.of(ended.map_run["itemCounts"]) if ended.map_run else None
            if ended.map_run and counts is not None and (counts.failed or counts.stopped):
                return read_failures(self.target, self.name, ended.map_run).lines()
        except CommandError as error:
            if isinstance(error, UnansweredError) and self.target.is_guest:
                raise
            # The run's own status is known and is what the command ends with.
            return [f"the failed {'batches' if job is None else 'jobs'} can't be named: {error}"]
        return []
