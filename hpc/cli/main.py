"""The command `hpc`: its commands, signals and exit codes."""

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hpc.cli.command import Command
from hpc.cli.help import HELP, ShowVersion, show_help
from hpc.cli.looking import FAILURES, LOGS, REPLAY, REPORT, RESULT, RUNS, STATUS, UI
from hpc.cli.planning import PLAN
from hpc.cli.running import ADD, COMPLETION, NEW, ORCHESTRATE, REDRIVE, RUN, SERVE, STOP
from hpc.errors import CommandError, ExitCode, ReaderGoneError
from hpc.terminal.console import Parser, open_closed_streams, say

EXIT_CODES = """\
exit codes:
  0    succeeded
  1    the run failed, timed out or was stopped, or its end could not be seen
  2    nothing was started: bad arguments, no cloud assembly, no such stack, refused
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
  141  whatever read the output has gone: hpc runs | head
"""
GROUPS = {
    "plan and write": (PLAN, NEW, ADD),
    "start, go on, stop": (RUN, ORCHESTRATE, REDRIVE, STOP),
    "look at runs": (RUNS, STATUS, UI, RESULT, LOGS, REPORT),
    "find what failed": (FAILURES, REPLAY),
    "others": (SERVE, COMPLETION, HELP),
}
COMMANDS = tuple(command for group in GROUPS.values() for command in group)
# Set by a shell that asks how a line goes on.
COMPLETION_VARIABLE = "_ARGCOMPLETE"
# The package of the extra "local".
RUNNER = "sfn_local"
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedBySignalError(KeyboardInterrupt):
    """One of the signals that mean "stop"; carries its number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself exits with 2 for bad arguments."""
    open_closed_streams()
    parser = build_parser()
    if COMPLETION_VARIABLE in os.environ:
        from hpc.cli.completion import complete  # noqa: PLC0415 - only a shell that completes a line needs it

        complete(parser)
    try:
        args = parser.parse_args(argv)
        return _call(args) if args.name else show_help(args)
    except ReaderGoneError as error:
        return int(error.exit_code)


def _call(args: argparse.Namespace) -> int:
    command: Command = args.command
    try:
        with stopping_signals():
            return command.call(args)
    except ReaderGoneError:
        raise
    except CommandError as error:
        say(f"hpc {args.name}: {error.lines[0]}", *error.lines[1:])
        return int(error.exit_code)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing != RUNNER:
            raise
        say(f"hpc {args.name}: the local runner is not installed: pip install 'serverless-hpc[local]', or give --aws")
        return int(ExitCode.NOT_STARTED)
    except OSError as error:  # of a file below HPC_HOME, say, which may hold anything
        say(f"hpc {args.name}: {error}")
        return int(ExitCode.FAILED)
    except InterruptedBySignalError as interrupt:
        return 128 + interrupt.signal_number


@contextmanager
def stopping_signals() -> Iterator[None]:
    """Raise InterruptedBySignalError at the first signal that means "stop"; a second one ends the process at once."""

    def interrupt(signal_number: int, _frame: FrameType | None) -> None:
        for ours in taken:
            signal.signal(ours, signal.SIG_DFL)
        raise InterruptedBySignalError(signal_number)

    # nohup and background jobs of a shell script come with signals that are to stay ignored.
    taken = {ours: before for ours in STOPPING_SIGNALS if (before := signal.getsignal(ours)) is not signal.SIG_IGN}
    for ours in taken:
        signal.signal(ours, interrupt)
    try:
        yield
    finally:
        for ours, before in taken.items():
            signal.signal(ours, before)


def build_parser() -> argparse.ArgumentParser:
    return build_parsers()["hpc"]


def build_parsers() -> dict[str, Parser]:
    """Return the parser of the command line, and those of its commands, by what is typed to reach them."""
    parser = Parser(
        prog="hpc",
        usage="hpc [-h] [--version] COMMAND ...",
        description="Run an embarrassingly parallel computation, on this machine or on AWS Step Functions\nand Lambda.",
        epilog=f"{_command_list()}\n\nhpc help COMMAND shows a command's options and examples.\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=ShowVersion)
    # Listed in groups by the epilog.
    commands = parser.add_subparsers(metavar="COMMAND", dest="name", prog="hpc", help=argparse.SUPPRESS)
    for command in COMMANDS:
        command.add_to(commands, EXIT_CODES)
    parsers = {"hpc": parser, **{f"hpc {name}": each for name, each in commands.choices.items()}}
    parser.set_defaults(parsers=parsers, topic=None)
    return parsers


def _command_list() -> str:
    width = max(len(command.name) for command in COMMANDS)
    groups = (
        "\n".join([f"{title}:", *(f"  {command.name:<{width}}  {command.summary}" for command in commands)])
        for title, commands in GROUPS.items()
    )
    return "\n\n".join(groups)
