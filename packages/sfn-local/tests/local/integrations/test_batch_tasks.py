"""``batch:submitJob`` in state machines: submit, run to the end, stop."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from job_service import ACCOUNT, Jobs, open_jobs, run
from sfn_local.clock import Clock
from sfn_local.engine import compose
from sfn_local.lambda_runtime.runtime import LambdaRuntime
from sfn_local.machines.registry import Machines
from sfn_local.object_store import ObjectStore
from sfn_local.storage.store import Store

ARN = ACCOUNT.arn("states", "stateMachine:machine")
WAIT = "import pathlib, time; pathlib.Path('started').touch(); time.sleep(600)"


@contextlib.asynccontextmanager
async def open_home(root: Path) -> AsyncIterator[tuple[Jobs, Machines]]:
    """Open jobs, and state machines that submit them."""
    async with open_jobs(root) as jobs:
        with contextlib.ExitStack() as stack:
            objects = stack.enter_context(contextlib.closing(ObjectStore(root / "s3")))
            store = stack.enter_context(contextlib.closing(Store(root / "executions.sqlite")))
            runtime = LambdaRuntime(worker_count=1, log_folder=root / "logs", base_environment={})
            machines, _services = compose(
                account=ACCOUNT, clock=Clock(), runtime=runtime, objects=objects, store=store, batch=jobs.service
            )
            stack.callback(machines.close)
            yield jobs, machines


def submit(resource: str, **parameters: Any) -> dict[str, Any]:
    """Return a definition whose one state submits a job."""
    given = {"JobName": "job", "JobQueue": "queue", "JobDefinition": "job", **parameters}
    task = {"Type": "Task", "Resource": f"arn:aws:states:::batch:{resource}", "Parameters": given, "End": True}
    return {"StartAt": "Submit", "States": {"Submit": task}}


async def start(machines: Machines, definition: dict[str, Any], payload: Any = None) -> Any:
    machine = machines.register(
        arn=ARN, name="machine", machine_type="STANDARD", role_arn="arn:role", definition=json.dumps(definition)
    )
    return await machines.executions.start(machine, json.dumps(payload))


async def events(machines: Machines, row: Any) -> list[dict[str, Any]]:
    return list(await machines.executions.events(row, None, is_reversed=False))


def test_submitted_job_is_the_result_and_runs_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_home(tmp_path) as (jobs, machines):
            jobs.define("job", "")
            row = await (await start(machines, submit("submitJob"))).wait()
            output = json.loads(row.output)
            assert set(output) == {"JobArn", "JobId", "JobName", "SdkHttpMetadata", "SdkResponseMetadata"}
            job = jobs.service.find(output["JobId"])
            await job.ended.wait()  # type: ignore[union-attr]  # it is no array
            assert job.status == "SUCCEEDED"

    run(scenario())


def test_job_at_its_end_is_the_result_of_sync(tmp_path: Path) -> None:
    overrides = {"Environment": [{"Name": "SUBMITTED", "Value.$": "$.value"}]}
    definition = submit("submitJob.sync", ArrayProperties={"Size.$": "$.size"}, ContainerOverrides=overrides)

    async def scenario() -> None:
        async with open_home(tmp_path) as (jobs, machines):
            jobs.define("job", "import os; print(os.environ['SUBMITTED'])")
            row = await (await start(machines, definition, {"value": "from the state", "size": 3})).wait()
            assert row.status == "SUCCEEDED", row.cause
            output = json.loads(row.output)
            assert (output["Status"], output["ArrayProperties"]["Size"]) == ("SUCCEEDED", 3)
            assert output["ArrayProperties"]["StatusSummary"]["SUCCEEDED"] == 3
            managed = {"Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
            assert output["Container"]["Environment"][-1] == managed
            for child in await jobs.children((await jobs.describe(output["JobId"]))[0]):
                assert jobs.log(child) == "from the state\n"

    run(scenario())


def test_failed_job_fails_the_task_with_the_job_as_its_cause(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_home(tmp_path) as (jobs, machines):
            jobs.define("job", "raise SystemExit(7)")
            row = await (await start(machines, submit("submitJob.sync"))).wait()
            assert (row.status, row.error) == ("FAILED", "States.TaskFailed")
            cause = json.loads(row.cause)
            assert (cause["Status"], cause["Container"]["ExitCode"]) == ("FAILED", 7)
            assert cause["Attempts"][0]["StatusReason"] == "Essential container in task exited"

    run(scenario())


@pytest.mark.parametrize(
    ("parameters", "error", "cause"),
    [
        ({"JobQueue": "other"}, "Batch.ClientException", "JobQueue other not found."),
        ({"JobDefinition": "other"}, "Batch.ClientException", "JobDefinition other not found."),
        ({"JobName": "a b"}, "Batch.ClientException", "Job name should match"),
        ({"ArrayProperties": {"Size": 1}}, "Batch.ClientException", "must be 2 to 10000, got 1"),
        ({"Timeout": {"AttemptDurationSeconds": 59}}, "Batch.ClientException", "must be 60 to 2147483647, got 59"),
        ({"RetryStrategy": {"Attempts": 11}}, "Batch.ClientException", "attempts must be 1 to 10, got 11"),
        (
            {"Timeout": {"AttemptDurationSeconds": 10**400}},
            "Batch.ClientException",
            "must be 60 to 2147483647, got 1000",
        ),
        (
            {"ContainerOverrides": {"Environment": [{"Name": "AWS_BATCH_X", "Value": ""}]}},
            "Batch.ClientException",
            "AWS_BATCH",
        ),
        (
            {"ContainerOverrides": {"Environment": [{"Value": "x"}]}},
            "Batch.ClientException",
            "Environment variables must have a name",
        ),
        (
            {"ContainerOverrides": {"Environment": [{"Name": "X", "Value": "x" * 9_000}]}},
            "Batch.ClientException",
            "Container Overrides length must be at most 8192",
        ),
        ({"ContainerOverrides": {"InstanceType": "x"}}, "Batch.ClientException", "instanceType of containerOverrides"),
        ({"DependsOn": [{"JobId": "x"}]}, "States.Runtime", "DependsOn"),
        ({"ArrayProperties": {"size": 2, "Wrong": 1}}, "States.Runtime", "wrong"),
    ],
)
def test_wrong_parameters_fail_the_task_by_name(
    tmp_path: Path, parameters: dict[str, Any], error: str, cause: str
) -> None:
    async def scenario() -> None:
        async with open_home(tmp_path) as (jobs, machines):
            jobs.define("job", "")
            row = await (await start(machines, submit("submitJob.sync", **parameters))).wait()
            assert row.error == error
            assert cause in row.cause

    run(scenario())


def test_stopped_execution_ends_its_job(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_home(tmp_path) as (jobs, machines):
            jobs.define("job", WAIT)
            execution = await start(machines, submit("submitJob.sync"))
            while not (jobs.code / "started").exists():  # noqa: ASYNC110 - another process makes the file
                await asyncio.sleep(0.01)
            machines.executions.stop(execution.row.arn, None, "enough")
            assert (await execution.wait()).status == "ABORTED"
            ((_, job),) = jobs.service.store._jobs.items()
            await job.ended.wait()
            assert (job.status, job.is_terminated) == ("FAILED", True)
            assert "has ended" in str(job.status_reason)

    run(scenario())


def test_history_tells_when_the_job_was_submitted(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with open_home(tmp_path) as (jobs, machines):
            jobs.define("job", "")
            row = await (await start(machines, submit("submitJob.sync"))).wait()
            told = [event for event in await events(machines, row) if event["type"].startswith("Task")]
            assert [event["type"] for event in told[1:-1]] == [
                "TaskScheduled",
                "TaskStarted",
                "TaskSubmitted",
                "TaskSucceeded",
            ]
            submitted = told[3]["taskSubmittedEventDetails"]
            assert (submitted["resourceType"], submitted["resource"]) == ("batch", "submitJob.sync")
            assert json.loads(submitted["output"])["JobName"] == "job"

    run(scenario())
