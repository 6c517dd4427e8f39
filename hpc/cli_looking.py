"""Arguments of the commands that look at runs; each command is a module that is imported when it is called."""

import argparse
from collections.abc import Callable
from typing import Protocol

from hpc.arguments import integer, plain_text

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
NO_SERVER = "Without --aws it looks at the runs of this machine; none of them need be running."


class AddCommand(Protocol):
    """Adds a subcommand, with the exit codes under its examples."""

    def __call__(
        self, name: str, command: Callable[[argparse.Namespace], int], *, summary: str, description: str, examples: str
    ) -> argparse.ArgumentParser: ...


def add_looking(
    add: AddCommand, add_place: Callable[[argparse.ArgumentParser], None]
) -> dict[str, argparse.ArgumentParser]:
    """Add the commands; return their parsers by what is typed to reach them."""
    adders = (_add_runs, _add_status, _add_result, _add_failures, _add_replay, _add_logs, _add_report)
    parsers = [adder(add) for adder in adders]
    for parser in parsers:
        add_place(parser)
    return {parser.prog: parser for parser in parsers}


def _add_runs(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "runs",
        _runs,
        summary="list the runs, the latest first",
        description=f"List the runs, the latest first.\n{NO_SERVER}",
        examples="examples:\n  hpc runs --limit 5\n  hpc runs --status FAILED --output json\n\n",
    )
    parser.add_argument("--limit", type=_at_least_1, default=20, metavar="N", help="most runs to list (20)")
    parser.add_argument("--status", choices=STATUSES, help="only runs of this status")
    _add_output(parser, "json", meaning="form of the list; json is one object a line (text)")
    return parser


def _add_status(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "status",
        _status,
        summary="show how a run is doing, live on a terminal",
        description="Show counts, rate, time left, concurrency, and the children that have run longest.\n"
        "On a terminal it follows a run that goes on; Ctrl-C ends the command, never the run.",
        examples="examples:\n  hpc status\n  hpc status run-20261122T041345-9c5dab --aws --output json\n\n",
    )
    _add_run_argument(parser)
    _add_output(parser, "json", meaning="form of the status (text)")
    return parser


def _add_result(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "result",
        _result,
        summary="print the result of a run that has ended",
        description=f"Print what hpc run printed when the run ended.\n{NO_SERVER}",
        examples="",
    )
    _add_run_argument(parser)
    _add_output(parser, "json", meaning="form of the result (text)")
    return parser


def _add_failures(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "failures",
        _failures,
        summary="list the failed items of a run, with their errors",
        description="List every failed item: index, input, error, cause, attempts of its batch.\n"
        "As text they are grouped by errors that differ in their numbers only.",
        examples="examples:\n  hpc failures\n  hpc failures --output csv > failed.csv\n\n",
    )
    _add_run_argument(parser)
    _add_output(parser, "json", "csv", meaning="form of the list; json is one object a line (text)")
    return parser


def _add_replay(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "replay",
        _replay,
        summary="compute one item of a run once more, here",
        description="Compute one item of a run in a process of its own on this machine, with the run's params;\n"
        "nothing of the run changes. The workload is the one of the project, or the copy of the\n"
        "file that the run was given.",
        examples="examples:\n  hpc replay run-20261122T041345-9c5dab 27\n"
        "  hpc replay run-20261122T041345-9c5dab 27 --debug --workload my_model.py\n\n",
    )
    parser.add_argument("run", type=plain_text, metavar="RUN", help="its name or ARN")
    parser.add_argument("index", type=integer, metavar="INDEX", help="number of the item")
    parser.add_argument("--debug", action="store_true", help="stop at the workload's first line, under Python's pdb")
    parser.add_argument("--workload", type=plain_text, metavar="FILE", help="a changed file of the same workload")
    return parser


def _add_logs(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "logs",
        _logs,
        summary="print what the handlers logged",
        description="Print what the handlers wrote during a run, or while the batch with item INDEX was computed:\n"
        "whatever falls into that time, batches beside it included. With --aws they come from\n"
        "CloudWatch Logs, on this machine from files, where printed lines have no time of their own:\n"
        "those that may belong to that time are shown.",
        examples="examples:\n  hpc logs\n  hpc logs 27 --run run-20261122T041345-9c5dab --aws\n\n",
    )
    parser.add_argument("index", type=integer, nargs="?", metavar="INDEX", help="number of an item (the whole run)")
    parser.add_argument("--run", type=plain_text, metavar="RUN", help="name or ARN of the run (the latest)")
    return parser


def _add_report(add: AddCommand) -> argparse.ArgumentParser:
    parser = add(
        "report",
        _report,
        summary="write a run's report, one HTML file",
        description="Write one HTML file that needs no network: the state graph by outcome, the child executions\n"
        "over time, durations and stragglers, failures, settings. Its path goes to stdout.",
        examples="examples:\n  hpc report\n  hpc report run-20261122T041345-9c5dab -o /tmp/first.html\n\n",
    )
    _add_run_argument(parser)
    parser.add_argument(
        "-o", "--out", type=plain_text, default="report.html", metavar="FILE", help="where to (report.html)"
    )
    return parser


def _add_run_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=plain_text, nargs="?", metavar="RUN", help="its name or ARN (the latest run)")


def _add_output(parser: argparse.ArgumentParser, *forms: str, meaning: str) -> None:
    parser.add_argument("--output", choices=("text", *forms), default="text", help=meaning)


def _at_least_1(text: str) -> int:
    value = integer(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def _runs(args: argparse.Namespace) -> int:
    from hpc.runs import runs  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return runs(args)


def _status(args: argparse.Namespace) -> int:
    from hpc.status import status  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return status(args)


def _result(args: argparse.Namespace) -> int:
    from hpc.result import result  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return result(args)


def _failures(args: argparse.Namespace) -> int:
    from hpc.failures_command import failures  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return failures(args)


def _replay(args: argparse.Namespace) -> int:
    from hpc.replay import replay  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return replay(args)


def _logs(args: argparse.Namespace) -> int:
    from hpc.logs import logs  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return logs(args)


def _report(args: argparse.Namespace) -> int:
    from hpc.report.command import report  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return report(args)
