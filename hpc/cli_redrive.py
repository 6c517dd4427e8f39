"""Arguments of `hpc redrive`; the command is a module that is imported when it is called."""

import argparse
from collections.abc import Callable

from hpc.arguments import plain_text
from hpc.cli_looking import AddCommand

DESCRIPTION = """\
Go on with a run that failed, timed out or was stopped: batches that succeeded keep their
results, the others are computed again. Ctrl-C stops a local run and detaches from one on AWS.
"""
EXAMPLES = """\
examples:
  hpc redrive
  hpc redrive run-20261122T041345-9c5dab --aws --output json

"""


def add_redrive(
    add: AddCommand, add_place: Callable[[argparse.ArgumentParser], None]
) -> dict[str, argparse.ArgumentParser]:
    """Add the command; return its parser by what is typed to reach it."""
    parser = add(
        "redrive",
        _redrive,
        summary="go on with a run that did not succeed",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument("run", type=plain_text, nargs="?", metavar="RUN", help="its name or ARN (the latest run)")
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of the result (text)")
    parser.add_argument("--assembly", metavar="DIR", help="cloud assembly to run (synthesized when sources changed)")
    add_place(parser)
    return {parser.prog: parser}


def _redrive(args: argparse.Namespace) -> int:
    if args.aws and args.assembly is not None:
        args.parser.error("--assembly can't be given with --aws, where the deployed stack runs")
    from hpc.redrive import redrive  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return redrive(args)
