"""`hpc replay`: an item, `combine` or `finish` of a run, once more in a process of its own and perhaps a debugger."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hpc.commands.uploads import upload_workload
from hpc.errors import LostRunError, NotStartedError
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.items import check_has_batches, find_item
from hpc.runs.run import Run
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.targets.local_environment import local_environment
from hpc.targets.workload_file import overlay_folder, read_workload
from hpc.targets.workload_package import WorkloadPackage
from hpc.terminal.console import say

PROGRAM = Path(__file__).with_name("replay_item.py")


@retry_if_server_gone
def replay(args: argparse.Namespace) -> int:
    """Compute the item, or call the function; the exit code is 1 if it raises, 130 if the debugger is left before."""
    home = Home.from_environment()
    # A person at the debugger takes their time: other commands attach to the server meanwhile.
    with open_run(args, has_items=True, is_short_lived=not args.debug) as run:
        check_has_batches(run)
        assert run.settings is not None
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
        # With the server, because an item may be an object in S3, which a run on this machine has there.
        return _run_item(task | {"project": str(home.project)} | _code(run, home, args.workload), run)


def _code(run: Run, home: Home, workload: str | None) -> dict[str, str | None]:
    """Return where the workload is that is not part of the project: the folder of a file, or an uploaded package."""
    assert run.settings is not None
    name, sha256 = run.settings["workload"], run.settings["workload_sha256"]
    if workload is not None:
        given = read_workload(workload, home, on_aws=False)
        if given is None or given.name != name:
            raise NotStartedError(
                f"--workload must be a changed {name}.py, or its folder, the workload of {run.name}, got {workload}"
            )
        if isinstance(given, WorkloadPackage):
            upload_workload(run.target, given)
            return {"package": given.sha256, "overlay": None}
        return {"overlay": str(given.copy_to(home.create()))}
    if run.settings.get("is_uploaded"):
        return {"package": sha256, "overlay": None}
    folder = overlay_folder(home.folder, name, sha256)
    return {"overlay": str(folder) if folder.is_dir() else None}


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
