"""Commands that start executions, or go on with them: where they run, and what becomes of one on Ctrl-C."""

import argparse
import secrets
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hpc.errors import CommandError, LostRunError
from hpc.targets.client import Target, explained, named_stack
from hpc.targets.home import Home
from hpc.targets.synthesis import PIPELINE, Variant

if TYPE_CHECKING:
    from sfn_local.server import FaultInjector


def new_run_name(prefix: str = "run-") -> str:
    """Return a name that no execution has, and that tells when it was started."""
    # The end of a name stands for the name; one of digits only would be taken for the index of an item.
    end = f"{secrets.choice('abcdef')}{secrets.randbelow(16**5):05x}"
    return f"{prefix}{datetime.now(UTC):%Y%m%dT%H%M%S}-{end}"


def open_target(
    args: argparse.Namespace,
    home: Home,
    assembly: Path | str | None,
    *,
    variant: Variant = PIPELINE,
    overlay: Path | None = None,
    may_host: bool = True,
    faults: "FaultInjector | None" = None,
    is_short_lived: bool = False,
) -> AbstractContextManager[Target]:
    """Find the deployed stack that ``args`` names, or a local server as ``local_target`` does."""
    if args.aws:
        return nullcontext(named_stack(args, home))
    from hpc.targets.local import local_target  # noqa: PLC0415 - a run on AWS need not load the local server

    named = Path(assembly) if assembly else None
    return local_target(
        home, named, variant=variant, overlay=overlay, may_host=may_host, faults=faults, is_short_lived=is_short_lived
    )


def interrupted(target: Target, arn: str, args: argparse.Namespace) -> list[str]:
    """Stop a local execution, which would end with its server; say what became of it."""
    name = arn.rpartition(":")[2]
    if not target.is_local:
        return [f"detached: {name} goes on", *follow_up(target, arn, args)]
    try:
        with explained(LostRunError, f"stopping {name}"):
            target.stepfunctions.stop_execution(executionArn=arn, cause="stopped by the command that started it")
    except CommandError as error:
        return list(error.lines)
    return [f"stopped {name}"]


def follow_up(target: Target, arn: str, args: argparse.Namespace) -> list[str]:
    """Say how an execution that goes on is found again."""
    name = arn.rpartition(":")[2]
    if target.is_local:
        return [f"stop it with: hpc stop {name}"]
    stack = f" --stack-name {args.stack_name}" if args.stack_name else ""
    return [
        f"stop it with: hpc stop {name} --aws{stack}",
        f"follow it with: aws stepfunctions describe-execution --execution-arn {arn}",
    ]
