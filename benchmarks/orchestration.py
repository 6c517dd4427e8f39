"""What a child execution of a Distributed Map costs, with its history and the store on, and its role asked every time.

Each figure comes from a process of its own, so that its peak of memory is its own.  Beside it stand moto, whose
interpreter needs antlr4-python3-runtime and jsonpath-ng, and a ministack that listens at MINISTACK_URL; both are given
the same definition and fewer children, and neither is a dependency.

Run: python -m benchmarks.orchestration [--tasks N] [--passes N] [--others N]
"""

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from sfn_local.arns import Account
from sfn_local.clock import Clock
from sfn_local.engine import compose
from sfn_local.iam.access import Access, Policies, Role
from sfn_local.iam.policies import parse
from sfn_local.object_store import ObjectStore
from sfn_local.storage.store import Store

from benchmarks.noop import ARN as NOOP
from benchmarks.noop import define_runtime

BUCKET = "benchmark"
ITEMS = "items.json"
MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:benchmark"
ROLE = "arn:aws:iam::000000000000:role/benchmark"
# As narrow as the roles of a stack are.
RIGHTS = {
    "lambda:InvokeFunction": NOOP,
    "s3:GetObject": f"arn:aws:s3:::{BUCKET}/{ITEMS}",
    "s3:PutObject": f"arn:aws:s3:::{BUCKET}/results/*",
    "states:StartExecution": MACHINE,
    "states:DescribeExecution": MACHINE.replace(":stateMachine:", ":execution:") + ":*",
}
WORKERS = 2
MAX_CONCURRENCY = 64
_MIB = 1024 * 1024

TASK = {"Type": "Task", "Resource": NOOP, "End": True}
PASS = {"Type": "Pass", "End": True}


def definition(state: dict[str, Any]) -> str:
    """A Distributed Map over a JSON file, results to files."""
    place = {"Bucket": BUCKET, "Key": ITEMS}
    states = {
        "Map": {
            "Type": "Map",
            "Label": "Map",
            "MaxConcurrency": MAX_CONCURRENCY,
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Parameters": place,
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Child",
                "States": {"Child": state},
            },
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": BUCKET, "Prefix": "results"},
            },
            "End": True,
        }
    }
    return json.dumps({"StartAt": "Map", "States": states})


def access() -> Access:
    """The role of the machine, with what it needs."""
    statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in RIGHTS.items()]
    role = Role(arn=ROLE, trust=(), statements=parse({"Statement": statements}, "benchmark"))
    return Access(Policies(roles={role.name: role}))


def items(count: int) -> bytes:
    return json.dumps([{"batch": index} for index in range(count)]).encode()


async def run_here(state: dict[str, Any], count: int, folder: Path) -> dict[str, float]:
    runtime = define_runtime(folder, WORKERS)
    await runtime.start()
    try:
        with contextlib.ExitStack() as stack:
            objects = stack.enter_context(contextlib.closing(ObjectStore(folder / "s3")))
            store = stack.enter_context(contextlib.closing(Store(folder / "executions.sqlite")))
            objects.create_bucket(BUCKET)
            objects.put(BUCKET, ITEMS, [items(count)])
            machines, _services = compose(
                account=Account(), clock=Clock(), runtime=runtime, objects=objects, store=store, access=access()
            )
            machine = machines.register(
                arn=MACHINE, name="benchmark", machine_type="STANDARD", role_arn=ROLE, definition=definition(state)
            )
            await runtime.invoke(NOOP, b"{}")
            wall, own = time.perf_counter(), time.process_time()
            row = await (await machines.executions.start(machine, "{}")).ended
            wall, own = time.perf_counter() - wall, time.process_time() - own
            assert row.status == "SUCCEEDED", row
    finally:
        await runtime.stop()
    return {"wall": wall, "own": own}


def measure_here(state: dict[str, Any], count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(run_here(state, count, Path(folder)))
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures["workers"] = children.ru_utime + children.ru_stime
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB
    return figures


def measure_moto(state: dict[str, Any], count: int) -> dict[str, float]:
    """Run the same definition in moto, its interpreter of definitions switched on; Pass children only."""
    moto = importlib.import_module("moto")
    os.environ.update(AWS_ACCESS_KEY_ID="-", AWS_SECRET_ACCESS_KEY="-", AWS_DEFAULT_REGION="us-east-1")
    with moto.mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        return _measure_clients(boto3.client("s3"), boto3.client("stepfunctions"), state, count)


def measure_ministack(state: dict[str, Any], count: int) -> dict[str, float]:
    """Run the same definition in a ministack that is served already: it pins a botocore of its own."""
    url = os.environ.get("MINISTACK_URL")
    if not url:
        raise RuntimeError("MINISTACK_URL names no endpoint")
    options = {"endpoint_url": url, "region_name": "us-east-1", "aws_access_key_id": "-", "aws_secret_access_key": "-"}
    return _measure_clients(boto3.client("s3", **options), boto3.client("stepfunctions", **options), state, count)


def _measure_clients(s3: Any, states: Any, state: dict[str, Any], count: int) -> dict[str, float]:
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key=ITEMS, Body=items(count))
    machine = states.create_state_machine(name="benchmark", definition=definition(state), roleArn=ROLE)
    return _until_end(states, machine["stateMachineArn"])


def _until_end(states: Any, machine_arn: str) -> dict[str, float]:
    wall = time.perf_counter()
    arn = states.start_execution(stateMachineArn=machine_arn)["executionArn"]
    while (status := states.describe_execution(executionArn=arn)["status"]) == "RUNNING":
        time.sleep(0.01)
    if status != "SUCCEEDED":
        raise RuntimeError(f"the execution ended as {status}")
    return {"wall": time.perf_counter() - wall}


STATES = {"task": TASK, "pass": PASS}
MEASURES: dict[str, Callable[[dict[str, Any], int], dict[str, float]]] = {
    "here": measure_here,
    "moto": measure_moto,
    "ministack": measure_ministack,
}


def in_process(name: str, state: str, count: int) -> dict[str, float] | str:
    """Measure in a process of its own; a text says why it could not."""
    command = [sys.executable, "-m", "benchmarks.orchestration", "--measure", name, state, str(count)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return "no end within 600 s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["ended without a word"])[-1]
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def show(name: str, count: int, figures: dict[str, float] | str) -> float | None:
    """Print one line; return the wall seconds of a child."""
    if isinstance(figures, str):
        print(f"{name:<34} {count:>7}  not run: {figures}")
        return None
    each = {key: f"{value / count * 1e6:8.0f} us" for key, value in figures.items() if key != "peak_mib"}
    cpu = f"  CPU {each['own']} here, {each['workers']} in workers" if "own" in each else ""
    peak = f"  peak {figures['peak_mib']:.0f} MiB" if "peak_mib" in figures else ""
    print(f"{name:<34} {count:>7} {each['wall']} a child{cpu}{peak}")
    return figures["wall"] / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--passes", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=500, help="children that the emulators are given; 0: none")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        name, state, count = args.measure
        print(json.dumps(MEASURES[name](STATES[state], int(count))))
        return
    for count in (args.tasks // 5, args.tasks):
        show("here, one no-op Lambda task", count, in_process("here", "task", count))
    for count in (args.passes // 5, args.passes):
        show("here, Pass only", count, in_process("here", "pass", count))
    if args.others < 1:
        return
    ours = show("here, Pass only", args.others, in_process("here", "pass", args.others))
    for name in ("moto", "ministack"):
        theirs = show(f"{name}, Pass only", args.others, in_process(name, "pass", args.others))
        if ours and theirs:
            print(f"{name} takes {theirs / ours:.0f} times as long")


if __name__ == "__main__":
    main()
