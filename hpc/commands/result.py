"""`hpc result`: what a run that has ended came to, as `hpc run` printed it."""

import argparse
from functools import partial
from pathlib import Path

from hpc.commands.next_steps import cause_lines, first_failures, next_line
from hpc.commands.orchestrate import orchestration_result
from hpc.commands.render import render_failure, render_json, render_text
from hpc.errors import ExitCode, LostRunError, NotStartedError
from hpc.json_objects import json_object
from hpc.runs.find import open_run, retry_if_server_gone
from hpc.runs.run import Run
from hpc.runs.watch import Ended, Watch
from hpc.targets.client import execution_arn, explained
from hpc.targets.home import Home
from hpc.terminal.console import emit, say

BLOCK_BYTES = 1024 * 1024


def _save(run: Run, ended: Ended, path: Path) -> None:
    """Write the file of the whole result, as it comes, to a file that was not there.

    Raises
    ------
    LostRunError
        If the run has no result.
    NotStartedError
        If the file can't be written.
    """
    output = json_object(ended.execution.get("output"))
    uri = output.get("results_file") or output.get("result_file")
    if uri is None:
        raise LostRunError(f"{run.name} has no result to save: hpc failures {run.name}")
    bucket, _, key = str(uri).removeprefix("s3://").partition("/")
    try:
        with path.open("xb") as file, explained(LostRunError, f"reading {uri}"):
            for block in run.target.s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(BLOCK_BYTES):
                file.write(block)
    except OSError as error:
        raise NotStartedError(f"--save must be a new file that can be written, got {path}: {error}") from error
    say(f"saved the result in {path}")


@retry_if_server_gone
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
            items = first_failures(run, ended)
            say(*cause_lines(items), render_failure(ended), next_line(run, items, ended, args))
        if args.save is not None:
            _save(run, ended, Path(args.save))
        if args.output == "json":
            emit(render_json(ended, results, run.faults), kept_in=results)
        elif ended.status == "SUCCEEDED":
            say(run.name)
            emit(*render_text(ended, results, locate, run.faults, limit=vars(args).get("limit")), kept_in=results)
    return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED
