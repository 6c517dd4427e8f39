"""A worker pool whose workers are records, driven by hand on a clock that stands still until it is advanced."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from sfn_local.lambda_runtime.function import Function, FunctionError
from sfn_local.lambda_runtime.worker_pool import Invocation, Worker, WorkerPool

TIMEOUT_SECONDS = 30
WORKER_COUNT = 2


def define(name: str) -> Function:
    return Function(
        name=name,
        arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        handler="app.handler",
        code=Path("/"),
        timeout_seconds=TIMEOUT_SECONDS,
        memory_mib=128,
        environment={},
        runtime="python3.14",
    )


class Machine:
    def __init__(self, worker_count: int = WORKER_COUNT, on_removed: Callable[[str], None] | None = None) -> None:
        self.now = 0.0
        self.loop = asyncio.new_event_loop()
        self.loop.time = lambda: self.now  # type: ignore[method-assign]  # time stands still
        self.alive: dict[str, Worker] = {}
        self.polls: dict[str, asyncio.Task[Invocation | None]] = {}
        self.pool = WorkerPool(worker_count=worker_count, launch=self._launch, kill=self._kill, on_removed=on_removed)

    def _launch(self, worker: Worker) -> None:
        self.alive[worker.token] = worker

    def _kill(self, token: str) -> None:
        del self.alive[token]  # a KeyError if it is killed twice

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(coroutine)

    def step(self) -> None:
        for _ in range(4):  # enough for a chain of wake-ups
            self.run(asyncio.sleep(0))

    def submit(self, function: Function) -> Invocation:
        invocation = Invocation(function, b"", self.loop.create_future())
        self.pool.submit(invocation)
        return invocation

    def poll(self, worker: Worker) -> None:
        self.polls[worker.token] = self.loop.create_task(self.pool.next(worker))
        self.step()

    def delivered(self, worker: Worker) -> Invocation | None:
        poll = self.polls.get(worker.token)
        return poll.result() if poll is not None and poll.done() else None

    def finish(self, worker: Worker, outcome: bytes | FunctionError = b"1") -> None:
        invocation = self.delivered(worker)
        assert invocation is not None
        del self.polls[worker.token]
        assert self.pool.finish(worker, invocation.request_id, outcome)
        self.step()

    def exit(self, worker: Worker, exit_code: int = 1) -> None:
        del self.alive[worker.token]
        self.pool.worker_exited(worker.token, exit_code)
        self.step()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.step()

    def close(self) -> None:
        self.pool.close(RuntimeError("closed"))
        self.step()
        self.loop.close()
