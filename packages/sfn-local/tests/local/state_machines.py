"""One home without a server: state machines over a store and an object store, in this process."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sfn_local.arns import Account
from sfn_local.clock import Clock
from sfn_local.engine import compose
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.object_store import ObjectStore
from sfn_local.storage.store import Store

BUCKET = "results-of-tests"
_STATES = "arn:aws:states:us-east-1:000000000000:stateMachine:"


class Home:
    """Calls of a test about state machines; all of them use one event loop."""

    def __init__(self, root: Path, stack: contextlib.ExitStack, speed: float) -> None:
        self._loop = stack.enter_context(asyncio.Runner())
        self.objects = stack.enter_context(contextlib.closing(ObjectStore(root / "s3")))
        if not self.objects.buckets():
            self.objects.create_bucket(BUCKET)
        store = stack.enter_context(contextlib.closing(Store(root / "executions.sqlite")))
        runtime = LambdaRuntime(worker_count=1, log_folder=root / "logs", base_environment={})
        self.machines, self.services = compose(
            account=Account(), clock=Clock(speed), runtime=runtime, objects=self.objects, store=store
        )
        stack.callback(self.machines.close)

    def register(self, name: str, definition: dict[str, Any], *, kind: str = "STANDARD") -> str:
        arn = _STATES + name
        self.machines.register(
            arn=arn, name=name, machine_type=kind, role_arn="arn:role", definition=json.dumps(definition)
        )
        return arn

    def do(self, work: Any) -> Any:
        """Run a coroutine in this home's loop."""
        return self._loop.run(work)

    async def start(self, arn: str, payload: Any) -> Any:
        return await self.machines.executions.start(self.machines.find(arn), json.dumps(payload))

    def run(self, definition: dict[str, Any], payload: Any = None) -> Any:
        """Register a definition under a name of its own and run it to its end; returns the execution's row."""
        arn = self.register(f"machine-{len(self.machines.all())}", definition)

        async def until_end() -> Any:
            execution = await self.start(arn, payload)
            return await execution.ended

        return self.do(until_end())

    def states(self, action: str, **params: Any) -> dict[str, Any]:
        """Call the Step Functions API."""
        result: dict[str, Any] = self.do(self.services["states"].api.handle(action, params, "test"))
        return result

    def events(self, arn: str) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self.states("GetExecutionHistory", executionArn=arn)["events"]
        return events

    def map_run(self, execution_arn: str) -> dict[str, Any]:
        """Describe the one Map Run of an execution."""
        (listed,) = self.states("ListMapRuns", executionArn=execution_arn)["mapRuns"]
        return self.states("DescribeMapRun", mapRunArn=listed["mapRunArn"])

    def read(self, key: str) -> str:
        with self.objects.open(BUCKET, key) as stream:
            return stream.read().decode()

    def put(self, key: str, body: str | bytes) -> None:
        self.objects.put(BUCKET, key, [body.encode() if isinstance(body, str) else body])


@contextlib.contextmanager
def open_home(root: Path, *, speed: float = 1000.0) -> Iterator[Home]:
    """Open a home whose waits are ``speed`` times as short."""
    with contextlib.ExitStack() as stack:
        yield Home(root, stack, speed)
