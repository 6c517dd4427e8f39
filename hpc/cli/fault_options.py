"""`--faults`: the outage that a command rehearses on the server that it hosts, and what was said of one afterwards."""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.cli.arguments import read_text
from hpc.cli.command import option
from hpc.errors import NotStartedError
from hpc.json_objects import json_object
from hpc.terminal.console import say

if TYPE_CHECKING:
    from sfn_local.server import Rehearsal

FAULTS = option(
    "--faults",
    metavar="SPEC|@FILE",
    help="rehearse an outage on this machine, such as 'throttle Compute 5%%; crash Compute item=3; seed=7' "
    "(docs/explanation/failures.md has the kinds)",
)
# A line for each run that was rehearsed and for each fault, below the folder of the local server.
LOG = Path("logs", "faults.jsonl")


def check_faults(args: argparse.Namespace) -> None:
    """Exit, as argparse does, where the server is not one that the command hosts."""
    if args.faults is None:
        return
    if args.aws:
        args.parser.error("--faults can't be given with --aws: only the server on this machine makes faults")
    if getattr(args, "detach", False):
        args.parser.error("--faults can't be given with --detach: they end with the server that this command hosts")


def read_rehearsal(args: argparse.Namespace) -> "Rehearsal | None":
    """Return what ``--faults`` asks for.

    Raises
    ------
    NotStartedError
        If it is no fault spec, or the file can't be read.
    """
    if args.faults is None:
        return None
    from sfn_local.server import FaultSpec, FaultSpecError, Rehearsal  # noqa: PLC0415 - a run on AWS does without

    text = read_text(args.faults, "--faults")
    try:
        return Rehearsal(FaultSpec.parse(text))
    except FaultSpecError as error:
        raise NotStartedError(f"--faults: {error}") from error


@contextmanager
def announced(rehearsal: "Rehearsal | None") -> Iterator[None]:
    """Say that what has been started is a rehearsal, and at the end what was made to fail."""
    if rehearsal is None:
        yield
        return
    say(f"under faults, a rehearsal: {rehearsal.spec}")
    try:
        yield
    finally:
        say(f"faults that were made: {described(rehearsal.injected)}")
        for rule, count in zip(rehearsal.spec.rules, rehearsal.injected_by_rule(), strict=True):
            if not count:
                say(f"never applied: {rule}")


def described(injected: Mapping[str, int]) -> str:
    """Return counts by kind as a person reads them."""
    return ", ".join(f"{count:,} {kind}" for kind, count in injected.items())


def faults_of(folder: Path, execution_arn: str) -> dict[str, Any] | None:
    """Return the faults under which one execution ran, as ``read_faults`` does; None if it ran under none."""
    return read_faults(folder, naming=execution_arn).get(execution_arn)


def read_faults(folder: Path, *, naming: str = "") -> dict[str, dict[str, Any]]:
    """Return the faults under which executions ran on this machine, in all of their redrives, by ARN.

    Shape of each::

        {"specs": [{"seed": int, "rules": [...]}, ...], "injected": {<kind>: int, ...}}

    Parameters
    ----------
    naming
        Lines of the log that don't have this text are passed over.
    """
    specs: defaultdict[str, list[Any]] = defaultdict(list)
    injected: defaultdict[str, Counter[str]] = defaultdict(Counter)
    with suppress(FileNotFoundError), (folder / LOG).open(encoding="utf-8") as file:
        # A line that a kill has cut off is no object.
        for entry in (json_object(line) for line in file if naming in line):
            for arn in {entry[name] for name in ("run", "within") if name in entry}:
                if "spec" in entry:
                    specs[arn] += [] if entry["spec"] in specs[arn][-1:] else [entry["spec"]]
                    injected[arn].update({rule["kind"]: 0 for rule in entry["spec"]["rules"]})
                else:
                    injected[arn][entry["kind"]] += 1
    return {arn: {"specs": each, "injected": dict(injected[arn])} for arn, each in specs.items()}
