"""`hpc completion`, and the answer to a shell at each press of Tab, which needs no server and no AWS."""

import argparse
import heapq
import sys
from pathlib import Path

import argcomplete
from argcomplete.completers import BaseCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from hpc.errors import ExitCode, NotStartedError
from hpc.targets.home import Home
from hpc.terminal.console import emit_lines

# Runs that are offered, the latest ones.
MAX_RUNS = 100


def completion(args: argparse.Namespace) -> int:
    """Print the script of a shell; it calls this very command, which need not be on the PATH."""
    script = Path(sys.argv[0]).absolute()
    # The shell's function has it in double quotes.
    if any(character in '"$`\\' for character in str(script)):
        raise NotStartedError(f"completion needs a path of hpc without quotes, backslashes and $, got {script}")
    code = shellcode(["hpc"], shell=args.shell, argcomplete_script=str(script))
    emit_lines(code.strip().splitlines(), kept_in="hpc completion", as_is=True)
    return ExitCode.SUCCEEDED


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks through the environment, and end the process."""
    argcomplete.autocomplete(parser, default_completer=_Values())


class _Values(BaseCompleter):
    """Completes the value of an argument by its metavar; options and their choices are argcomplete's to complete."""

    def __call__(
        self, *, prefix: str, action: argparse.Action, parsed_args: argparse.Namespace, **_: object
    ) -> list[str]:
        metavar = str(action.metavar)
        names: list[str] = []
        if metavar == "RUN" and not parsed_args.aws:
            names = _run_names()
        elif action.dest == "workload" and metavar.startswith("NAME"):
            names = _workload_names()
        return names + (FilesCompleter()(prefix) if "FILE" in metavar or "DIR" in metavar else [])


def _run_names() -> list[str]:
    """Return names of runs on this machine that have a folder of results, the latest first."""
    folders = Home.from_environment().folder.glob("s3/*/runs/*")
    return heapq.nlargest(MAX_RUNS, (folder.name for folder in folders))


def _workload_names() -> list[str]:
    folder = Home.from_environment().project / "lambdas" / "workloads"
    return sorted(file.stem for file in folder.glob("[a-z]*.py"))
