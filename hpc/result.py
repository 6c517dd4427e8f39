"""`hpc result`: what a run that has ended came to, as `hpc run` printed it."""

import argparse

from hpc.client import execution_arn
from hpc.console import emit, say
from hpc.errors import ExitCode, LostRunError
from hpc.fault_options import faults_of
from hpc.home import Home
from hpc.orchestrate import orchestration_result
from hpc.reading import looks_twice, open_run
from hpc.render import render_failure, render_json, render_text
from hpc.watch import Ended, Watch


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

        def locate(uri: str) -> str:
            return home.object_path(uri) if run.target.is_local else uri

        results = locate(f"s3://{run.target.bucket}/{run.key('')}")
        if ended.status != "SUCCEEDED":
            say(f"{render_failure(ended)}\nwhich items failed: hpc failures {run.name}")
        faults = faults_of(home.folder, run.arn) if run.target.is_local else None
        if args.output == "json":
            emit(render_json(ended, results, faults), kept_in=results)
        elif ended.status == "SUCCEEDED":
            say(run.name)
            emit("\n".join(render_text(ended, results, locate, faults)), kept_in=results)
    return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED
