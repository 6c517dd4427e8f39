"""What the pipeline's Retry settings bear: its synthesized Compute state under throttling, errors and outages.

The item processor of ComputeMap is taken from the cloud assembly, as it would be deployed, and run by the interpreter
for as many children as the map starts; the function is a stand-in that takes its time, refuses calls over an account's
quota, or fails for a while; faults by share are drawn by the same injector as ``hpc run --faults``.  Time is virtual:
hours of waiting take seconds.  Beside the pipeline's settings stand those that aws-cdk-lib's LambdaInvoke has by
default, as they are and with throttling added to their errors.

Run: python -m benchmarks.retries [--batches N] [--seeds N]
"""

import argparse
import asyncio
import copy
import json
import random
import selectors
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sfn_local.arns import Account
from sfn_local.assembly.read import load
from sfn_local.assembly.resources.state_machines import StateMachine
from sfn_local.clock import Clock
from sfn_local.execution.frames import Call, Cursor, Frame, Services
from sfn_local.execution.history import History
from sfn_local.execution.integrations import Integrations
from sfn_local.execution.interpreter import run_program
from sfn_local.execution.program import Program, compile_program
from sfn_local.execution.task_tokens import TaskTokens
from sfn_local.faults.injector import FaultInjector
from sfn_local.faults.service_errors import service_failure
from sfn_local.faults.spec import FaultSpec
from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.language.scope import Scope
from sfn_local.machines.state_types import WORK

from hpc.targets.synthesis import PIPELINE, Variant, find_assembly

PROJECT = Path(__file__).parents[1]
EXPRESS = Variant({"hpc:child_type": "EXPRESS", "hpc:compute_timeout_seconds": 180})
# Source: Step Functions quotas, children of a Map Run that start in a second.
START_RATES = {"Standard": 100, "Express": 1_000}
MAX_CONCURRENCY = 500  # cdk.json, hpc:max_concurrency
# Source: aws-cdk-lib, LambdaInvoke with retry_on_service_exceptions.
CDK_ERRORS = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
]
CDK_RETRY = {"IntervalSeconds": 2, "MaxAttempts": 6, "BackoffRate": 2}
SHARES = (5, 25, 50, 75)
OUTAGES_SECONDS = (5, 10, 30, 120, 300)
QUOTAS = (10, 100, 400)
COMPUTE_SECONDS = (1, 10, 60)


class VirtualSelector(selectors.SelectSelector):
    """Lets time pass at once where the loop would wait for it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("nothing is left that could ever happen")
        self.now += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is its selector's."""

    def __init__(self) -> None:
        self._virtual = VirtualSelector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


class VirtualClock(Clock):
    def time(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Lambda:
    """A function that takes ``seconds``, of which ``quota`` run at once, and that fails until ``outage_seconds``."""

    seconds: float = 1.0
    quota: int = 10**9
    outage_seconds: float = 0.0
    outage_kind: str = "service_error"
    resource_type = "lambda"
    resource = "function"
    is_function_arn = True
    takes_token = False
    running: int = 0
    calls: int = 0
    by_child: Counter[str] = field(default_factory=Counter)

    async def call(self, _resource: str, _parameters: Json, call: Call) -> Json:
        self.calls += 1
        self.by_child[call.frame.execution_arn] += 1
        if asyncio.get_running_loop().time() < self.outage_seconds:
            raise service_failure("lambda", self.outage_kind)
        if self.running >= self.quota:
            raise service_failure("lambda", "throttle")
        self.running += 1
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        return {"done": True}


class Outcome(NamedTuple):
    """What became of a run: batches that failed, attempts (all, most of one batch), seconds until its end."""

    failed: int
    attempts: int
    most_attempts: int
    seconds: float
    longest_seconds: float


class Setting(NamedTuple):
    name: str
    kind: str
    program: Program


def run(setting: Setting, function: Lambda, faults: str | None, seed: int, batches: int) -> Outcome:
    """Run every batch of a run to its end, those after one that failed as well."""
    injector = FaultInjector(FaultSpec.parse(f"{faults}; seed={seed}")) if faults else None
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_run(setting, function, injector, seed, batches))


async def _run(setting: Setting, function: Lambda, faults: FaultInjector | None, seed: int, batches: int) -> Outcome:
    clock = VirtualClock()
    no_maps: Any = None  # a child has no Map state
    services = Services(
        clock=clock,
        integrations=Integrations(function, {}, faults),
        maps=no_maps,
        tokens=TaskTokens(),
        random=random.Random(seed),
        work=WORK,
    )
    slots = asyncio.Semaphore(MAX_CONCURRENCY)
    taken: list[float] = []
    attempts: Counter[int] = Counter()

    async def child(position: int) -> bool:
        began = clock.time()
        frame = _frame(services, position)
        cursor = Cursor(History(clock.time, keep=False))
        try:
            await run_program(setting.program, {}, frame, cursor)
        except StatesError:
            return False
        finally:
            attempts[position] = cursor.count_attempt("Compute") - 1
            taken.append(clock.time() - began)
            slots.release()
        return True

    children = []
    for position in range(batches):
        await slots.acquire()
        await clock.sleep(1 / START_RATES[setting.kind])
        children.append(asyncio.create_task(child(position)))
    ended = await asyncio.gather(*children)
    counts = attempts.values() if faults else function.by_child.values()
    return Outcome(ended.count(False), sum(counts), max(counts), clock.time(), max(taken))


def _frame(services: Services, position: int) -> Frame:
    context: dict[str, Json] = {"Execution": {"Id": f"child-{position}", "RedriveCount": 0}}
    return Frame(
        services=services,
        machine_arn="arn:aws:states:us-east-1:000000000000:stateMachine:retries",
        machine_name="retries",
        role_arn="",
        execution_arn=f"child-{position}",
        execution_id=1,
        scope=Scope(context),
        position=position,
    )


def settings(kind: str, processor: dict[str, Any]) -> Iterator[Setting]:
    """Yield the pipeline's own settings and the alternatives, in the same states."""

    def with_retry(retry: Any) -> Program:
        changed = copy.deepcopy(processor)
        changed["States"]["Compute"]["Retry"] = retry
        return compile_program(changed)

    yield Setting("pipeline", kind, compile_program(processor))
    yield Setting("aws-cdk", kind, with_retry([{"ErrorEquals": CDK_ERRORS, **CDK_RETRY}]))
    throttled = [*CDK_ERRORS, "Lambda.TooManyRequestsException"]
    yield Setting("aws-cdk + throttles", kind, with_retry([{"ErrorEquals": throttled, **CDK_RETRY}]))


def processor_of(variant: Variant, folder: Path) -> dict[str, Any]:
    """Return the item processor of ComputeMap as it would be deployed."""
    stack = load(find_assembly(PROJECT, folder, variant=variant), Account())
    (machine,) = (machine for machine in stack.all(StateMachine) if "MapReduce" in machine.name)
    processor: dict[str, Any] = json.loads(machine.definition)["States"]["ComputeMap"]["ItemProcessor"]
    return processor


def repeated(setting: Setting, make: Callable[[], Lambda], faults: str | None, args: argparse.Namespace) -> list[str]:
    """Run with every seed; return the cells of a row."""
    outcomes = [run(setting, make(), faults, seed, args.batches) for seed in range(args.seeds)]
    succeeded = sum(outcome.failed == 0 for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes) / (args.batches * args.seeds)
    attempts = sum(outcome.attempts for outcome in outcomes) / (args.batches * args.seeds)
    most = max(outcome.most_attempts for outcome in outcomes)
    seconds = statistics.median(outcome.seconds for outcome in outcomes)
    longest = max(outcome.longest_seconds for outcome in outcomes)
    return [
        f"{succeeded} of {args.seeds}",
        f"{failed:.2%}",
        f"{attempts:.2f}",
        str(most),
        f"{longest:,.0f}",
        f"{seconds:,.0f}",
    ]


HEAD = ("runs that succeed", "batches that fail", "attempts a batch", "at most", "longest batch, s", "run, s")


def print_table(title: str, first: str, rows: list[list[str]]) -> None:
    print(f"\n{title}\n")
    print(f"| {first} | settings | {' | '.join(HEAD)} |")
    print(f"|{'---|' * (len(HEAD) + 2)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=1_000, help="of each run")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each kind")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chosen = [
            *settings("Standard", processor_of(PIPELINE, Path(folder))),
            Setting("pipeline", "Express", compile_program(processor_of(EXPRESS, Path(folder)))),
        ]

    def show(title: str, first: str, cases: list[tuple[str, Callable[[], Lambda], str | None]]) -> None:
        rows = [
            [name, f"{each.name}, {each.kind}", *repeated(each, make, faults, args)]
            for name, make, faults in cases
            for each in chosen
        ]
        print_table(title, first, rows)

    for kind in ("throttle", "service_error"):
        show(
            f"{kind}, by chance, of a share of the attempts",
            "share",
            [(f"{share} %", Lambda, f"{kind} Compute {share}%") for share in SHARES],
        )
        show(
            f"{kind}, of every call, for a while",
            "seconds",
            [
                (str(seconds), partial(Lambda, outage_seconds=seconds, outage_kind=kind), None)
                for seconds in OUTAGES_SECONDS
            ],
        )
    show(
        "throttle, of calls over the account's quota of concurrent invocations",
        "quota, seconds of a batch",
        [
            (f"{quota}, {seconds} s", partial(Lambda, seconds, quota), None)
            for quota in QUOTAS
            for seconds in COMPUTE_SECONDS
        ],
    )


if __name__ == "__main__":
    main()
