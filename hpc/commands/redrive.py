"""`hpc redrive`: from a run that is not complete to RedriveExecution, or to a run on what failed, and to a result."""

import argparse
from dataclasses import dataclass
from typing import Any

from hpc.commands.fault_injection import announced, read_fault_injector
from hpc.commands.follow import FollowedRun
from hpc.commands.merge import LAST_STATE, check_can_change, last_state, needs_new_run, start_on_missing
from hpc.commands.starting import new_run_name, open_target
from hpc.commands.uploads import upload_workload
from hpc.commands.versions import Version, choose_version, go_on_with, write_settings
from hpc.contract.back_ends import JOB_BACK_ENDS
from hpc.errors import CommandError, NotStartedError
from hpc.json_objects import json_object
from hpc.runs.find import find_run, retry_if_server_gone
from hpc.runs.run import Run
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.targets.synthesis import PIPELINE, WITH_JOBS, Variant
from hpc.targets.workload_origins import note_origin
from hpc.terminal.console import say


def redrive(args: argparse.Namespace) -> int:
    """Redrive a run, follow it, print what came out."""
    home = Home.from_environment()
    injector = read_fault_injector(args)
    if args.aws:
        with open_target(args, home, None) as target:
            run = Run(target, find_run(target, args.run))
            version = choose_version(args, home, run, run.settings or given_to(run))
            return redrive_run(args, home, run, version).follow()
    home.check_has_runs()
    found = _look(args)
    with open_target(
        args, home, args.assembly, variant=found.variant, overlay=found.version.overlay, faults=injector
    ) as target:
        followed = redrive_run(args, home, Run(target, found.arn), found.version)
        with announced(injector):
            return followed.follow()


@dataclass(frozen=True)
class _Found:
    """A run on this machine, and what a server must have to go on with it."""

    arn: str
    variant: Variant
    version: Version


@retry_if_server_gone
def _look(args: argparse.Namespace) -> _Found:
    """Find the run; another command waits for the end of the server, because a run of its own would end with it."""
    home = Home.from_environment()
    with open_target(args, home, args.assembly, is_short_lived=True) as target:
        run = Run(target, find_run(target, args.run))
        settings = run.settings or given_to(run)
        has_jobs = (args.back_end or settings.get("back_end")) in JOB_BACK_ENDS
        version = choose_version(args, home, run, settings)
        return _Found(run.arn, WITH_JOBS if has_jobs else PIPELINE, version)


def given_to(run: Run) -> dict[str, Any]:
    """Return what Start was told, where it has not come to write the settings."""
    with explained(NotStartedError, f"redriving {run.name}"):
        described = run.target.stepfunctions.describe_execution(executionArn=run.arn)
    given = json_object(described.get("input"))
    earlier = given.get("redrive_of")
    if not isinstance(earlier, str):
        return given
    return Run(run.target, run.target.execution_arn(earlier)).settings or {}


def redrive_run(args: argparse.Namespace, home: Home, run: Run, version: Version) -> FollowedRun:
    """Redrive a run; return what is to be followed.

    Raises
    ------
    NotStartedError
        If it can't be redriven; names the reason.
    """
    with explained(NotStartedError, f"redriving {run.name}"):
        described = run.target.stepfunctions.describe_execution(executionArn=run.arn)
        is_new_run = needs_new_run(described)
        if not is_new_run and _changes_batches(args, run):
            check_can_change(run, described["status"])
            is_new_run = True
        if version.package is not None:
            upload_workload(run.target, version.package)
        if is_new_run:
            name = new_run_name()
            _note(home, name, version)
            say(start_on_missing(run, described, name, _changes(args, version)))
            return FollowedRun(run.target, home, name, args)
        if args.only_finish:
            _check_came_to_sum(run)
        _redrive_execution(run, version)
        _note(home, run.name, version)
    changed = ", with another version of its workload" if version.is_changed else ""
    redrive_count = described.get("redriveCount", 0) + 1
    say(f"redriven {run.name} (redrive {redrive_count}){changed}")
    return FollowedRun(run.target, home, run.name, args, redrive_count=redrive_count)


def _changes_batches(args: argparse.Namespace, run: Run) -> bool:
    """Whether a person wants another back end than the run has, or other batches."""
    own = (run.settings or {}).get("back_end")
    return args.batch_size is not None or args.back_end not in (None, own)


def _changes(args: argparse.Namespace, version: Version) -> dict[str, Any]:
    """Return what the input of a new run has beside the name of the earlier one."""
    options = {
        "only_finish": args.only_finish,
        "changed_workload": version.is_changed,
        "back_end": args.back_end,
        "batch_size": args.batch_size,
        "uploaded_workload": version.package.sha256 if version.package is not None else None,
    }
    return {key: value for key, value in options.items() if value}


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
    last = last_state(run)
    if last != LAST_STATE:
        raise NotStartedError(
            f"{run.name} ended in {last}, before combine and finish: leave out --only-finish, and what has no result "
            "yet is computed first"
        )


def _note(home: Home, run: str, version: Version) -> None:
    workload = version.file or version.package
    if workload is not None:
        note_origin(home.create(), run, workload)
