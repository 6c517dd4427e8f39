"""Runs one recorded execution through the runner, in this process, with real Lambda workers."""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hpc_local.arns import Account
from hpc_local.clock import Clock
from hpc_local.execution.machines import Machines
from hpc_local.integrations.lambda_function import FunctionTask, InvokeTask
from hpc_local.integrations.registry import Integrations
from hpc_local.lambda_function import Function
from hpc_local.lambda_runtime import LambdaRuntime
from hpc_local.maps.distributed_map import MapServices
from hpc_local.maps.map_run import MapRuns
from hpc_local.maps.objects import MapObjects
from hpc_local.object_store import ObjectStore
from hpc_local.storage.executions import ExecutionRow, Store
from hpc_local.storage.map_runs import MapRunStore

ACCOUNT = Account(account_id="111111111111", region="us-east-1")
ROLE_ARN = "arn:aws:iam::111111111111:role/recorded"

Case = dict[str, Any]


class Runner:
    """One home for all cases: state machines, buckets and functions of each are added as it is run."""

    def __init__(self, home: Path, runtime: LambdaRuntime, objects: ObjectStore, store: Store, speed: float) -> None:
        self._home = home
        self._runtime = runtime
        self.objects = objects
        map_objects = MapObjects(objects)
        maps = MapServices(
            map_runs=MapRuns(MapRunStore(store), store.next_map_run_id),
            objects=map_objects,
            open_writer=map_objects.open_writer,
        )
        integrations = Integrations(FunctionTask(runtime), {"lambda:invoke": InvokeTask(runtime, ACCOUNT)})
        self.machines = Machines(store, Clock(speed), integrations, maps)

    async def run(self, case: Case) -> ExecutionRow:
        """Run ``case`` to its end; raises ``InvalidDefinition`` if its definition is refused."""
        self._make_resources(case)
        arn = f"arn:aws:states:us-east-1:111111111111:stateMachine:{case['name'][-70:]}"
        machine = self._register(arn, case["definition"])
        execution = await self.machines.executions.start(machine, json.dumps(case["input"]))
        return await execution.ended

    def _register(self, arn: str, definition: Any) -> Any:
        return self.machines.register(
            arn=arn,
            name=arn.rsplit(":", 1)[-1],
            machine_type="STANDARD",
            role_arn=ROLE_ARN,
            definition=definition if isinstance(definition, str) else json.dumps(definition),
        )

    def _make_resources(self, case: Case) -> None:
        for bucket in (case.get("s3") or {}).get("buckets", ()):
            self.objects.create_bucket(bucket)
        for entry in (case.get("s3") or {}).get("objects", ()):
            body = entry["Body"]
            self.objects.put(entry["Bucket"], entry["Key"], [body.encode() if isinstance(body, str) else body])
        for stub in case.get("lambda_stub") or ():
            self._add_function(case["name"], stub)
        for machine in case.get("aux_state_machines") or ():
            self._register(machine["arn"], machine["definition"])

    def _add_function(self, case_name: str, stub: dict[str, str]) -> None:
        name = stub["arn"].rsplit(":", 1)[-1]
        folder = self._home / "functions" / case_name / name
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


@contextlib.asynccontextmanager
async def runner(home: Path, *, speed: float) -> AsyncIterator[Runner]:
    runtime = LambdaRuntime(worker_count=4, log_folder=home / "logs", base_environment={"AWS_REGION": "us-east-1"})
    await runtime.start()
    try:
        with contextlib.closing(ObjectStore(home / "s3")) as objects:
            with contextlib.closing(Store(home / "executions.sqlite")) as store:
                yield Runner(home, runtime, objects, store, speed)
    finally:
        await runtime.stop()
