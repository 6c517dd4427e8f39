"""`hpc help` and `hpc --version`."""

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from hpc.cli.command import Command, option
from hpc.errors import ExitCode, NotStartedError
from hpc.terminal.console import emit

DISTRIBUTION = "serverless-hpc"


class ShowVersion(argparse.Action):
    """Prints the version and exits; it is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        emit(f"hpc {version(DISTRIBUTION)}", kept_in="pyproject.toml")
        parser.exit()


def show_help(args: argparse.Namespace) -> int:
    """Print the help of ``args.topic``, a command, or of all.

    Raises
    ------
    NotStartedError
        If there is no such command.
    """
    title = "hpc" if args.topic is None else f"hpc {args.topic}"
    if title not in args.parsers:
        known = ", ".join(each.removeprefix("hpc ") for each in args.parsers if each != "hpc")
        raise NotStartedError(f"COMMAND must be one of {known}, got '{args.topic}'")
    args.parsers[title].print_help()
    return ExitCode.SUCCEEDED


HELP = Command(
    name="help",
    function="hpc.cli.help:show_help",
    summary="show this help, or the help of a command",
    description="Show the help of one command, or of all commands.",
    examples=("hpc help", "hpc help run"),
    options=(option("topic", nargs="?", metavar="COMMAND", help="the command (all)"),),
)
