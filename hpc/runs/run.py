"""One run: its settings, its files and its definition."""

import json
from dataclasses import dataclass
from functools import cached_property
from types import UnionType
from typing import Any

from botocore.exceptions import ClientError

from hpc.contract.keys import run_key
from hpc.errors import LostRunError
from hpc.runs.faults import faults_of
from hpc.runs.result_files import intact
from hpc.runs.stored_definition import parse_definition
from hpc.targets.client import MISSING_CODES, Target, explained, has_code
from hpc.targets.home import Home

# Fields of run.json that every command needs.
NEEDED_SETTINGS: dict[str, type | UnionType] = {
    "workload": str,
    "workload_sha256": str,
    "params": dict,
    "tolerated_failure_percentage": int | float,
}


@dataclass(frozen=True)
class Run:
    """One execution of the state machine, which may be over.

    Attributes
    ----------
    folder : str or None
        Folder of its files below ``runs/`` if it differs from the name: SyncNested has a folder for each of its jobs.
    """

    target: Target
    arn: str
    folder: str | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def is_of_pipeline(self) -> bool:
        """Whether it has items; ComplexOrchestrator and what that starts have none of their own."""
        return self.arn.startswith(self.target.execution_arn(""))

    @cached_property
    def settings(self) -> dict[str, Any] | None:
        """Settings that Start wrote to run.json, None before Start has written it.

        Raises
        ------
        LostRunError
            If it can't be read.
        """
        body = self.read("run.json")
        if body is None:
            return None
        with intact(self.target, self.key("run.json")):
            settings = dict(json.loads(body))
            for key, kind in NEEDED_SETTINGS.items():
                if not isinstance(settings[key], kind):
                    raise TypeError(f"{key} is {settings[key]!r:.100}")
        return settings

    @property
    def faults(self) -> dict[str, Any] | None:
        """The faults that it was rehearsed with, as :func:`hpc.runs.faults.faults_of` returns them."""
        return faults_of(Home.from_environment().folder, self.arn) if self.target.is_local else None

    def key(self, file: str) -> str:
        return run_key(self.folder or self.name, file)

    def read(self, file: str) -> bytes | None:
        """Return a small file of the run, or None if there is none."""
        with explained(LostRunError, f"reading {file}"):
            try:
                answer = self.target.s3.get_object(Bucket=self.target.bucket, Key=self.key(file))
            except ClientError as error:
                if has_code(error, MISSING_CODES):
                    return None
                raise
            return bytes(answer["Body"].read())

    def has(self, file: str) -> bool:
        """Whether there is such a file of the run; raises botocore's errors."""
        listed = self.target.s3.list_objects_v2(Bucket=self.target.bucket, Prefix=self.key(file), MaxKeys=1)
        return bool(listed.get("KeyCount"))

    def definition(self) -> dict[str, Any]:
        """Return the state machine as it was when the run started.

        Raises
        ------
        LostRunError
            If it can't be had, or is damaged.
        """
        with explained(LostRunError, "asking for the definition"):
            answer = self.target.stepfunctions.describe_state_machine_for_execution(executionArn=self.arn)
        try:
            return parse_definition(answer["definition"])
        except ValueError as error:
            raise LostRunError(f"the definition that {self.name} was started with is damaged: {error}") from None
