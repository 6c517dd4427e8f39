"""AWS Lambda on this machine: invocations in, results or failures as the Step Functions service would report them out.

The handlers run in warm worker processes under AWS's own runtime client (`awslambdaric`), which this process serves
through AWS's Runtime API.  `fork_server` makes the processes, `worker_pool` decides which of them runs what,
`runtime_api` talks to them.

**Differs from AWS:** as those modules, `lambda_function`, `invocation_log` and `log_streams` say.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from sfn_local.faults.injector import CURRENT
from sfn_local.faults.trials import FunctionTrial, ProcessKeys, Trial
from sfn_local.iam.sessions import function_principal
from sfn_local.lambda_runtime.fork_server import ForkServer
from sfn_local.lambda_runtime.function import Function, FunctionError, function_not_found, worker_environment
from sfn_local.lambda_runtime.invocation_log import out_of_memory_report
from sfn_local.lambda_runtime.log_streams import LogStreams
from sfn_local.lambda_runtime.runtime_api import RuntimeApi
from sfn_local.lambda_runtime.worker_parent import WORKERS_LOG
from sfn_local.lambda_runtime.worker_pool import Invocation, OnStarted, Worker, WorkerPool

__all__ = ["Function", "FunctionError", "LambdaRuntime", "RuntimeStoppedError"]


class RuntimeStoppedError(RuntimeError):
    """The invocation has no result because the Lambda runtime was stopped, or had not been started."""


class LambdaRuntime:
    """
    Parameters
    ----------
    worker_count
        Invocations that run at once, over all functions.
    log_folder
        Gets the log streams of the functions, and `workers.log` with what the workers' common parent writes.
    base_environment
        Variables that every worker has whatever its function says: endpoints on loopback, dummy credentials.
    keys
        With injected faults: gives each worker a key pair of its own in place of its function's.
    own_environment
        Variables of a principal: the key pair that a function signs its requests with.
    limits_memory
        Whether a worker is ended that uses more than its function's memory.
    """

    def __init__(
        self,
        *,
        worker_count: int,
        log_folder: Path,
        base_environment: Mapping[str, str],
        keys: ProcessKeys | None = None,
        own_environment: Callable[[str], Mapping[str, str]] = lambda _principal: {},
        limits_memory: bool = True,
    ) -> None:
        if worker_count < 1:
            raise ValueError(f"worker_count must be 1 or more, got {worker_count}")
        self._log_folder = log_folder.absolute()
        self._base_environment = dict(base_environment)
        self._functions: dict[str, Function] = {}
        self._is_running = False
        self._keys = keys
        self._own_environment = own_environment
        self._limits_memory = limits_memory
        on_removed = keys.revoke if keys is not None else None
        self._pool = WorkerPool(worker_count=worker_count, launch=self._launch, kill=self._kill, on_removed=on_removed)
        self._api = RuntimeApi(self._pool)
        self._streams = LogStreams()
        self._fork_server = ForkServer(listener=self, log=self._log_folder / WORKERS_LOG)

    async def start(self) -> None:
        """Open the Runtime API."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        await self._api.start()
        self._is_running = True

    def warm_up(self) -> None:
        """Start the process that forks the workers, which the first invocation would; does not wait for it."""
        self._fork_server.start()

    async def stop(self) -> None:
        """Kill and reap every process, close every socket; who still waits for a result gets `RuntimeStoppedError`."""
        self._is_running = False
        self._pool.close(RuntimeStoppedError("the Lambda runtime was stopped"))
        await self._fork_server.stop()
        await self._api.stop()

    def register(self, function: Function) -> None:
        """Make a function known by its ARN, in place of one that had it before."""
        replaced = self._functions.get(function.arn)
        self._functions[function.arn] = function
        if replaced is not None:
            self._pool.replace(replaced, function)

    async def invoke(self, function_arn: str, payload: bytes, on_started: OnStarted | None = None) -> bytes:
        """Run one invocation and return the JSON text of its result.

        Parameters
        ----------
        on_started
            Called when a worker takes the invocation, since more invocations than workers wait; returns what is called
            when the worker has ended it.

        Raises
        ------
        FunctionError
            If the function failed, or there is none with this ARN.
        RuntimeStoppedError
            If the runtime does not run, or stops meanwhile.
        """
        function = self._functions.get(function_arn.removesuffix(":$LATEST"))
        if function is None:
            raise function_not_found(function_arn)
        if not self._is_running:
            raise RuntimeStoppedError("the Lambda runtime does not run")
        attempt = CURRENT.get() if self._keys is not None else None
        trial = FunctionTrial(attempt) if attempt is not None else None
        result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        invocation = Invocation(function, payload, result, trial=trial, on_started=on_started)
        self._pool.submit(invocation)
        try:
            return await invocation.result
        except asyncio.CancelledError:
            self._pool.withdraw(invocation)
            raise

    def _launch(self, worker: Worker) -> None:
        function = worker.function
        runtime_api = f"{self._api.address}/{worker.token}"
        principal = function_principal(function.role_arn, function.name)
        if self._keys is not None:
            own_environment = self._keys.issue(worker.token, principal, lambda: _trial_of(worker))
        else:
            own_environment = self._own_environment(principal)
        base_environment = {**self._base_environment, **own_environment}
        log = self._streams.take(worker.token, function.name)
        environment = worker_environment(
            function, base_environment=base_environment, runtime_api=runtime_api, log_stream=log
        )
        self._fork_server.spawn(
            worker.token,
            program={"handler": function.handler},
            code=function.code.absolute(),
            environment=environment,
            log=self._log_folder / log,
            memory_mib=function.memory_mib if self._limits_memory else None,
        )

    def _kill(self, identity: str) -> None:
        self._fork_server.kill(identity)

    # --- what the fork server tells ---

    def worker_exited(self, identity: str, exit_code: int) -> None:
        self._streams.release(identity)
        self._pool.worker_exited(identity, exit_code)

    def worker_failed(self, identity: str, reason: str) -> None:
        self._streams.release(identity)
        self._pool.worker_failed(identity, reason)

    def memory_exceeded(self, identity: str, used_mib: int) -> None:
        invocation = self._pool.invocation_of(identity)
        log = self._streams.name_of(identity)
        if invocation is not None and log is not None:
            report = out_of_memory_report(invocation.request_id, used_mib, invocation.function.memory_mib)
            with (self._log_folder / log).open("a") as stream:
                stream.write(report)
        self._pool.memory_exceeded(identity, used_mib)

    def server_lost(self, reason: str | None) -> None:
        self._streams.release_all()
        self._pool.server_lost(reason)


def _trial_of(worker: Worker) -> Trial | None:
    """Return what a worker does now."""
    trial = worker.invocation.trial if worker.invocation is not None else None
    assert trial is None or isinstance(trial, Trial)  # made in this module
    return trial
