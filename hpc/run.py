"""`hpc run`: from the command line to a started execution, and from its end to a result on stdout."""

import argparse
import json
import secrets
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from hpc.arguments import execution_input
from hpc.client import Target, aws_target, explained
from hpc.console import emit, say
from hpc.errors import CommandError, ExitCode, LostRunError, NotStartedError, UnansweredError
from hpc.failures import read_failures
from hpc.home import Home
from hpc.progress import open_view
from hpc.render import render_failure, render_json, render_text
from hpc.synthesis import PIPELINE, WITH_JOBS
from hpc.uploads import check_items, check_source, upload_items, upload_source
from hpc.watch import Ended, Watch
from hpc.workload_file import read_workload_file

JOB_BACK_ENDS = ("batch", "batch_callback")
UNSUCCESSFUL_COUNTS = ("failed", "timedOut", "aborted")
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
                if target.guest_of is None or server_count == MAX_SERVERS:
                    raise
                # The command that hosted the server has ended.  What became of the run is on disk.
                command.assembly = Path(target.guest_of)


class RunCommand:
    """One call of ``hpc run``: what was asked for, and how far it is."""

    def __init__(self, args: argparse.Namespace) -> None:
        # What can be refused without a server is refused before there is one.
        self._items = check_items(args.items) if args.items is not None else None
        self._source = check_source(args.source) if args.source is not None else None
        given = json.loads(execution_input(args, None)) if args.input is not None else {"back_end": args.back_end}
        needs_jobs = isinstance(given, dict) and given.get("back_end") in JOB_BACK_ENDS
        self._variant = WITH_JOBS if needs_jobs else PIPELINE
        self.assembly = Path(args.assembly) if args.assembly else None
        self._args = args
        self._home = Home.from_environment()
        self._workload = read_workload_file(args.workload, self._home, on_aws=args.aws)
        self._name = f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        self._is_started = False

    def open_target(self) -> AbstractContextManager[Target]:
        if self._args.aws:
            return nullcontext(aws_target(self._args.stack_name or self._home.default_stack_name()))
        from hpc.local import local_target  # noqa: PLC0415 - a run on AWS need not load the local server

        overlay = self._workload.copy_to(self._home.create()) if self._workload is not None else None
        return local_target(
            self._home, self.assembly, variant=self._variant, overlay=overlay, may_host=not self._args.detach
        )

    def run_on(self, target: Target) -> int:
        """Start the run, unless it was started on another server, and see it to its end."""
        try:
            if not self._is_started:
                self._start(target)
            if self._args.detach:
                self._detach(target)
                return ExitCode.SUCCEEDED
            with open_view() as view:
                ended = Watch(target, target.execution_arn(self._name)).wait(view.show)
        except KeyboardInterrupt:
            if self._is_started:
                say(self._interrupted(target))
            raise
        self._report(target, ended)
        return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED

    def _start(self, target: Target) -> None:
        uploaded = self._args.source
        if self._items is not None:
            uploaded = upload_items(target, self._name, self._items)
        elif self._source is not None:
            uploaded = upload_source(target, self._name, self._source)
        with explained(NotStartedError, "the run was not started"):
            target.stepfunctions.start_execution(
                stateMachineArn=target.state_machine_arn,
                name=self._name,
                input=execution_input(self._args, uploaded),
            )
        self._is_started = True
        if not self._args.detach:
            say(f"started {self._name}")

    def _detach(self, target: Target) -> None:
        arn, results = target.execution_arn(self._name), self._results(target)
        started = {"status": "RUNNING", "execution_arn": arn, "results": results}
        emit(json.dumps(started) if self._args.output == "json" else arn, kept_in=results)
        say(self._follow_up(target))

    def _interrupted(self, target: Target) -> str:
        if not target.is_local:
            return f"detached: {self._name} goes on\n{self._follow_up(target)}"
        try:
            with explained(LostRunError, f"stopping {self._name}"):
                target.stepfunctions.stop_execution(
                    executionArn=target.execution_arn(self._name), cause="stopped by the command that started it"
                )
        except CommandError as error:
            return str(error)
        return f"stopped {self._name}"

    def _follow_up(self, target: Target) -> str:
        if target.is_local:
            return f"stop it with: hpc stop {self._name}"
        stack = f" --stack-name {self._args.stack_name}" if self._args.stack_name else ""
        return (
            f"stop it with: hpc stop {self._name} --aws{stack}\n"
            f"follow it with: aws stepfunctions describe-execution --execution-arn {target.execution_arn(self._name)}"
        )

    def _locate(self, target: Target, uri: str) -> str:
        return self._home.object_path(uri) if target.is_local else uri

    def _results(self, target: Target) -> str:
        return self._locate(target, f"s3://{target.bucket}/runs/{self._name}/")

    def _report(self, target: Target, ended: Ended) -> None:
        results = self._results(target)
        failed_batches = self._describe_failed_batches(target, ended)
        if ended.status != "SUCCEEDED":
            say(render_failure(ended))
        for line in failed_batches:
            say(line)
        if self._args.output == "json":
            emit(render_json(ended, results), kept_in=results)
        elif ended.status == "SUCCEEDED":
            lines = render_text(ended, results, lambda uri: self._locate(target, uri))
            emit("\n".join(lines), kept_in=results)
        else:
            say(f"results so far: {results}")

    def _describe_failed_batches(self, target: Target, ended: Ended) -> list[str]:
        if not ended.map_run or not any(ended.map_run["itemCounts"][name] for name in UNSUCCESSFUL_COUNTS):
            return []
        try:
            return read_failures(target, self._name, ended.map_run["mapRunArn"]).lines()
        except CommandError as error:
            if isinstance(error, UnansweredError) and target.guest_of is not None:
                raise
            # The run's own status is known and is what the command ends with.
            return [f"the failed batches can't be named: {error}"]
