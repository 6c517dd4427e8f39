"""The command `hpc`: arguments, signals and exit codes; each command is a module that is imported when it is called."""

import argparse
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType

from hpc.arguments import integer, json_text, number, plain_text, port
from hpc.cli_looking import add_looking
from hpc.cli_orchestrate import add_orchestrate
from hpc.cli_redrive import add_redrive
from hpc.console import say
from hpc.errors import CommandError
from hpc.planning.options import add_budget, add_plan, check_budget

EXIT_CODES = """\
exit codes:
  0    succeeded
  1    the run failed, timed out or was stopped, or its end could not be seen
  2    nothing was started: bad arguments, no cloud assembly, no such stack, refused
  130  interrupted by Ctrl-C (143 by SIGTERM, 129 by SIGHUP)
"""
RUN_DESCRIPTION = """\
Run a computation and print its result on stdout; progress and errors go to stderr.
Without --aws it runs on this machine: the synthesized state machine, served on
loopback, with the real handlers. Ctrl-C stops a local run and detaches from one on AWS.
"""
RUN_EXAMPLES = """\
examples:
  hpc run --size 1024
  hpc run --size 64 --workload squares --batch-size 8 --output json
  hpc run --items grid.csv --workload my_model.py --tolerated-failure-percentage 5
  hpc run --input @input.json
  hpc run --size 1024 --aws --detach

"""
SERVE_DESCRIPTION = """\
Serve the synthesized stack on loopback until Ctrl-C: AWS Step Functions and S3, for hpc run,
the AWS CLI and any SDK. What a shell needs to reach it is printed on stdout, with its key.
"""
SERVE_EXAMPLES = """\
examples:
  hpc serve --port 4599
  aws stepfunctions list-state-machines   (in another terminal, after the printed exports)

"""
BACK_ENDS = ("lambda", "batch", "batch_callback")
STOPPING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedBySignalError(KeyboardInterrupt):
    """One of the signals that mean "stop"; carries its number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; argparse itself exits with 2 for bad arguments."""
    args = build_parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = args.command
    if getattr(args, "stack_name", None) is not None and not args.aws:
        args.parser.error("--stack-name needs --aws")  # an option that would have no effect
    try:
        with stopping_signals():
            return int(command(args))
    except CommandError as error:
        say(f"hpc {args.name}: {error}")
        return int(error.exit_code)
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
    return {
        "hpc": parser,
        "hpc run": _add_run(commands),
        "hpc orchestrate": add_orchestrate(partial(_add_command, commands), _add_place),
        "hpc plan": add_plan(commands, _add_command),
        **add_redrive(partial(_add_command, commands), _add_place),
        "hpc stop": _add_stop(commands),
        "hpc new": _add_new(commands),
        "hpc serve": _add_serve(commands),
        **add_looking(partial(_add_command, commands), _add_place),
    }


def _add_run(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = _add_command(
        commands,
        "run",
        _run,
        summary="run a computation and print its result",
        description=RUN_DESCRIPTION,
        examples=RUN_EXAMPLES,
    )
    what = parser.add_argument_group("what to compute (exactly one)").add_mutually_exclusive_group(required=True)
    what.add_argument("--size", type=integer, metavar="N", help="the items 0 to N-1")
    what.add_argument("--items", metavar="FILE", help="one item a line of a .jsonl file or a row of a .csv file")
    what.add_argument(
        "--source", metavar="DIR", help="one item a file below DIR, or an object below s3://bucket/prefix"
    )
    what.add_argument(
        "--input",
        metavar="JSON|@FILE",
        help="the whole execution input; the options below that are part of it can't be given beside it",
    )
    how = parser.add_argument_group("how to compute it (part of the execution input)")
    how.add_argument(
        "--workload", type=plain_text, metavar="NAME|FILE.py", help="one of lambdas/workloads (utf8_keys), or a file"
    )
    how.add_argument("--back-end", choices=BACK_ENDS, help="what computes: AWS Lambda, or jobs of AWS Batch (lambda)")
    how.add_argument("--params", type=json_text, metavar="JSON", help="object that every item is computed with ({})")
    how.add_argument("--batch-size", type=integer, metavar="N", help="items of one child execution (size / 1,000)")
    how.add_argument(
        "--max-concurrency", type=integer, metavar="N", help="child executions at a time (hpc:max_concurrency)"
    )
    how.add_argument(
        "--tolerated-failure-percentage", type=number, metavar="P", help="items that may fail, 0 to 100 (0)"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of the result (text)")
    parser.add_argument("--detach", action="store_true", help="start the run, print its ARN and leave it running")
    add_budget(parser)
    parser.add_argument("--assembly", metavar="DIR", help="cloud assembly to run (synthesized when sources changed)")
    _add_place(parser)
    return parser


def _add_new(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = _add_command(
        commands,
        "new",
        _new,
        summary="write a workload to start from",
        description="Write NAME.py, a small workload with comments, and its test test_NAME.py into this folder.\n"
        "Nothing is overwritten.",
        examples="",
    )
    parser.add_argument("workload_name", type=plain_text, metavar="NAME", help="like my_model: a-z, 0-9 and _")
    return parser


def _add_stop(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = _add_command(
        commands,
        "stop",
        _stop,
        summary="stop a run",
        description="Stop a run that another command follows, or none.",
        examples="",
    )
    parser.add_argument("run", type=plain_text, metavar="RUN", help="its name or ARN, as hpc run printed it")
    _add_place(parser)
    return parser


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
    parser = _add_command(
        commands,
        "serve",
        _serve,
        summary="keep a local server running",
        description=SERVE_DESCRIPTION,
        examples=SERVE_EXAMPLES,
    )
    parser.add_argument("--port", type=port, default=0, metavar="P", help="port on 127.0.0.1 (any that is free)")
    parser.add_argument("--assembly", metavar="DIR", help="cloud assembly to serve (synthesized when sources changed)")
    return parser


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command, parser=parser)
    return parser


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--aws", action="store_true", help="use the deployed stack, with boto3's region and credentials"
    )
    parser.add_argument("--stack-name", type=plain_text, metavar="NAME", help="with --aws (hpc:stack_name of cdk.json)")


def _run(args: argparse.Namespace) -> int:
    _check_combinations(args)
    from hpc.run import run  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return run(args)


def _new(args: argparse.Namespace) -> int:
    from hpc.new import new  # noqa: PLC0415 - only this command needs it

    return new(args)


def _stop(args: argparse.Namespace) -> int:
    _check_combinations(args)
    from hpc.stop import stop  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return stop(args)


def _serve(args: argparse.Namespace) -> int:
    from hpc.serve import serve  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return serve(args)


def _check_combinations(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if args.stack_name is not None and not args.aws:
        args.parser.error("--stack-name needs --aws")
    if args.name != "run":
        return
    if args.aws and args.assembly is not None:
        args.parser.error("--assembly can't be given with --aws, where the deployed stack runs")
    check_budget(args)
    parts = ("back_end", "workload", "params", "batch_size", "max_concurrency", "tolerated_failure_percentage")
    beside = [f"--{part.replace('_', '-')}" for part in parts if getattr(args, part) is not None]
    if args.input is not None and beside:
        args.parser.error(f"--input is the whole execution input: give {', '.join(beside)} in it, not beside it")
