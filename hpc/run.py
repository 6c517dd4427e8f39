"""`hpc run`: from the command line to a started execution, and from its end to a result on stdout."""

import argparse
import json
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from hpc.arguments import execution_input
from hpc.client import Target, aws_target, explained
from hpc.console import emit, say
from hpc.errors import CommandError, ExitCode, LostRunError, NotStartedError
from hpc.failures import read_failures
from hpc.home import Home
from hpc.progress import open_view
from hpc.render import render_failure, render_json, render_text
from hpc.uploads import check_items, check_source, upload_items, upload_source
from hpc.watch import Ended, Watch

UNSUCCESSFUL_COUNTS = ("failed", "timedOut", "aborted")


def run(args: argparse.Namespace) -> int:
    """Start an execution, follow it, print what came out."""
    # What can be refused without a server is refused before there is one.
    items = check_items(args.items) if args.items is not None else None
    source = check_source(args.source) if args.source is not None else None
    if args.input is not None:
        execution_input(args, None)
    home = Home.from_environment()
    name = f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    with _open_target(args, home) as target:
        locate: Callable[[str], str] = home.object_path if target.is_local else str
        results = locate(f"s3://{target.bucket}/runs/{name}/")
        uploaded = _upload(target, name, items, source, args.source)
        arn = _start(target, name, execution_input(args, uploaded))
        if args.detach:
            started = {"status": "RUNNING", "execution_arn": arn, "results": results}
            emit(json.dumps(started) if args.output == "json" else arn, kept_in=results)
            say(_follow_up(args, target, name))
            return ExitCode.SUCCEEDED
        ended = _follow(args, target, name, arn)
        _report(args, target, ended, results, locate)
    return ExitCode.SUCCEEDED if ended.status == "SUCCEEDED" else ExitCode.FAILED


def _open_target(args: argparse.Namespace, home: Home) -> AbstractContextManager[Target]:
    if args.aws:
        return nullcontext(aws_target(args.stack_name or home.default_stack_name()))
    from hpc.local import local_target  # noqa: PLC0415 - a run on AWS need not load the local server

    return local_target(home, Path(args.assembly) if args.assembly else None, may_host=not args.detach)


def _upload(target: Target, name: str, items: Path | None, source: Path | None, named_source: str | None) -> str | None:
    if items is not None:
        return upload_items(target, name, items)
    return upload_source(target, name, source) if source is not None else named_source


def _start(target: Target, name: str, input_text: str) -> str:
    with explained(NotStartedError, "the run was not started"):
        answer = target.stepfunctions.start_execution(
            stateMachineArn=target.state_machine_arn, name=name, input=input_text
        )
    return str(answer["executionArn"])


def _follow(args: argparse.Namespace, target: Target, name: str, arn: str) -> Ended:
    try:
        say(f"started {name}")
        with open_view() as view:
            return Watch(target, arn).wait(view.show)
    except KeyboardInterrupt:
        say(_interrupted(args, target, name, arn))
        raise


def _interrupted(args: argparse.Namespace, target: Target, name: str, arn: str) -> str:
    if not target.is_local:
        return f"detached: {name} goes on\n{_follow_up(args, target, name)}"
    try:
        with explained(LostRunError, f"stopping {name}"):
            target.stepfunctions.stop_execution(executionArn=arn, cause="stopped by the command that started it")
    except CommandError as error:
        return str(error)
    return f"stopped {name}"


def _follow_up(args: argparse.Namespace, target: Target, name: str) -> str:
    if target.is_local:
        return f"stop it with: hpc stop {name}"
    stack = f" --stack-name {args.stack_name}" if args.stack_name else ""
    arn = target.execution_arn(name)
    return (
        f"stop it with: hpc stop {name} --aws{stack}\nfollow it with: aws stepfunctions describe-execution "
        f"--execution-arn {arn}"
    )


def _report(args: argparse.Namespace, target: Target, ended: Ended, results: str, locate: Callable[[str], str]) -> None:
    if ended.status != "SUCCEEDED":
        say(render_failure(ended))
    _report_failed_batches(target, ended)
    if args.output == "json":
        emit(render_json(ended, results), kept_in=results)
    elif ended.status == "SUCCEEDED":
        emit("\n".join(render_text(ended, results, locate)), kept_in=results)
    else:
        say(f"results so far: {results}")


def _report_failed_batches(target: Target, ended: Ended) -> None:
    if not ended.map_run or not any(ended.map_run["itemCounts"][name] for name in UNSUCCESSFUL_COUNTS):
        return
    try:
        lines = read_failures(target, ended.execution["name"], ended.map_run["mapRunArn"]).lines()
    except CommandError as error:
        # The run's own status is known and is what the command ends with.
        lines = [f"the failed batches can't be named: {error}"]
    say("\n".join(lines))
