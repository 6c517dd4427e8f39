"""`hpc plan` as a person types it, and the options of `hpc run` that go by an estimate."""

import argparse

from hpc.cli.arguments import integer, number, number_within, plain_text
from hpc.cli.command import ITEMS, PARAMS, SIZE, Command, assembly, exactly_one, group, option, output
from hpc.planning.ranges import Range
from hpc.terminal.printable import shorten


def check_plan_options(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect."""
    if args.sample is not None:
        if args.longest_seconds is not None:
            args.parser.error("--longest-seconds can't be given with --sample, which measures it")
        return
    unused = [name for name in ("workload", "params", "assembly") if getattr(args, name) is not None]
    if unused:
        args.parser.error(f"{', '.join(f'--{name}' for name in unused)} can be given with --sample only")


def check_budget(args: argparse.Namespace) -> None:
    """Refuse a limit that nobody would hold, and times without one."""
    if args.max_usd is None:
        if args.seconds is not None:
            args.parser.error("--seconds needs --max-usd")
        return
    if not args.aws:
        args.parser.error("--max-usd needs --aws: a run on this machine costs nothing")
    if args.detach:
        args.parser.error("--max-usd can't be given with --detach: the command that follows a run stops it")


def seconds_range(text: str) -> Range:
    """Read ``S`` or ``LOW:S:HIGH``."""
    values = [float(number(part)) for part in text.split(":")]
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or not 0 <= values[0] <= values[1] <= values[2] <= 1e9:
        raise argparse.ArgumentTypeError(
            f"must be S or LOW:S:HIGH, which rises, from 0 to 1,000,000,000, got '{shorten(text)}'"
        )
    return Range(*values)


BUDGET = group(
    "with --aws, what it may cost",
    option(
        "--max-usd",
        type=number_within(0, 1_000_000),
        metavar="X",
        help="refuse to start if the estimate exceeds X dollars; stop the run when about X is spent",
    ),
    option("--seconds", type=seconds_range, metavar="S|LOW:S:HIGH", help="time of an item, for this estimate"),
)

PLAN = Command(
    name="plan",
    function="hpc.commands.plan:plan",
    summary="estimate the cost and time of a run on AWS",
    description="Estimate the cost and the time of an input on AWS for several designs and batch sizes, and\n"
    "recommend one. The command starts nothing on AWS and needs no account. Times are those of one\n"
    "item on one vCPU; --sample measures them on this machine.",
    examples=(
        "hpc plan --size 100000 --seconds 0.2",
        "hpc plan --size 1024 --seconds 50:113:150 --longest-seconds 600 --memory-mib 1024",
        "hpc plan --items grid.csv --workload my_model.py --sample 20 --output json",
    ),
    options=(
        exactly_one("what to compute", SIZE, ITEMS),
        exactly_one(
            "how long an item takes",
            option("--seconds", type=seconds_range, metavar="S|LOW:S:HIGH", help="seconds on one vCPU, on average"),
            option("--sample", type=integer, metavar="K", help="run K of the items on this machine and measure them"),
        ),
        option("--longest-seconds", type=number, metavar="S", help="time of the slowest item (as --seconds)"),
        option(
            "--memory-mib", type=integer, metavar="M", help="memory that an item needs (1024, or as --sample finds)"
        ),
        option(
            "--result-bytes",
            type=number,
            default=0,
            metavar="B",
            help="size of an item's result, if results are collected (0: combined)",
        ),
        group(
            "with --sample",
            option("--workload", type=plain_text, metavar="NAME", help="module of lambdas/workloads, or a file"),
            PARAMS,
            assembly(),
        ),
        group(
            "the design and the account",
            option("--batch-size", type=integer, metavar="N", help="items of one child execution (several)"),
            option(
                "--max-concurrency", type=integer, default=500, metavar="N", help="child executions at a time (500)"
            ),
            option(
                "--architecture",
                choices=("arm64", "x86_64"),
                default="arm64",
                help="processor of Compute and of jobs (arm64)",
            ),
            option("--lambda-concurrency", type=integer, default=1_000, metavar="N", help="the account's quota (1000)"),
            option("--fargate-vcpus", type=number, default=6, metavar="N", help="the account's quota (6)"),
            option(
                "--region",
                type=plain_text,
                default="us-east-1",
                metavar="NAME",
                help="Region of the prices (us-east-1)",
            ),
            option(
                "--usd-per-hour",
                type=number,
                default=1,
                metavar="X",
                help="dollars that an hour of waiting counts as (1)",
            ),
        ),
        output("json", meaning="the plan"),
    ),
    check=check_plan_options,
)
