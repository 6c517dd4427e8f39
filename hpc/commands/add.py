"""`hpc add`: packages for workloads, pinned for the functions' Python and processor."""

import argparse
import subprocess
import sys

from hpc.errors import ExitCode, NotStartedError
from hpc.targets.home import Home
from hpc.targets.project import is_installed
from hpc.targets.synthesis import check_cdk
from hpc.terminal.console import emit
from hpc.terminal.counter import spinner


def add(args: argparse.Namespace) -> int:
    """Add the packages, or leave all as it was.

    Raises
    ------
    NotStartedError
        If that can't be; with what uv says.
    """
    project = Home.from_environment().project
    if is_installed(project):
        raise NotStartedError(
            "packages are added to a checkout of the project: of an installed one, lambdas/requirements.txt is a part "
            "that the next installation replaces"
        )
    check_cdk()
    command = [sys.executable, "-m", "hpc_stack.adding", *args.packages]
    with spinner(f"adding {', '.join(args.packages)}"):
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise NotStartedError(*(done.stderr.strip().splitlines() or ["nothing was added"]))
    emit(*done.stdout.splitlines(), kept_in="lambdas/requirements.txt")
    return ExitCode.SUCCEEDED
