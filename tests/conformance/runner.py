"""Runs recorded executions through the runner, in this process, with real Lambda workers."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from sfn_local.arns import Account
from sfn_local.clock import Clock
from sfn_local.engine import compose
from sfn_local.execution.executions import Machine
from sfn_local.lambda_runtime.function import Function
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.machines.registry import Machines
from sfn_local.object_store import ObjectStore
from sfn_local.storage.event import Event
from sfn_local.storage.execution_store import ExecutionRow
from sfn_local.storage.store import Store

ACCOUNT = Account(account_id="111111111111", region="us-east-1")
ROLE_ARN = "arn:aws:iam::111111111111:role/recorded"

Case = dict[str, Any]


class Home(NamedTuple):
    """One home: what runs in it, and its objects."""

    machines: Machines
    objects: ObjectStore


class Outcome(NamedTuple):
    """End of a case, the objects that it left, and the state machines that it ran in."""

    row: ExecutionRow
    objects: ObjectStore
    machines: Machines

    async def events(self) -> list[Event]:
        """Return the event history."""
        return list(await self.machines.executions.events(self.row, None, is_reversed=False))


class Runner:
    """Runs cases side by side; one that brings buckets or other state machines has a home of its own."""

    def __init__(self, root: Path, runtime: LambdaRuntime, stack: contextlib.ExitStack, speed: float) -> None:
        self._root = root
        self._runtime = runtime
        self._stack = stack
        self._speed = speed
        self._shared = self._open_home("shared")

    async def run(self, case: Case) -> Outcome:
        """Run ``case`` to its end; raises ``InvalidDefinition`` if its definition is refused."""
        has_resources = bool(case.get("aux_state_machines") or (case.get("s3") or {}).get("buckets"))
        home = self._open_home(case["name"]) if has_resources else self._shared
        self._make_resources(case, home)
        machine = _register(home, f"arn:aws:states:us-east-1:111111111111:stateMachine:{case['name'][-70:]}", case)
        execution = await home.machines.executions.start(machine, json.dumps(case["input"]))
        return Outcome(await execution.ended, home.objects, home.machines)

    def _open_home(self, name: str) -> Home:
        folder = self._root / "homes" / name
        objects = self._stack.enter_context(contextlib.closing(ObjectStore(folder / "s3")))
        store = self._stack.enter_context(contextlib.closing(Store(folder / "executions.sqlite")))
        clock = Clock(self._speed, limits_speed=min(self._speed, 1.0))
        machines, _services = compose(account=ACCOUNT, clock=clock, runtime=self._runtime, objects=objects, store=store)
        self._stack.callback(machines.close)
        return Home(machines, objects)

    def _make_resources(self, case: Case, home: Home) -> None:
        for bucket in (case.get("s3") or {}).get("buckets", ()):
            home.objects.create_bucket(bucket)
        for entry in (case.get("s3") or {}).get("objects", ()):
            home.objects.put(entry["Bucket"], entry["Key"], [entry["Body"].encode()])
        for stub in case.get("lambda_stub") or ():
            self._add_function(case["name"], stub)
        for machine in case.get("aux_state_machines") or ():
            _register(home, machine["arn"], machine)

    def _add_function(self, case_name: str, stub: dict[str, str]) -> None:
        name = stub["arn"].rsplit(":", 1)[-1]
        folder = self._root / "functions" / case_name / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "handler.py").write_text(stub["source"])
        self._runtime.register(
            Function(
                name=name,
                arn=stub["arn"],
                handler="handler.handler",
                code=folder,
                timeout_seconds=60,
                memory_mib=128,
                environment={},
                runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            )
        )


def _register(home: Home, arn: str, described: dict[str, Any]) -> Machine:
    definition = described["definition"]
    return home.machines.register(
        arn=arn,
        name=arn.rsplit(":", 1)[-1],
        machine_type="STANDARD",
        role_arn=ROLE_ARN,
        definition=definition if isinstance(definition, str) else json.dumps(definition),
    )


@contextlib.asynccontextmanager
async def runner(root: Path, *, speed: float) -> AsyncIterator[Runner]:
    """Open a runner with everything below ``root``; waits are ``speed`` times as short, time-outs no shorter."""
    runtime = LambdaRuntime(worker_count=8, log_folder=root / "logs", base_environment={"AWS_REGION": "us-east-1"})
    await runtime.start()
    try:
        with contextlib.ExitStack() as stack:
            yield Runner(root, runtime, stack, speed)
    finally:
        await runtime.stop()
