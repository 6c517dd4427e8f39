"""`hpc stop`: from the name of a run to StopExecution."""

import argparse

from hpc.client import Target, explained, named_stack
from hpc.console import say
from hpc.errors import ExitCode, NotStartedError
from hpc.home import Home
from hpc.printable import shorten
from hpc.reading import find_execution


def stop(args: argparse.Namespace) -> int:
    """Stop a run; one that has already ended stays as it is, which is said."""
    home = Home.from_environment()
    target = named_stack(args, home) if args.aws else _local_target(home)
    arn = find_execution(target, args.run)
    with explained(NotStartedError, f"stopping {shorten(args.run)}"):
        status = target.stepfunctions.describe_execution(executionArn=arn)["status"]
        if status == "RUNNING":
            target.stepfunctions.stop_execution(executionArn=arn, cause="stopped by hpc stop")
    say(f"stopped {args.run}" if status == "RUNNING" else f"{args.run} has already ended: {status}")
    return ExitCode.SUCCEEDED


def _local_target(home: Home) -> Target:
    from hpc.local import attached_target  # noqa: PLC0415 - a run on AWS need not load the local server

    return attached_target(home)
