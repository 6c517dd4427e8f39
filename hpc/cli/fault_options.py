"""`--faults`: the outage that a command rehearses on the server that it hosts."""

import argparse

from hpc.cli.command import option

FAULTS = option(
    "--faults",
    metavar="SPEC|@FILE",
    help="rehearse an outage on this machine, such as 'throttle Compute 5%%; crash Compute item=3; seed=7' "
    "(docs/explanation/failures.md has the kinds)",
)


def check_faults(args: argparse.Namespace) -> None:
    """Exit, as argparse does, where the server is not one that the command hosts."""
    if args.faults is None:
        return
    if args.aws:
        args.parser.error("--faults can't be given with --aws: only the server on this machine makes faults")
    if getattr(args, "detach", False):
        args.parser.error("--faults can't be given with --detach: they end with the server that this command hosts")
