"""Commands that only look: which stack they look at, and which of its runs."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from hpc.arguments import shorten
from hpc.client import Target, aws_target, explained
from hpc.errors import LostRunError, NotStartedError
from hpc.home import Home

MISSING_CODES = {"NoSuchKey", "404", "AccessDenied", "403"}


@dataclass(frozen=True)
class Run:
    """One execution of the state machine, which may be over.

    Attributes
    ----------
    folder : str or None
        Of its files below ``runs/``, where that is not its name: SyncNested has a folder for each of its jobs.
    """

    target: Target
    arn: str
    folder: str | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @cached_property
    def settings(self) -> dict[str, Any] | None:
        """What Start wrote to run.json, or None if Start has not come so far.

        Raises
        ------
        LostRunError
            If it can't be read.
        """
        body = self.read("run.json")
        return None if body is None else dict(json.loads(body))

    def key(self, file: str) -> str:
        return f"runs/{self.folder or self.name}/{file}"

    def read(self, file: str) -> bytes | None:
        """Return a small file of the run, or None if there is none."""
        with explained(LostRunError, f"reading {file}"):
            try:
                answer = self.target.s3.get_object(Bucket=self.target.bucket, Key=self.key(file))
            except ClientError as error:
                if error.response["Error"].get("Code") in MISSING_CODES:
                    return None
                raise
            return bytes(answer["Body"].read())

    def definition(self) -> dict[str, Any]:
        """Return the state machine as it was when the run started."""
        with explained(LostRunError, "asking for the definition"):
            answer = self.target.stepfunctions.describe_state_machine_for_execution(executionArn=self.arn)
        return dict(json.loads(answer["definition"]))


@contextmanager
def open_run(args: argparse.Namespace) -> Iterator[Run]:
    """Find the run that ``args.run`` names, or the latest one.

    Raises
    ------
    NotStartedError
        If there is no such run.
    """
    with open_stack(args) as target:
        yield Run(target, find_run(target, args.run))


def find_run(target: Target, named: str | None) -> str:
    """Return the ARN of a run that is named, by name or ARN, or of the latest one."""
    own = target.execution_arn("")
    if named is None:
        latest = _latest(target)
        if latest is None:
            raise NotStartedError("there is no run yet: hpc run starts one")
        return str(latest["executionArn"])
    if named.startswith("arn:") and not named.startswith(own):
        raise NotStartedError(f"RUN must be a name or an ARN that starts with {own}, got {shorten(named, 200)}")
    arn = named if named.startswith("arn:") else own + named
    with explained(NotStartedError, f"looking for the run {shorten(named)}"):
        target.stepfunctions.describe_execution(executionArn=arn)
    return arn


@contextmanager
def open_stack(args: argparse.Namespace) -> Iterator[Target]:
    """Find the stack: deployed, or of the local server, which is hosted for the time of the command if there is none.

    Raises
    ------
    NotStartedError
        If there is no such stack, or nothing ran on this machine yet.
    """
    home = Home.from_environment()
    if args.aws:
        yield aws_target(args.stack_name or home.default_stack_name())
        return
    from hpc.local import looking_target  # noqa: PLC0415 - a look at AWS need not load the local server

    with looking_target(home) as target:
        yield target


def _latest(target: Target) -> dict[str, Any] | None:
    with explained(NotStartedError, "looking for the latest run"):
        answer = target.stepfunctions.list_executions(stateMachineArn=target.state_machine_arn, maxResults=1)
    return next(iter(answer["executions"]), None)
