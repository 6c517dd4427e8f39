"""`hpc run`: from the command line to a started execution, and from its end to a result on stdout."""

import argparse
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from hpc.commands.fault_injection import announced, read_fault_injector
from hpc.commands.follow import FollowedRun
from hpc.commands.inputs import execution_input, read_json
from hpc.commands.starting import new_run_name, open_target
from hpc.commands.uploads import check_items, check_source, upload_items, upload_source, upload_workload
from hpc.contract.back_ends import JOB_BACK_ENDS
from hpc.errors import ExitCode, NotStartedError, UnansweredError
from hpc.runs.find import UNKNOWN_CODES
from hpc.runs.memory_used import log_sizes, peaks_since, sharing_since, warnings
from hpc.runs.run_summary import write_note
from hpc.targets.client import Target, explained, has_code
from hpc.targets.home import Home
from hpc.targets.synthesis import PIPELINE, WITH_JOBS
from hpc.targets.workload_file import WorkloadFile, check_project_workload, check_workload, read_workload
from hpc.targets.workload_origins import note_origin
from hpc.targets.workload_package import WorkloadPackage
from hpc.terminal.console import say

if TYPE_CHECKING:
    from hpc.commands.budget import Budget

# Local servers that may end, one after the other, with the commands that hosted them.
MAX_SERVERS = 5


def run(args: argparse.Namespace) -> int:
    """Start an execution, follow it, print what came out."""
    command = RunCommand(args)
    server_count = 0
    while True:
        server_count += 1
        with command.open_target() as target:
            try:
                return command.run_on(target)
            except UnansweredError:
                if not target.is_guest or server_count == MAX_SERVERS:
                    raise
                # The command that hosted the server has ended.  What became of the run is on disk.
                command.assembly = Path(target.assembly)


class RunCommand:
    """One call of ``hpc run``: what was asked for, and how far it is."""

    def __init__(self, args: argparse.Namespace) -> None:
        # Everything that needs no server is checked before one starts.
        self._items = check_items(args.items) if args.items is not None else None
        self._source = check_source(args.source) if args.source is not None else None
        if args.input is not None:
            args.input = read_json(args.input, "--input")  # once: @FILE may be a pipe, or change
        given = json.loads(execution_input(args, None))
        needs_jobs = isinstance(given, dict) and given.get("back_end") in JOB_BACK_ENDS
        self._variant = WITH_JOBS if needs_jobs else PIPELINE
        self.assembly = Path(args.assembly) if args.assembly else None
        self._args = args
        self._home = Home.from_environment()
        if args.workload is not None and not args.aws:
            check_workload(args.workload, self._home, self.assembly)
            if self.assembly is None:
                check_project_workload(args.workload, self._home)
        self._workload = read_workload(args.workload, self._home, on_aws=args.aws)
        self._name = args.run_name or new_run_name()
        self._injector = read_fault_injector(args)
        self._is_started = False
        self._log_sizes: dict[Path, int] = {}
        self._budget: Budget | None = None

    def open_target(self) -> AbstractContextManager[Target]:
        file = self._workload
        overlay = file.copy_to(self._home.create()) if isinstance(file, WorkloadFile) else None
        return open_target(
            self._args,
            self._home,
            self.assembly,
            variant=self._variant,
            overlay=overlay,
            may_host=not self._args.detach,
            faults=self._injector,
        )

    def run_on(self, target: Target) -> int:
        """Start the run, unless it was started on another server, and see it to its end."""
        if not self._is_started:
            self._open_budget(target)
        followed = FollowedRun(target, self._home, self._name, self._args, self._budget)
        try:
            if not self._is_started:
                self._start(target)
            if self._args.detach:
                followed.detach()
                return ExitCode.SUCCEEDED
        except KeyboardInterrupt:
            if self._is_started:
                say(*followed.interrupted())
            raise
        with announced(self._injector):
            code = followed.follow()
        if target.is_local:
            logged, is_alone = (self._logs, self._log_sizes, self._name), not target.is_guest
            peaks = peaks_since(*logged, all_invocations=is_alone)
            for line in warnings(peaks, sharing_since(*logged, all_invocations=is_alone)):
                say(line)
        return code

    def _open_budget(self, target: Target) -> None:
        if self._args.max_usd is None:
            return
        from hpc.commands.budget import open_budget  # noqa: PLC0415 - only a run with a limit needs prices

        self._budget = open_budget(self._args, target, self._home)

    @property
    def _logs(self) -> Path:
        return self._home.folder / "logs"

    def _check_name(self, target: Target) -> None:
        """Refuse the name of another run before anything is uploaded in its place."""
        if self._args.run_name is None:
            return
        with explained(NotStartedError, f"looking for a run {self._name}"):
            try:
                target.stepfunctions.describe_execution(executionArn=target.execution_arn(self._name))
            except ClientError as error:
                if has_code(error, UNKNOWN_CODES):
                    return
                raise
        raise NotStartedError(f"--name {self._name} is the name of a run that there is: give another one")

    def _start(self, target: Target) -> None:
        self._log_sizes = log_sizes(self._logs) if target.is_local else {}
        self._check_name(target)
        if self._args.note is not None:
            with explained(NotStartedError, "keeping the note"):
                write_note(target, self._name, self._args.note)
        uploaded = self._args.source
        if self._items is not None:
            uploaded = upload_items(target, self._name, self._items)
        elif self._source is not None:
            uploaded = upload_source(target, self._name, self._source)
        package = self._workload if isinstance(self._workload, WorkloadPackage) else None
        if package is not None:
            upload_workload(target, package)
        if self._workload is not None:
            note_origin(self._home.create(), self._name, self._workload)
        with explained(NotStartedError, "the run was not started"):
            target.stepfunctions.start_execution(
                stateMachineArn=target.state_machine_arn,
                name=self._name,
                input=execution_input(
                    self._args,
                    uploaded,
                    self._budget.expected_usd if self._budget else None,
                    package.sha256 if package is not None else None,
                ),
            )
        self._is_started = True
        if not self._args.detach:
            say(f"started {self._name}")
