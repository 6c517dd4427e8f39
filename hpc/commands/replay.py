"""`hpc replay`: an item, `combine` or `finish` of a run, once more in a process of its own and perhaps a debugger."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hpc.errors import LostRunError, NotStartedError
from hpc.runs.items import check_has_files, find_item
from hpc.runs.run import Run, open_run, retry_if_server_gone
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.targets.local_environment import local_environment
from hpc.targets.workload_file import overlay_folder, read_workload_file
from hpc.terminal.console import say

PROGRAM = Path(__file__).with_name("replay_item.py")


@retry_if_server_gone
def replay(args: argparse.Namespace) -> int:
    """Compute the item, or call the function; the exit code is 1 if it raises, 130 if the debugger is left before."""
    home = Home.from_environment()
    # A person at the debugger takes their time: other commands attach to the server meanwhile.
    with open_run(args, has_items=True, is_short_lived=not args.debug) as run:
        if run.settings is None:
            check_has_files(run)
            raise NotStartedError(f"{run.name} has no items: Start did not form its batches")
        function = args.index if isinstance(args.index, str) else None
        task = {
            "bucket": run.target.bucket,
            "run": run.name,
            "workload": run.settings["workload"],
            "params": run.settings["params"],
            "function": function,
            "index": args.index,
            "item": find_item(run, args.index) if function is None else None,
            "debug": args.debug,
            "may_have_changed": args.workload is not None,
        }
        if run.settings.get("is_uploaded") and args.workload is None:
            task |= {"package": run.settings["workload_sha256"], "bucket": run.target.bucket}
            return _run_item(task | {"project": str(home.project), "overlay": None}, run)
        overlay = _overlay(run, home, args.workload)
        # With the server, because an item may be an object in S3, which a run on this machine has there.
        return _run_item(task | {"project": str(home.project), "overlay": overlay}, run)


def _overlay(run: Run, home: Home, workload: str | None) -> str | None:
    """Return the folder with the workload that is not part of the project, if it is such a one."""
    assert run.settings is not None
    name, sha256 = run.settings["workload"], run.settings["workload_sha256"]
    if workload is not None:
        file = read_workload_file(workload, home, on_aws=False)
        if file is None or file.name != name:
            raise NotStartedError(f"--workload must be a changed {name}.py, the workload of {run.name}, got {workload}")
        # A copy, as runs have it: what stands beside the file can't be imported there either.
        return str(file.copy_to(home.create()))
    folder = overlay_folder(home.folder, name, sha256)
    return str(folder) if folder.is_dir() else None


def _run_item(task: dict[str, object], run: Run) -> int:
    assert run.settings is not None
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(task, file)
        file.flush()
        command = [sys.executable, str(PROGRAM), file.name, run.settings["workload_sha256"]]
        environment = local_environment(run.target) if run.target.is_local else None
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - our program and file, no shell
    if done.returncode and run.target.is_guest:
        _check_answers(run)
    what = task["function"] or f"item {task['index']}"
    if done.returncode < 0:
        raise LostRunError(f"{what} ended its process by signal {-done.returncode}")
    if done.returncode == 0:
        say(f"{what} of {run.name} {'computed' if task['function'] is None else 'called'}")
    return done.returncode


def _check_answers(run: Run) -> None:
    """Raise UnansweredError if the server that another command hosts has ended, which may be why the item failed."""
    with explained(LostRunError, "the server ended while the item was computed"):
        run.target.stepfunctions.describe_execution(executionArn=run.arn)
