"""The command `hpc`: its commands, signals and exit codes."""

import argparse
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hpc.cli_command import Command
from hpc.cli_looking import FAILURES, LOGS, REPLAY, REPORT, RESULT, RUNS, STATUS
from hpc.cli_running import COMPLETION, NEW, ORCHESTRATE, REDRIVE, RUN, SERVE, STOP
from hpc.console import open_closed_streams, say
from hpc.errors import CommandError, ExitCode
from hpc.planning.options import PLAN

EXIT_CODES = """\
exit codes:
  0    succeeded
  1    the run failed, timed out or was stopped, or its end could not be seen
  2    nothing was started: bad arguments, no cloud assembly, no such stack, refused
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
"""
COMMANDS = (
    *(RUN, ORCHESTRATE, PLAN, REDRIVE, STOP, NEW, SERVE),
    *(RUNS, STATUS, RESULT, FAILURES, REPLAY, LOGS, REPORT),
    COMPLETION,
)
# Set by a shell that asks how a line goes on.
COMPLETION_VARIABLE = "_ARGCOMPLETE"
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
        from hpc.completion import complete  # noqa: PLC0415 - only a shell that completes a line needs it

        complete(parser)
    args = parser.parse_args(argv)
    command: Command = args.command
    try:
        with stopping_signals():
            return command.call(args)
    except CommandError as error:
        say(f"hpc {args.name}: {error}")
        return int(error.exit_code)
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


def build_parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of the command line, and those of its commands, by what is typed to reach them."""
    parser = argparse.ArgumentParser(
        prog="hpc",
        description="Run an embarrassingly parallel computation, on this machine or on AWS Step Functions\nand Lambda.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="name")
    for command in COMMANDS:
        command.add_to(commands, EXIT_CODES)
    return {"hpc": parser, **{f"hpc {name}": each for name, each in commands.choices.items()}}
