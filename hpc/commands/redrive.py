"""`hpc redrive`: from a run that is not complete to RedriveExecution, or to a run on what failed, and to a result."""

import argparse
from dataclasses import dataclass
from typing import Any

from hpc.cli.fault_options import announced, read_rehearsal
from hpc.commands.follow import FollowedRun
from hpc.commands.merge import needs_new_run, start_on_missing
from hpc.commands.run import JOB_BACK_ENDS
from hpc.commands.starting import new_run_name, open_target
from hpc.commands.versions import Version, choose_version, go_on_with, write_settings
from hpc.errors import CommandError, NotStartedError
from hpc.json_objects import json_object
from hpc.runs.run import Run, find_run, looks_twice
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.targets.synthesis import PIPELINE, WITH_JOBS, Variant
from hpc.targets.workload_origins import note_origin
from hpc.terminal.console import say

# The state that runs combine and finish.
LAST_STATE = "Sum"
LAST_EVENTS = 50


def redrive(args: argparse.Namespace) -> int:
    """Redrive a run, follow it, print what came out."""
    home = Home.from_environment()
    rehearsal = read_rehearsal(args)
    if args.aws:
        with open_target(args, home, None) as target:
            run = Run(target, find_run(target, args.run))
            version = choose_version(args, home, run, run.settings or _given(run))
            return _redrive(args, home, run, version).follow()
    home.check_has_runs()
    found = _look(args)
    with open_target(
        args, home, args.assembly, variant=found.variant, overlay=found.version.overlay, faults=rehearsal
    ) as target:
        followed = _redrive(args, home, Run(target, found.arn), found.version)
        with announced(rehearsal):
            return followed.follow()


@dataclass(frozen=True)
class _Found:
    """A run on this machine, and what a server must have to go on with it."""

    arn: str
    variant: Variant
    version: Version


@looks_twice
def _look(args: argparse.Namespace) -> _Found:
    """Find the run; another command waits for the end of the server, because a run of its own would end with it."""
    home = Home.from_environment()
    with open_target(args, home, args.assembly, is_brief=True) as target:
        run = Run(target, find_run(target, args.run))
        settings = run.settings or _given(run)
        has_jobs = (args.back_end or settings.get("back_end")) in JOB_BACK_ENDS
        version = choose_version(args, home, run, settings)
        return _Found(run.arn, WITH_JOBS if has_jobs else PIPELINE, version)


def _given(run: Run) -> dict[str, Any]:
    """Return what Start was told, where it has not come to write the settings."""
    with explained(NotStartedError, f"redriving {run.name}"):
        described = run.target.stepfunctions.describe_execution(executionArn=run.arn)
    given = json_object(described.get("input"))
    earlier = given.get("redrive_of")
    if not isinstance(earlier, str):
        return given
    return Run(run.target, run.target.execution_arn(earlier)).settings or {}


def _redrive(args: argparse.Namespace, home: Home, run: Run, version: Version) -> FollowedRun:
    """Redrive a run; return what is to be followed.

    Raises
    ------
    NotStartedError
        If it can't be redriven; names the reason.
    """
    with explained(NotStartedError, f"redriving {run.name}"):
        described = run.target.stepfunctions.describe_execution(executionArn=run.arn)
        if needs_new_run(described):
            name = new_run_name()
            _note(home, name, version)
            options = {"only_finish": args.only_finish, "changed_workload": version.is_changed}
            changes = {key: value for key, value in options.items() if value}
            if args.back_end is not None:
                changes["back_end"] = args.back_end
            say(start_on_missing(run, described, name, changes))
            return FollowedRun(run.target, home, name, args)
        if args.back_end is not None and args.back_end != (run.settings or {}).get("back_end", args.back_end):
            raise NotStartedError(
                f"{run.name} {described['status']} before its Sum: a redrive goes on where it stopped, on "
                f"{(run.settings or {})['back_end']}; only failed items that were tolerated, or of which there were "
                "too many, can be computed on another back end: start a new run with --back-end"
            )
        if args.only_finish:
            _check_came_to_sum(run)
        _redrive_execution(run, version)
        _note(home, run.name, version)
    changed = ", with another version of its workload" if version.is_changed else ""
    redrive_count = described.get("redriveCount", 0) + 1
    say(f"redriven {run.name} (redrive {redrive_count}){changed}")
    return FollowedRun(run.target, home, run.name, args, redrive_count=redrive_count)


def _redrive_execution(run: Run, version: Version) -> None:
    """Call RedriveExecution; a run that it refuses stays as it was."""
    before = go_on_with(run, version) if version.is_changed else None
    try:
        with explained(NotStartedError, f"redriving {run.name}"):
            run.target.stepfunctions.redrive_execution(executionArn=run.arn)
    except CommandError:
        if before is not None:
            write_settings(run, before)
        raise


def _check_came_to_sum(run: Run) -> None:
    """Refuse a run of which more than ``finish`` is left to do."""
    history = run.target.stepfunctions.get_execution_history(
        executionArn=run.arn, reverseOrder=True, maxResults=LAST_EVENTS, includeExecutionData=False
    )
    entered = (event.get("stateEnteredEventDetails", {}).get("name") for event in history["events"])
    last = next((name for name in entered if name is not None), None)
    if last != LAST_STATE:
        raise NotStartedError(
            f"{run.name} ended in {last or 'an unknown state'}, before combine and finish: leave out --only-finish, "
            "and what has no result yet is computed first"
        )


def _note(home: Home, run: str, version: Version) -> None:
    if version.file is not None:
        note_origin(home.create(), run, version.file)
