"""`hpc redrive`: from a run that is not complete to RedriveExecution, or to a run on what failed, and to a result."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.client import explained
from hpc.console import say
from hpc.errors import NotStartedError
from hpc.fault_options import announced, read_rehearsal
from hpc.files import is_file
from hpc.follow import FollowedRun
from hpc.home import Home
from hpc.json_objects import json_object
from hpc.merge import needs_new_run, start_on_missing
from hpc.reading import Run, find_run, looks_twice
from hpc.run import JOB_BACK_ENDS
from hpc.starting import new_run_name, open_target
from hpc.synthesis import PIPELINE, WITH_JOBS, Variant
from hpc.workload_file import DEPLOYED_FOLDER, NAME, overlay_folder


def redrive(args: argparse.Namespace) -> int:
    """Redrive a run, follow it, print what came out."""
    home = Home.from_environment()
    rehearsal = read_rehearsal(args)
    if args.aws:
        with open_target(args, home, None) as target:
            return _redrive(args, home, Run(target, find_run(target, args.run))).follow()
    home.check_has_runs()
    found = _look(args)
    with open_target(
        args, home, args.assembly, variant=found.variant, overlay=found.overlay, faults=rehearsal
    ) as target:
        followed = _redrive(args, home, Run(target, found.arn))
        with announced(rehearsal):
            return followed.follow()


@dataclass(frozen=True)
class _Found:
    """A run on this machine, and what a server must have to go on with it."""

    arn: str
    variant: Variant
    overlay: Path | None


@looks_twice
def _look(args: argparse.Namespace) -> _Found:
    """Find the run; another command waits for the end of the server, because a run of its own would end with it."""
    home = Home.from_environment()
    with open_target(args, home, args.assembly, is_brief=True) as target:
        run = Run(target, find_run(target, args.run))
        return _Found(run.arn, *_needs(home, run))


def _needs(home: Home, run: Run) -> tuple[Variant, Path | None]:
    """Return what a local server must have to go on with a run: variant and folder with its workload's file.

    Raises
    ------
    NotStartedError
        If there is no such folder, or it can't be told which.
    """
    settings = run.settings or _given(run)
    variant = WITH_JOBS if settings.get("back_end") in JOB_BACK_ENDS else PIPELINE
    workload = settings.get("workload")
    if not isinstance(workload, str) or not NAME.fullmatch(workload) or _is_deployed(run, workload):
        return variant, None
    kept = home.folder / "workloads"
    sha256 = settings.get("workload_sha256")
    folders = [overlay_folder(home.folder, workload, sha256)] if sha256 else kept.glob(f"{workload}-*")
    copies = [folder.resolve() for folder in folders if is_file(folder / f"{workload}.py")]
    if not copies:
        raise NotStartedError(
            f"{run.name} can't be redriven: the copy of its workload file {workload}.py is gone from {kept}, "
            f"and {DEPLOYED_FOLDER} has none: start a new run"
        )
    if len(copies) > 1:
        raise NotStartedError(
            f"{run.name} can't be redriven: it ended in Start, and {len(copies)} versions of its workload {workload} "
            f"are in {kept}: start a new run"
        )
    return variant, copies[0]


def _given(run: Run) -> dict[str, Any]:
    """Return what Start was told, where it has not come to write the settings."""
    with explained(NotStartedError, f"redriving {run.name}"):
        described = run.target.stepfunctions.describe_execution(executionArn=run.arn)
    given = json_object(described.get("input"))
    earlier = given.get("redrive_of")
    if not isinstance(earlier, str):
        return given
    return Run(run.target, run.target.execution_arn(earlier)).settings or {}


def _is_deployed(run: Run, workload: str) -> bool:
    """Whether what is served has the workload itself."""
    return any(Path(run.target.assembly).glob(f"asset.*/{DEPLOYED_FOLDER}/{workload}.py"))


def _redrive(args: argparse.Namespace, home: Home, run: Run) -> FollowedRun:
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
            say(start_on_missing(run, described, name))
            return FollowedRun(run.target, home, name, args)
        run.target.stepfunctions.redrive_execution(executionArn=run.arn)
    redrive_count = described.get("redriveCount", 0) + 1
    say(f"redriven {run.name} (redrive {redrive_count})")
    return FollowedRun(run.target, home, run.name, args, redrive_count=redrive_count)
