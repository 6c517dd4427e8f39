"""`hpc redrive`, as a person types it."""

import argparse

from hpc.cli_command import Command, add_assembly, add_output, add_place, add_run_name
from hpc.fault_options import add_faults, check_faults


def _add_options(parser: argparse.ArgumentParser) -> None:
    add_run_name(parser)
    add_output(parser, "json", meaning="form of the result (text)")
    add_faults(parser)
    add_assembly(parser)
    add_place(parser)


REDRIVE = Command(
    name="redrive",
    function="hpc.redrive:redrive",
    summary="go on with a run that did not succeed, or is not complete",
    description="Go on with a run that failed, timed out or was stopped: batches that succeeded keep their\n"
    "results, the others are computed again. For a run that came to its end with failed items, a new\n"
    "run computes just those; its result is that of all items. Ctrl-C stops a local run and detaches\n"
    "from one on AWS.",
    examples=("hpc redrive", "hpc redrive run-20261122T041345-9c5dab --aws --output json"),
    add_options=_add_options,
    check=check_faults,
)
