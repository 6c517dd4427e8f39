"""One home with real workers, in this process: the project's handlers and job, an echo, and AWS's APIs over them."""

import asyncio
import contextlib
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sfn_local.arns import Account
from sfn_local.batch.resources import JobDefinition, JobQueue
from sfn_local.batch.service import BatchService
from sfn_local.clock import Clock
from sfn_local.endpoint.http_api import HttpApi
from sfn_local.endpoint.sigv4 import Credential
from sfn_local.engine import compose
from sfn_local.lambda_runtime.function import Function
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.loopback import LoopbackServer
from sfn_local.object_store import ObjectStore
from sfn_local.storage.execution_store import ExecutionRow
from sfn_local.storage.store import Store

PROJECT = Path(__file__).parents[2]
ACCOUNT = Account()
BUCKET = "results-bucket"
KEY_ID, SECRET = "AKIAFUZZ", "secret-of-tests"
# Waits of a definition are this many times as short; workers and jobs, which are real, have as long as in the stack.
SPEED = 100.0
# What still runs then has been told to wait longer, or runs in circles: it is stopped.
RUN_SECONDS = 0.5
# Of machines that are known to end.
PATIENT_SECONDS = 30.0
STOP_SECONDS = 10.0
ECHO = 'def handler(event, context):\n    return {"echo": event}\n'
# Functions and state machines of the stack by logical id: the handler's module, the definition on record.
HANDLERS = {
    "FunctionsStart": "start",
    "FunctionsCompute": "compute",
    "FunctionsSum": "sum",
    "JobTasksSubmit": "submit_job",
    "OrchestratorNotify": "notify",
    "OrchestratorCompare": "compare",
}
STACK_MACHINES = {
    "MapReduceStateMachine": "map_reduce_with_jobs",
    "OrchestratorCallbackNotifyStateMachine": "callback_notify",
    "OrchestratorSyncNestedStateMachine": "sync_nested",
}
JOB_QUEUE = JobQueue(
    name="jobs",
    arn=ACCOUNT.arn("batch", "job-queue/jobs"),
    priority=1,
    compute_environments=(ACCOUNT.arn("batch", "compute-environment/fargate"),),
    max_vcpus=4,
)
JOB_DEFINITION_ARN = ACCOUNT.arn("batch", "job-definition/compute:1")


class Engine:
    """Calls of the fuzz tests; all of them use one event loop."""

    def __init__(self, root: Path, stack: contextlib.ExitStack) -> None:
        self._runner = stack.enter_context(asyncio.Runner())
        self.root = root
        self.do(self._open(stack))

    def do(self, work: Any) -> Any:
        return self._runner.run(work)

    async def _open(self, stack: contextlib.ExitStack) -> None:
        credentials = {KEY_ID: Credential(SECRET, principal="user")}
        server = LoopbackServer()
        self.address = server.address
        environment = {
            "AWS_ENDPOINT_URL": f"http://{server.address}",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": ACCOUNT.region,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        logs = self.root / "logs"
        self.runtime = LambdaRuntime(worker_count=2, log_folder=logs, base_environment=environment)
        await self.runtime.start()
        stack.callback(lambda: self.do(self.runtime.stop()))
        self.objects = stack.enter_context(contextlib.closing(ObjectStore(self.root / "s3")))
        self.objects.create_bucket(BUCKET)
        store = stack.enter_context(contextlib.closing(Store(self.root / "executions.sqlite")))
        clock = Clock(SPEED, limits_speed=1.0)
        batch = BatchService(
            account=ACCOUNT,
            clock=clock,
            slots=2,
            log_folder=logs,
            base_environment=environment,
            on_change=lambda _job: None,
        )
        batch.resources.add([JOB_QUEUE], [_job_definition(self.root / "code")])
        stack.callback(lambda: self.do(batch.stop()))
        self.machines, services = compose(
            account=ACCOUNT, clock=clock, runtime=self.runtime, objects=self.objects, store=store, batch=batch
        )
        self.services = {name: served.api for name, served in services.items()}
        stack.callback(self.machines.close)
        self.api = HttpApi(self.services, credentials)
        server.start(self.api)
        stack.callback(lambda: self.do(server.stop()))
        stack.callback(lambda: self.do(self.machines.executions.stop_all("the test is over")))
        self._add_functions()

    def _add_functions(self) -> None:
        code, echo = self.root / "code", self.root / "echo"
        shutil.copytree(PROJECT / "lambdas", code / "lambdas", ignore=shutil.ignore_patterns("__pycache__"))
        echo.mkdir()
        (echo / "app.py").write_text(ECHO)
        handlers = {name: f"lambdas.{module}.handler" for name, module in HANDLERS.items()}
        environment = {
            "RESULTS_BUCKET": BUCKET,
            "SOURCE_BUCKETS": "",
            "MAX_CONCURRENCY": "10",
            "BACK_ENDS": "lambda,batch,batch_callback",
            "MAX_ARRAY_SIZE": "10",
            "JOB_QUEUE": JOB_QUEUE.arn,
            "JOB_DEFINITION": JOB_DEFINITION_ARN,
        }
        for name, handler in {**handlers, "Echo": "app.handler"}.items():
            function = Function(
                name=name,
                arn=function_arn(name),
                handler=handler,
                code=echo if name == "Echo" else code,
                timeout_seconds=60,
                memory_mib=128,
                environment=environment,
                runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
            )
            self.runtime.register(function)

    async def states(self, action: str, **params: Any) -> dict[str, Any]:
        result: dict[str, Any] = await self.services["states"].handle(action, params, "user")
        return result

    async def run(self, arn: str, input_text: str, seconds: float = RUN_SECONDS) -> ExecutionRow:
        """Run an execution to its end, which is ABORTED if it takes too long."""
        answer = await self.states("StartExecution", stateMachineArn=arn, input=input_text)
        return await self._end(answer["executionArn"], seconds)

    async def redrive(self, arn: str, seconds: float = RUN_SECONDS) -> ExecutionRow:
        """Redrive an execution to its next end, which is ABORTED if it takes too long."""
        await self.states("RedriveExecution", executionArn=arn)
        return await self._end(arn, seconds)

    async def _end(self, arn: str, seconds: float) -> ExecutionRow:
        execution = self.machines.executions.running.get(arn)
        if execution is not None:
            done, _running = await asyncio.wait([execution.ended], timeout=seconds)
            if not done:
                await self.states("StopExecution", executionArn=arn)
                async with asyncio.timeout(STOP_SECONDS):
                    await execution.wait()
        row = self.machines.executions.find(arn)
        assert row is not None
        return row

    async def run_express(self, arn: str, input_text: str) -> dict[str, Any]:
        """Run an Express execution to its end, which is ABORTED if it takes too long; nothing is kept of it."""
        answering = asyncio.ensure_future(self.states("StartSyncExecution", stateMachineArn=arn, input=input_text))
        done, _running = await asyncio.wait([answering], timeout=RUN_SECONDS)
        if done:
            return answering.result()
        async with asyncio.timeout(STOP_SECONDS):
            await self.machines.executions.stop_all("it takes too long")
            return {**await answering, "status": "ABORTED"}

    async def history(self, arn: str) -> list[dict[str, Any]]:
        answer = await self.states("GetExecutionHistory", executionArn=arn, maxResults=1000)
        events: list[dict[str, Any]] = answer["events"]
        return events


def function_arn(name: str) -> str:
    return ACCOUNT.arn("lambda", f"function:{name}")


def machine_arn(name: str) -> str:
    return ACCOUNT.arn("states", f"stateMachine:{name}")


@contextlib.contextmanager
def open_engine(root: Path) -> Iterator[Engine]:
    with contextlib.ExitStack() as stack:
        yield Engine(root, stack)


def _job_definition(code: Path) -> JobDefinition:
    variables = {"RESULTS_BUCKET": BUCKET, "HEARTBEAT_SECONDS": "60"}
    return JobDefinition(
        name="compute",
        revision=1,
        arn=JOB_DEFINITION_ARN,
        container={
            "image": "image",
            "command": ["python", "-m", "lambdas.job"],
            "environment": [{"name": name, "value": value} for name, value in variables.items()],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}],
        },
        retry_strategy={},
        timeout={},
        platform_capabilities=("FARGATE",),
        code=code,
    )


def on_record(name: str, child_type: str = "STANDARD") -> dict[str, Any]:
    """Return a definition that the stack deploys (a test of the stack compares it), with names that exist here."""
    names = {
        "AWS::Partition": "aws",
        "ResultsBucket": BUCKET,
        "BatchJobsJobQueue.JobQueueArn": JOB_QUEUE.arn,
        "BatchJobsJobDefinition": JOB_DEFINITION_ARN,
        **{f"{function}.Arn": function_arn(function) for function in HANDLERS},
        **{machine: machine_arn(machine) for machine in STACK_MACHINES},
    }
    text = (PROJECT / "tests" / "synth" / f"{name}.asl.json").read_text()
    text = re.sub(r"<([\w.:]+)>", lambda match: names[match[1]], text)
    definition: dict[str, Any] = json.loads(text.replace('"STANDARD"', json.dumps(child_type)))
    return definition
