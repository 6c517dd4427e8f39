"""``make destroy``: looks for what still runs before the stack is deleted, and stops it where that is asked for.

A state machine is deleted only when all its executions have ended, a compute environment with active jobs not at all: a
deletion would hang for hours, and may fail.
"""

import argparse
import subprocess
import sys
import time

from hpc.errors import CommandError, LostRunError, NotStartedError
from hpc.targets.client import Target, explained, named_stack
from hpc.targets.home import Home
from hpc.terminal.console import say
from hpc.terminal.counter import counted

ACTIVE_JOBS = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
# The service ends the Map Run and the jobs of an execution after the execution itself.
PATIENCE_SECONDS = 600.0
PAUSE_SECONDS = 5.0
SHOWN = 5


def main(given: list[str]) -> int:
    """Delete the stack with the CDK CLI, unless something runs; ``given`` are the CLI's own arguments.

    With ``--force`` what runs is stopped first, and waited for.
    """
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--force", "-f", action="store_true")
    parser.add_argument("-c", "--context", action="append", default=[])
    options, _ = parser.parse_known_args(given)
    names = [each.partition("=")[2] for each in options.context if each.startswith("hpc:stack_name=")]
    try:
        target = named_stack(argparse.Namespace(stack_name=names[-1] if names else None), Home.from_environment())
        if not clear(target, is_forced=options.force):
            return 2
    except CommandError as error:
        for line in error.lines:
            say(line)
        return int(error.exit_code)
    return subprocess.run(["cdk", "destroy", *given], check=False).returncode  # noqa: S603, S607 - the project's own CLI


def clear(target: Target, *, is_forced: bool) -> bool:
    """Return whether nothing of the stack runs, or nothing does any more.

    Raises
    ------
    LostRunError
        If what was stopped has not ended in ten minutes.
    """
    running, jobs = running_executions(target), active_jobs(target)
    if not running and not jobs:
        return True
    if not is_forced:
        shown = ", ".join(arn.rpartition(":")[2] for arn in running[:SHOWN])
        more = f" and {len(running) - SHOWN} more" if len(running) > SHOWN else ""
        names = f": {shown}{more}" if running else ""
        say(f"not deleted: {counted(len(running), 'running execution')}{names}; {counted(jobs, 'active job')}")
        say("wait for them, stop them (hpc stop RUN --aws), or stop all: make destroy ARGS=--force")
        return False
    with explained(LostRunError, "stopping what runs"):
        for arn in running:
            say(f"stopping {arn.rpartition(':')[2]}")
            target.stepfunctions.stop_execution(executionArn=arn, cause="the stack is deleted")
    began = time.monotonic()
    while running or jobs:
        if time.monotonic() - began > PATIENCE_SECONDS:
            left = f"{counted(len(running), 'execution')} and {counted(jobs, 'job')}"
            raise LostRunError(f"not deleted: {left} that did not end in 10 min")
        time.sleep(PAUSE_SECONDS)
        running, jobs = running_executions(target), active_jobs(target)
    return True


def running_executions(target: Target) -> list[str]:
    """Return the ARNs of executions that run, of the machines that a person starts."""
    with explained(NotStartedError, "looking for what runs"):
        pages = target.stepfunctions.get_paginator("list_executions")
        return [
            str(each["executionArn"])
            for machine in target.machine_arns
            for page in pages.paginate(stateMachineArn=machine, statusFilter="RUNNING")
            for each in page["executions"]
        ]


def active_jobs(target: Target) -> int:
    """Return how many jobs of the stack's queue have not ended."""
    queue = target.outputs.get("JobQueueArn")
    if queue is None:
        return 0
    with explained(NotStartedError, "looking for jobs"):
        pages = target.batch.get_paginator("list_jobs")
        return sum(
            len(page["jobSummaryList"])
            for status in ACTIVE_JOBS
            for page in pages.paginate(jobQueue=queue, jobStatus=status)
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
