"""The commands that start runs, go on with, stop and serve them, and those about the command itself."""

import argparse

from hpc.cli.arguments import batch_size, max_concurrency, note, number_within, plain_text, port, run_name
from hpc.cli.command import (
    ITEMS,
    PARAMS,
    PLACE,
    RUN_OR_LATEST,
    SIZE,
    Command,
    assembly,
    exactly_one,
    group,
    option,
    output,
)
from hpc.cli.fault_options import FAULTS, check_faults
from hpc.cli.planning import BUDGET, check_budget
from hpc.contract.back_ends import BACK_ENDS

SHELLS = ("bash", "zsh", "fish")
# Options of `hpc run` that are part of the execution input.
INPUT_PARTS = ("back_end", "workload", "params", "batch_size", "max_concurrency", "tolerated_failure_percentage")


def _check_redrive(args: argparse.Namespace) -> None:
    check_faults(args)
    if args.only_finish and (args.back_end is not None or args.batch_size is not None):
        args.parser.error("--only-finish computes no item: leave out --back-end and --batch-size")


def _check_run(args: argparse.Namespace) -> None:
    check_budget(args)
    check_faults(args)
    beside = [f"--{part.replace('_', '-')}" for part in INPUT_PARTS if getattr(args, part) is not None]
    if args.input is not None and beside:
        args.parser.error(f"--input is the whole execution input: give {', '.join(beside)} in it, not beside it")


RUN = Command(
    name="run",
    function="hpc.commands.run:run",
    computes=True,
    summary="run a computation and print its result",
    description="Run a computation and print its result on stdout; progress and errors go to stderr.\n"
    "Without --aws it runs on this machine: the synthesized state machine, served on\n"
    "loopback, with the real handlers. Ctrl-C stops a local run and detaches from one on AWS.",
    examples=(
        "hpc run --size 1024",
        "hpc run --size 64 --workload squares --batch-size 8 --output json",
        "hpc run --items grid.csv --workload my_model.py --tolerated-failure-percentage 5",
        "hpc run --input @input.json",
        "hpc run --size 1024 --aws --detach",
        "hpc run --size 64 --workload squares --batch-size 8 --faults 'throttle Compute 5%; seed=7'",
    ),
    options=(
        exactly_one(
            "what to compute",
            SIZE,
            ITEMS,
            option("--source", metavar="DIR", help="one item a file below DIR, or an object below s3://bucket/prefix"),
            option(
                "--input",
                metavar="JSON|@FILE",
                help="the whole execution input, in place of the options below that are part of it",
            ),
        ),
        group(
            "how to compute it (part of the execution input)",
            option(
                "--workload",
                type=plain_text,
                metavar="NAME|PATH",
                help="one of lambdas/workloads (utf8_keys), or a file or folder, which travels with the run",
            ),
            option("--back-end", choices=BACK_ENDS, help="back end: AWS Lambda, or jobs of AWS Batch (lambda)"),
            PARAMS,
            option(
                "--batch-size",
                type=batch_size,
                metavar="N",
                help="items of one child execution (by their number)",
            ),
            option(
                "--max-concurrency",
                type=max_concurrency,
                metavar="N",
                help="child executions at a time, up to 10,000 (hpc:max_concurrency)",
            ),
            option(
                "--tolerated-failure-percentage",
                type=number_within(0, 100),
                metavar="P",
                help="items that may fail, 0 to 100 (0)",
            ),
        ),
        output("json", meaning="the result"),
        option(
            "--name",
            dest="run_name",
            type=run_name,
            metavar="NAME",
            help="the run's name (run-, its start and six digits)",
        ),
        option("--note", type=note, metavar="TEXT", help="shown by hpc runs"),
        option("--detach", action="store_true", help="start the run, print its ARN and leave it running"),
        BUDGET,
        FAULTS,
        assembly(),
        *PLACE,
    ),
    check=_check_run,
)

ORCHESTRATE = Command(
    name="orchestrate",
    function="hpc.commands.orchestrate:orchestrate",
    computes=True,
    summary="compute entries on every back end and compare",
    description="Compute entries on every back end - AWS Lambda, an array job and a job with a task token on\n"
    "AWS Batch - with nested state machines, and print each entry's three totals, which must agree.\n"
    "An entry that fails ends the orchestration; the first line is its error.",
    examples=(
        """hpc orchestrate --entries '[{"name": "invoke1"}, {"name": "invoke2", "size": 64}]'""",
        "hpc orchestrate --entries @entries.json --output json",
    ),
    options=(
        option(
            "--entries",
            required=True,
            metavar="JSON|@FILE",
            help='list of {"name", "size"?, "workload"?, "params"?, "fail"?}, also as {"input": {"entries": [...]}}',
        ),
        output("json", meaning="the result"),
        FAULTS,
        assembly(),
        *PLACE,
    ),
    check=check_faults,
)

REDRIVE = Command(
    name="redrive",
    function="hpc.commands.redrive:redrive",
    computes=True,
    summary="continue a run that did not succeed, or is not complete",
    description="Continue a run that failed, timed out or was stopped. Batches that succeeded keep their results;\n"
    "the others are computed again. If a run ended with failed items, or with --back-end or\n"
    "--batch-size, a new run computes the items without a result, and its result is that of all items.\n"
    "Ctrl-C stops a local run and detaches from a run on AWS. If the workload's file has changed, a\n"
    "redrive needs --workload or --only-finish, and the answer then has code_versions.",
    examples=(
        "hpc redrive",
        "hpc redrive run-20261122T041345-9c5dab --aws --output json",
        "hpc redrive --workload my_model.py",
        "hpc redrive --only-finish",
        "hpc redrive --back-end batch",
    ),
    options=(
        RUN_OR_LATEST,
        option(
            "--workload",
            type=plain_text,
            metavar="NAME|FILE.py",
            help="compute the items without a result with the workload's present file",
        ),
        option(
            "--only-finish",
            action="store_true",
            help="compute no item: run combine and finish again with the workload's present file",
        ),
        option("--back-end", choices=BACK_ENDS, help="back end for the items without a result (as before)"),
        option("--batch-size", type=batch_size, metavar="N", help="items of one child execution (as before)"),
        output("json", meaning="the result"),
        FAULTS,
        assembly(),
        *PLACE,
    ),
    check=_check_redrive,
)

STOP = Command(
    name="stop",
    function="hpc.commands.stop:stop",
    summary="stop a run",
    description="Stop a run, whether or not another command follows it.",
    examples=("hpc stop run-20261122T041345-9c5dab", "hpc stop run-20261122T041345-9c5dab --aws"),
    options=(option("run", type=plain_text, metavar="RUN", help="its name, the end of it, ARN, or latest"), *PLACE),
)

NEW = Command(
    name="new",
    function="hpc.commands.new:new",
    summary="write a workload to start from",
    description="Write NAME.py, a small workload with comments, and its test test_NAME.py into this folder.\n"
    "Nothing is overwritten.",
    examples=("hpc new my_model", "hpc run --size 100 --workload my_model.py"),
    options=(option("workload_name", type=plain_text, metavar="NAME", help="like my_model: a-z, 0-9 and _"),),
)

ADD = Command(
    name="add",
    function="hpc.commands.add:add",
    summary="add packages for workloads",
    description="Add packages to lambdas/requirements.txt of a checkout, and to this Python environment. They are\n"
    "resolved for the functions' Python and processor (hpc:python, hpc:architecture of cdk.json) and\n"
    "pinned with what they bring along. Runs on this machine and on AWS have the same versions.",
    examples=("hpc add scipy pandas", "hpc add scipy==1.16.0"),
    options=(
        option("packages", type=plain_text, nargs="+", metavar="PACKAGE", help="like scipy, scipy==1.16.0, 'scipy<2'"),
    ),
)

SERVE = Command(
    name="serve",
    function="hpc.commands.serve:serve",
    computes=True,
    summary="keep a local server running",
    description="Serve the synthesized stack on loopback until Ctrl-C: AWS Step Functions, S3 and AWS Batch,\n"
    "for hpc run, the AWS CLI and any SDK. stdout shows the variables with which a shell reaches the\n"
    "server, its key included.",
    examples=(
        "hpc serve --port 4599",
        "hpc serve --exports exports.sh",
        ". ./exports.sh; aws stepfunctions list-state-machines   (in another terminal)",
    ),
    options=(
        option(
            "--exports",
            type=plain_text,
            metavar="FILE",
            help="write them to FILE, which only this user can read; the server removes FILE when it ends",
        ),
        option("--port", type=port, default=0, metavar="P", help="port on 127.0.0.1 (any that is free)"),
        assembly("serve"),
    ),
)

COMPLETION = Command(
    name="completion",
    function="hpc.cli.completion:completion",
    summary="print the completion script of a shell",
    description="Print a script that makes a shell complete commands, options, names of workloads and of this\n"
    'machine\'s runs. In .bashrc: eval "$(hpc completion bash)"; in .zshrc the same with zsh, after\n'
    "compinit; in config.fish: hpc completion fish | source.",
    examples=("hpc completion bash", "hpc completion fish > ~/.config/fish/completions/hpc.fish"),
    options=(option("shell", choices=SHELLS, help="shell of the script"),),
)
