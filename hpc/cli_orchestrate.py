"""Arguments of `hpc orchestrate`, which is imported when it is called."""

import argparse
from collections.abc import Callable

from hpc.cli_looking import AddCommand

DESCRIPTION = """\
Compute entries on every back end - AWS Lambda, an array job and a job with a task token on
AWS Batch - with nested state machines, and print each entry's three totals, which must agree.
An entry that fails ends all of it: its error is the first line.
"""
EXAMPLES = """\
examples:
  hpc orchestrate --entries '[{"name": "invoke1"}, {"name": "invoke2", "size": 64}]'
  hpc orchestrate --entries @entries.json --output json

"""


def add_orchestrate(add: AddCommand, add_place: Callable[[argparse.ArgumentParser], None]) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    parser = add(
        "orchestrate",
        _orchestrate,
        summary="compute entries on every back end and compare",
        description=DESCRIPTION,
        examples=EXAMPLES,
    )
    parser.add_argument(
        "--entries",
        required=True,
        metavar="JSON|@FILE",
        help='list of {"name", "size"?, "workload"?, "params"?, "fail"?}, also as {"input": {"entries": [...]}}',
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="form of the result (text)")
    parser.add_argument("--assembly", metavar="DIR", help="cloud assembly to run (synthesized when sources changed)")
    add_place(parser)
    return parser


def _orchestrate(args: argparse.Namespace) -> int:
    if args.aws and args.assembly is not None:
        args.parser.error("--assembly can't be given with --aws, where the deployed stack runs")
    from hpc.orchestrate import orchestrate  # noqa: PLC0415 - boto3 takes half a second that --help need not wait for

    return orchestrate(args)
