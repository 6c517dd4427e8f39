"""Finds the stack and the run that a command names."""

import argparse
import heapq
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from hpc.errors import NotStartedError, UnansweredError
from hpc.runs.children import PAGE
from hpc.runs.run import Run
from hpc.runs.watch import SETTLING_PAUSE_SECONDS, SETTLING_SECONDS
from hpc.targets.client import Target, execution_arn, explained, has_code, named_stack
from hpc.targets.home import Home
from hpc.terminal.printable import shorten

# The result of a read-only command; for a command without output, its exit code.
Found = TypeVar("Found")
Look = Callable[[argparse.Namespace], Found]
# Page size of ListExecutions if few executions are wanted: one page of this size mostly has them.
SMALLEST_PAGE = 20
LATEST = (None, "latest")
# Names of the runs with which hpc plan measures begin with this.
SAMPLE_PREFIX = "plan-"
# Most such runs that may have started since the latest other run.
MAX_SAMPLES = 100
# The end of a name is looked for among this many executions, the latest first, and needs this many characters.
SEARCHED_EXECUTIONS = 1_000
SHORTEST_SUFFIX = 3
SHOWN_NAMES = 5
UNKNOWN_CODES = {"ExecutionDoesNotExist", "StateMachineDoesNotExist"}
# Source: "Start a new workflow from a running execution", Step Functions Developer Guide.
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
# The moment in a name that ``hpc run`` made.
STARTED_AT = re.compile(r"-([0-9]{8}T[0-9]{6})-[0-9a-f]{6}$")
MACHINE = re.compile(r"arn:[\w-]+:states:[\w-]+:\d+:stateMachine:[\w-]+")


def retry_if_server_gone(look: Look[Found]) -> Look[Found]:
    """Make a command that looks do so once more where the local server that it asked ends meanwhile.

    Such a server ends with the command that hosts it: what became of the runs is on disk.
    """

    @wraps(look)
    def look_twice(args: argparse.Namespace) -> Found:
        try:
            return look(args)
        except UnansweredError:
            if args.aws:
                raise
            return look(args)

    return look_twice


@contextmanager
def open_run(args: argparse.Namespace, *, has_items: bool = False, is_short_lived: bool = True) -> Iterator[Run]:
    """Find the execution that ``args.run`` names, or the latest one.

    Parameters
    ----------
    has_items
        Whether only one of MapReduce will do.
    is_short_lived
        Whether the command only looks, so that others do better to wait for its end than to use its server.

    Raises
    ------
    NotStartedError
        If there is no such execution.
    """
    with open_stack(args, is_short_lived=is_short_lived) as target:
        run = Run(target, find_run(target, args.run) if has_items else find_execution(target, args.run))
        args.run = run.arn  # for a second look, also where a later one has become the latest
        yield run


def find_run(target: Target, named: str | None) -> str:
    """Return the ARN of a run of MapReduce that is named, by name or ARN, or of the latest one.

    Raises
    ------
    NotStartedError
        If there is no such run, or it is an execution of another state machine.
    """
    if named in LATEST:
        return _latest(target, target.state_machine_arn)
    assert named is not None
    arn = find_execution(target, named)
    if not Run(target, arn).is_of_pipeline:
        raise NotStartedError(
            f"{shorten(named, 200)} is an execution of {_machine_of(arn)}, which has no items of its own: "
            "RUN must be a run that hpc run or an entry of an orchestrator started (hpc runs)"
        )
    return arn


def find_execution(target: Target, named: str | None) -> str:
    """Return the ARN of an execution of the stack's machines: by name or ARN, or the latest that a person started.

    On AWS one that was started a moment ago, which its name tells, may not be known yet: it is looked for again.

    Raises
    ------
    NotStartedError
        If there is none.
    """
    if named in LATEST:
        return _outermost(target, _latest(target, *target.machine_arns))
    assert named is not None
    with explained(NotStartedError, f"looking for the run {shorten(named, 200)}"):
        while True:
            arn = _named(target, named) or _ending_in(target, named)
            if arn is not None:
                return arn
            if target.is_local or not was_started_just_now(named):
                break
            time.sleep(SETTLING_PAUSE_SECONDS)
    machines = ", ".join(machine.rpartition(":")[2] for machine in target.machine_arns)
    raise NotStartedError(
        f"RUN must be latest, or the name, its unique end, or the ARN of an execution of {machines}, "
        f"got {shorten(named, 200)}: see hpc runs"
    )


def _named(target: Target, named: str) -> str | None:
    """Return the ARN of the execution that has a name or ARN, None if there is none."""
    if named.startswith("arn:"):
        known = any(named.startswith(execution_arn(machine, "")) for machine in _stack_machines(target))
        candidates = [named] if known else []
    else:
        candidates = [execution_arn(machine, named) for machine in target.machine_arns]
    for arn in candidates:
        try:
            target.stepfunctions.describe_execution(executionArn=arn)
        except ClientError as error:
            if not has_code(error, UNKNOWN_CODES):
                raise
            continue
        return arn
    return None


def was_started_just_now(named: str) -> bool:
    """Whether a name, or the ARN with it, tells that its execution was started within the last half minute."""
    match = STARTED_AT.search(named)
    if match is None:
        return False
    try:
        started = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs((datetime.now(UTC) - started).total_seconds()) < SETTLING_SECONDS


def _ending_in(target: Target, suffix: str) -> str | None:
    """Return the ARN of the one execution among the latest whose name ends in a text, None if there is none.

    Raises
    ------
    NotStartedError
        If there are several.
    """
    if len(suffix) < SHORTEST_SUFFIX or suffix.startswith("arn:"):
        return None
    listed = list_executions(target, target.machine_arns, limit=SEARCHED_EXECUTIONS)
    found = {execution["name"]: str(execution["executionArn"]) for execution in listed}
    names = [name for name in found if name.endswith(suffix)]
    if len(names) > 1:
        raise NotStartedError(f"RUN must name one run, {len(names)} end in {suffix}: {', '.join(names[:SHOWN_NAMES])}")
    return found[names[0]] if names else None


def _stack_machines(target: Target) -> Iterator[str]:
    """Yield the ARNs of the state machines that a person starts, then of those that their definitions start."""
    found = list(target.machine_arns)
    for machine in found:  # which grows
        yield machine
        definition = target.stepfunctions.describe_state_machine(stateMachineArn=machine)["definition"]
        found += [each for each in dict.fromkeys(MACHINE.findall(definition)) if each not in found]


def _machine_of(execution: str) -> str:
    """Return the name of an execution's state machine."""
    return execution.split(":")[-2]


@contextmanager
def open_stack(args: argparse.Namespace, *, is_short_lived: bool = True) -> Iterator[Target]:
    """Find the stack: deployed, or of the local server, which is hosted for the time of the command if there is none.

    Raises
    ------
    NotStartedError
        If there is no such stack, or nothing ran on this machine yet.
    """
    home = Home.from_environment()
    if args.aws:
        yield named_stack(args, home)
        return
    from hpc.targets.looking import looking_target  # noqa: PLC0415 - a look at AWS need not load the local server

    with looking_target(home, is_short_lived=is_short_lived) as target:
        yield target


def list_executions(
    target: Target, machines: Sequence[str], *, limit: int, status: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the executions of state machines that started last, the latest first, as ListExecutions describes them.

    ListExecutions has them in another order: those that run by their start or redrive, those that ended by their end.
    """
    given = {"statusFilter": status} if status is not None else {}
    paginator = target.stepfunctions.get_paginator("list_executions")
    listed = (
        paginator.paginate(
            stateMachineArn=machine, PaginationConfig={"PageSize": min(max(limit, SMALLEST_PAGE), PAGE)}, **given
        )
        for machine in machines
    )
    each = [by_start(one for page in pages for one in page["executions"]) for pages in listed]
    return islice(heapq.merge(*each, key=lambda execution: execution["startDate"], reverse=True), limit)


def by_start(listed: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield executions, which are in the order of ListExecutions, by their start, the latest first, as soon as can be.

    Each stands there by the last that it did, to start, to be redriven or to end: what follows was started no later.
    """
    waiting: list[tuple[float, int, dict[str, Any]]] = []
    for number, execution in enumerate(listed):
        heapq.heappush(waiting, (-execution["startDate"].timestamp(), number, execution))
        moment = execution.get("stopDate") or execution.get("redriveDate") or execution["startDate"]
        while waiting and waiting[0][-1]["startDate"] >= moment:
            yield heapq.heappop(waiting)[-1]
    while waiting:
        yield heapq.heappop(waiting)[-1]


def _latest(target: Target, *machines: str) -> str:
    with explained(NotStartedError, "looking for the latest run"):
        listed = list_executions(target, machines, limit=MAX_SAMPLES)
        latest = next((each for each in listed if not each["name"].startswith(SAMPLE_PREFIX)), None)
    if latest is None:
        raise NotStartedError("there is no run yet: hpc run starts one")
    return str(latest["executionArn"])


def _outermost(target: Target, arn: str) -> str:
    """Return the last execution on the way from one to what started it that is of a machine which a person starts."""
    outermost, parent = arn, arn
    with explained(NotStartedError, "looking for what started the latest run"):
        while parent:
            if any(parent.startswith(execution_arn(machine, "")) for machine in target.machine_arns):
                outermost = parent
            parent = _started_by(target, parent)
    return outermost


def _started_by(target: Target, arn: str) -> str:
    """Return the ARN of the execution that started one and is still known, or an empty text."""
    try:
        given = json.loads(target.stepfunctions.describe_execution(executionArn=arn)["input"])
    except ClientError as error:
        if not has_code(error, UNKNOWN_CODES):
            raise
        return ""
    return str(given.get(STARTED_BY, "")) if isinstance(given, dict) else ""
