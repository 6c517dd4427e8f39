"""A rehearsal of an outage: from `--faults` to the server that this command hosts, and what is said of it."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hpc.commands.inputs import read_text
from hpc.errors import NotStartedError
from hpc.runs.faults import fault_counts_line
from hpc.terminal.console import say

if TYPE_CHECKING:
    from sfn_local.server import FaultInjector


def read_fault_injector(args: argparse.Namespace) -> "FaultInjector | None":
    """Return what ``--faults`` asks for.

    Raises
    ------
    NotStartedError
        If it is no fault spec, or the file can't be read.
    """
    if args.faults is None:
        return None
    from sfn_local.server import FaultInjector, FaultSpec, FaultSpecError  # noqa: PLC0415 - a run on AWS does without

    text = read_text(args.faults, "--faults")
    try:
        return FaultInjector(FaultSpec.parse(text))
    except FaultSpecError as error:
        raise NotStartedError(f"--faults: {error}") from error


@contextmanager
def announced(injector: "FaultInjector | None") -> Iterator[None]:
    """Say that what has been started is a rehearsal, and at the end what was made to fail."""
    if injector is None:
        yield
        return
    say(f"under faults, a rehearsal: {injector.spec}")
    try:
        yield
    finally:
        say(f"faults that were made: {fault_counts_line(injector.injected)}")
        for rule, count in zip(injector.spec.rules, injector.injected_by_rule(), strict=True):
            if not count:
                say(f"never applied: {rule}")
