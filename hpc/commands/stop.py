"""`hpc stop`: from the name of a run to StopExecution."""

import argparse

from hpc.errors import ExitCode, NotStartedError
from hpc.runs.find import find_execution
from hpc.targets.client import Target, explained, named_stack
from hpc.targets.home import Home
from hpc.terminal.console import say
from hpc.terminal.printable import shorten


def stop(args: argparse.Namespace) -> int:
    """Stop a run; one that has already ended stays as it is, which is said."""
    home = Home.from_environment()
    target = named_stack(args, home) if args.aws else _local_target(home)
    arn = find_execution(target, args.run)
    with explained(NotStartedError, f"stopping {shorten(args.run)}"):
        status = target.stepfunctions.describe_execution(executionArn=arn)["status"]
        if status == "RUNNING":
            target.stepfunctions.stop_execution(executionArn=arn, cause="stopped by hpc stop")
    name = arn.rpartition(":")[2]
    say(f"stopped {name}" if status == "RUNNING" else f"{name} has already ended: {status}")
    return ExitCode.SUCCEEDED


def _local_target(home: Home) -> Target:
    from hpc.targets.looking import attached_target  # noqa: PLC0415 - a run on AWS need not load the local server

    return attached_target(home)
