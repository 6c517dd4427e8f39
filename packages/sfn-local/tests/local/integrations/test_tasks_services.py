"""Tasks that call the services served here: nested executions and S3."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sfn_local.language.definition import InvalidDefinition
from state_machines import BUCKET, Home, open_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def machine(resource: str, parameters: Any, **fields: Any) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, "End": True, **fields}
    return {"StartAt": "Call", "States": {"Call": task}}


def passing(home: Home) -> str:
    return home.register("passing", {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})


def waiting(home: Home) -> str:
    return home.register("waiting", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 10**7, "End": True}}})


def test_nested_execution_in_sync_2_gives_json_and_says_when_it_was_submitted(home: Home) -> None:
    parameters = {"StateMachineArn": passing(home), "Input": {"a": 1}, "Name": "named"}
    row = home.run(machine("states:startExecution.sync:2", parameters))
    output = json.loads(row.output)
    assert (output["Status"], output["Input"], output["Output"]) == ("SUCCEEDED", {"a": 1}, {"a": 1})
    assert output["Name"] == "named"
    assert isinstance(output["StartDate"], int)
    kinds = [event["type"] for event in home.events(row.arn)]
    assert kinds[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
    assert home.events(row.arn)[2]["taskScheduledEventDetails"]["resource"] == "startExecution.sync:2"


def test_nested_execution_in_sync_gives_json_text(home: Home) -> None:
    parameters = {"StateMachineArn": passing(home), "Input": '{"a":1}'}
    output = json.loads(home.run(machine("states:startExecution.sync", parameters)).output)
    assert (output["Input"], output["Output"]) == ('{"a":1}', '{"a":1}')


def test_nested_execution_that_is_only_started_goes_on_by_itself(home: Home) -> None:
    output = json.loads(home.run(machine("states:startExecution", {"StateMachineArn": waiting(home)})).output)
    assert home.machines.executions.find(output["ExecutionArn"]).status == "RUNNING"
    home.do(home.machines.executions.stop_all("the test is over"))


@pytest.mark.parametrize("turns", [0, 100])
@pytest.mark.parametrize("pattern", [".sync", ".sync:2"])
def test_stopped_execution_stops_the_one_that_it_waits_for(home: Home, pattern: str, turns: int) -> None:
    parent = home.register(
        f"parent{len(pattern)}", machine(f"states:startExecution{pattern}", {"StateMachineArn": waiting(home)})
    )

    async def stop() -> tuple[Any, Any]:
        execution = await home.start(parent, {})
        await _until(lambda: len(home.machines.executions.running) == 2)
        (child,) = [e for arn, e in home.machines.executions.running.items() if arn != execution.row.arn]
        for _ in range(turns):  # while the child's start is on its way to the disk, or later
            await asyncio.sleep(0.001)
        home.machines.executions.stop(execution.row.arn, None, None)
        return await execution.ended, await child.ended

    rows = home.do(asyncio.wait_for(stop(), 10))
    assert [row.status for row in rows] == ["ABORTED", "ABORTED"]


def test_timed_out_task_stops_the_execution_that_it_waits_for(home: Home) -> None:
    definition = machine("states:startExecution.sync", {"StateMachineArn": waiting(home)}, TimeoutSeconds=30)
    row = home.run(definition)
    assert (row.status, row.error) == ("FAILED", "States.Timeout")
    home.do(_until(lambda: not home.machines.executions.running))


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("parameters", "error", "cause"),
    [
        (
            {"StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:none"},
            "StepFunctions.StateMachineDoesNotExistException",
            "State Machine Does Not Exist",
        ),
        ({"StateMachineArn": "PASSING", "Name": "a b"}, "StepFunctions.InvalidNameException", "Invalid Name"),
        ({"StateMachineArn": "PASSING", "Name": "\ud800"}, "StepFunctions.ValidationException", "half of a surrogate"),
        ({"StateMachineArn": {"no": "text"}}, "States.Runtime", "Invalid type for parameter stateMachineArn"),
        ({"StateMachineArn": "PASSING", "Colour": 1}, "States.Runtime", "parameters Colour"),
        ({"Input": {}}, "States.Runtime", "parameters StateMachineArn of states:startExecution are missing"),
    ],
)
def test_nested_execution_that_can_not_start_says_why(
    home: Home, parameters: dict[str, Any], error: str, cause: str
) -> None:
    if parameters.get("StateMachineArn") == "PASSING":
        parameters = {**parameters, "StateMachineArn": passing(home)}
    row = home.run(machine("states:startExecution", parameters))
    assert (row.error, cause in row.cause) == (error, True), (row.error, row.cause)


def test_object_that_a_task_puts_is_what_another_gets(home: Home) -> None:
    put = home.run(machine("aws-sdk:s3:putObject", {"Bucket": BUCKET, "Key": "k", "Body.$": "$"}), {"ä": [1, None]})
    assert set(json.loads(put.output)) == {"ChecksumCRC32", "ChecksumType", "ETag", "ServerSideEncryption"}
    got = json.loads(home.run(machine("aws-sdk:s3:getObject", {"Bucket": BUCKET, "Key": "k"})).output)
    assert json.loads(got["Body"]) == {"ä": [1, None]}
    assert got["ETag"] == json.loads(put.output)["ETag"]
    listed = json.loads(home.run(machine("aws-sdk:s3:listObjectsV2", {"Bucket": BUCKET, "Prefix": "k"})).output)
    assert [(entry["Key"], entry["Size"]) for entry in listed["Contents"]] == [("k", got["ContentLength"])]


@pytest.mark.parametrize(
    ("action", "parameters", "error", "cause"),
    [
        ("getObject", {"Bucket": BUCKET, "Key": "no"}, "S3.NoSuchKeyException", "The specified key does not exist."),
        ("getObject", {"Bucket": "no-bucket", "Key": "no"}, "S3.NoSuchBucketException", "Status Code: 404"),
        ("getObject", {"Bucket": BUCKET}, "States.Runtime", 'Missing required parameter in input: "Key"'),
        ("getObject", {"Bucket": BUCKET, "Key": "k", "Colour": 1}, "States.Runtime", "Colour"),
        ("listObjectsV2", {"Bucket": "no-bucket"}, "S3.NoSuchBucketException", "The specified bucket does not exist"),
        ("putObject", {"Bucket": BUCKET, "Key": "k", "ACL": "private"}, "S3.S3Exception", "ACL"),
    ],
)
def test_s3_task_that_fails_names_the_error_as_the_sdk_does(
    home: Home, action: str, parameters: dict[str, Any], error: str, cause: str
) -> None:
    row = home.run(machine(f"aws-sdk:s3:{action}", parameters))
    assert (row.error, cause in row.cause) == (error, True), (row.error, row.cause)


@pytest.mark.parametrize("size", [262_145, 3_000_000])
def test_object_that_is_too_big_for_a_payload_is_refused(home: Home, size: int) -> None:
    home.put("big", "x" * size)
    row = home.run(machine("aws-sdk:s3:getObject", {"Bucket": BUCKET, "Key": "big"}))
    assert (row.status, row.error) == ("FAILED", "States.DataLimitExceeded")


@pytest.mark.parametrize(
    "resource",
    ["batch:submitJob", "states:startExecution.sync.waitForTaskToken", "aws-sdk:s3:deleteBucket", "sns:publish"],
)
def test_resource_that_can_not_be_called_here_is_refused_by_name(home: Home, resource: str) -> None:
    with pytest.raises(
        InvalidDefinition, match=rf"/States/Call/Resource: resource arn:aws:states:::{resource} can't be"
    ):
        home.register("refused", machine(resource, {}))
