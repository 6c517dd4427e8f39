"""`hpc result`: what a run that has ended came to, as `hpc run` printed it."""

import argparse
from functools import partial

from hpc.commands.orchestrate import orchestration_result
from hpc.commands.render import render_failure, render_json, render_text
from hpc.errors import ExitCode, LostRunError
from hpc.runs.run import looks_twice, open_run
from hpc.runs.watch import Ended, Watch
from hpc.targets.client import execution_arn
from hpc.targets.home import Home
from hpc.terminal.console import emit, say


@looks_twice
def result(args: argparse.Namespace) -> int:
    """Print the result; exit with 1 where there is none."""
    home = Home.from_environment()
    with open_run(args) as run:
        seen = Watch(run.target, run.arn).look()
        if seen.status == "RUNNING":
            raise LostRunError(f"{run.name} is RUNNING: hpc status shows how far it is")
        ended = Ended(seen.execution, seen.map_run)
        if run.arn.startswith(execution_arn(run.target.outputs.get("OrchestratorArn", "none"), "")):
            say(run.name)
            return orchestration_result(run.target, ended, args)
        locate = partial(home.place_of, is_local=run.target.is_local)
        results = locate(f"s3://{run.target.bucket}/{run.key('')}")
        if ended.status != "SUCCEEDED":
            say(render_failure(ended), f"which items failed: hpc failures {run.name}")
        if args.output == "json":
            emit(render_json(ended, results, run.faults), kept_in=results)
        elif ended.status == "SUCCEEDED":
            say(run.name)
            emit(*render_text(ended, results, locate, run.faults), kept_in=results)
    return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED
