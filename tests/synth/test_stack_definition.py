"""The state machine's definition: what stands in it, for Standard and for Express children."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import on_record, without_hashes
from synthesis import as_text, definition_of, resources_of

from hpc_stack.map_reduce import require_express_duration
from hpc_stack.tasks import EXPRESS_RETRIERS, Retrier

SERVICE_ERRORS = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "StorageUnavailableError",
]


@pytest.fixture(scope="module")
def express_template(synthesize: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return synthesize(child_type="EXPRESS", compute_timeout_seconds=231)


@pytest.fixture(scope="module")
def express_definition(express_template: dict[str, Any]) -> dict[str, Any]:
    return definition_of(express_template)


def child_states(definition: dict[str, Any]) -> dict[str, Any]:
    states: dict[str, Any] = definition["States"]["ComputeMap"]["ItemProcessor"]["States"]
    return states


def tasks_of(definition: dict[str, Any]) -> dict[str, Any]:
    states = definition["States"] | child_states(definition)
    return {name: state for name, state in states.items() if state["Type"] == "Task"}


def function_id(template: dict[str, Any], handler: str) -> str:
    functions = resources_of(template, "AWS::Lambda::Function")
    [name] = [name for name, each in functions.items() if each["Properties"]["Handler"] == handler]
    return name


def test_definition_is_the_one_on_record(definition: dict[str, Any]) -> None:
    assert without_hashes(definition) == on_record("map_reduce")


def test_machine_runs_start_then_the_map_then_sum(definition: dict[str, Any]) -> None:
    states = definition["States"]
    assert definition["StartAt"] == "Start"
    assert [states[name].get("Next") for name in ("Start", "ComputeMap", "Sum")] == ["ComputeMap", "Sum", None]
    assert len(states) == 3
    assert states["Sum"]["End"] is True


@pytest.mark.parametrize("name", ["Start", "Compute", "Sum"])
def test_task_invokes_its_own_function_directly(
    name: str, definition: dict[str, Any], template: dict[str, Any]
) -> None:
    expected = f"<{function_id(template, f'lambdas.{name.lower()}.handler')}.Arn>"
    assert tasks_of(definition)[name]["Resource"] == expected


def test_run_ends_in_time(definition: dict[str, Any]) -> None:
    assert definition["TimeoutSeconds"] == 90_000


def test_start_gets_the_execution_and_its_output_replaces_the_state(definition: dict[str, Any]) -> None:
    start = definition["States"]["Start"]
    assert start["Parameters"] == {
        "input.$": "$",
        "name.$": "$$.Execution.Name",
        "started.$": "$$.Execution.StartTime",
    }
    assert not {"ResultPath", "ResultSelector", "OutputPath"} & set(start)


@pytest.mark.parametrize("name", ["Compute", "Sum"])
def test_task_gets_the_whole_state_and_replaces_it(name: str, definition: dict[str, Any]) -> None:
    shaping = {"Parameters", "InputPath", "ResultPath", "ResultSelector", "OutputPath"}
    assert not shaping & set(tasks_of(definition)[name])


def test_map_reads_batches_from_the_key_that_start_returns(
    definition: dict[str, Any], template: dict[str, Any]
) -> None:
    [bucket] = resources_of(template, "AWS::S3::Bucket")
    assert definition["States"]["ComputeMap"]["ItemReader"] == {
        "Resource": "arn:<AWS::Partition>:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket": f"<{bucket}>", "Key.$": "$.run.batches_key"},
    }


def test_map_writes_results_below_the_prefix_that_start_returns(
    definition: dict[str, Any], template: dict[str, Any]
) -> None:
    [bucket] = resources_of(template, "AWS::S3::Bucket")
    compute_map = definition["States"]["ComputeMap"]
    assert compute_map["ResultWriter"] == {
        "Resource": "arn:<AWS::Partition>:states:::s3:putObject",
        "Parameters": {"Bucket": f"<{bucket}>", "Prefix.$": "$.run.map_prefix"},
        "WriterConfig": {"OutputType": "JSONL", "Transformation": "NONE"},
    }
    assert compute_map["ResultPath"] == "$.map_run"


def test_map_takes_its_limits_from_the_run(definition: dict[str, Any]) -> None:
    compute_map = definition["States"]["ComputeMap"]
    assert compute_map["Label"] == "ComputeMap"
    assert compute_map["MaxConcurrencyPath"] == "$.run.max_concurrency"
    assert compute_map["ToleratedFailureCountPath"] == "$.run.tolerated_failure_count"
    assert compute_map["ItemSelector"] == {"run.$": "$.run.name", "batch.$": "$$.Map.Item.Value"}
    assert compute_map["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_map_can_be_redriven(definition: dict[str, Any]) -> None:
    assert not {"Catch", "Retry"} & set(definition["States"]["ComputeMap"])


def test_child_computes_until_its_batch_is_done(definition: dict[str, Any]) -> None:
    assert definition["States"]["ComputeMap"]["ItemProcessor"]["StartAt"] == "Compute"
    states = child_states(definition)
    assert set(states) == {"Compute", "IsBatchDone", "BatchDone"}
    assert states["Compute"]["Next"] == "IsBatchDone"
    assert states["IsBatchDone"] == {
        "Type": "Choice",
        "Choices": [{"Variable": "$.done", "BooleanEquals": True, "Next": "BatchDone"}],
        "Default": "Compute",
    }
    assert states["BatchDone"] == {"Type": "Succeed"}


def retry(errors: list[str], interval: int, attempts: int, longest: int) -> dict[str, Any]:
    return {
        "ErrorEquals": errors,
        "IntervalSeconds": interval,
        "MaxAttempts": attempts,
        "BackoffRate": 2,
        "MaxDelaySeconds": longest,
        "JitterStrategy": "FULL",
    }


STANDARD_RETRY = [retry(["Lambda.TooManyRequestsException"], 1, 100, 60), retry(SERVICE_ERRORS, 2, 15, 60)]
EXPRESS_RETRY = [retry(["Lambda.TooManyRequestsException"], 1, 9, 3), retry(SERVICE_ERRORS, 1, 6, 3)]


@pytest.mark.parametrize("name", ["Start", "Compute", "Sum"])
def test_task_retries_throttles_and_failures_of_services_only(name: str, definition: dict[str, Any]) -> None:
    assert tasks_of(definition)[name]["Retry"] == STANDARD_RETRY


def test_task_waits_a_little_longer_than_its_function_may_run(definition: dict[str, Any]) -> None:
    assert {name: task["TimeoutSeconds"] for name, task in tasks_of(definition).items()} == {
        "Start": 930,
        "Compute": 930,
        "Sum": 930,
    }


def test_express_children_differ_in_type_and_retries_and_time_out(
    definition: dict[str, Any], express_definition: dict[str, Any]
) -> None:
    expected = json.loads(json.dumps(definition))
    expected["States"]["ComputeMap"]["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    child_states(expected)["Compute"] |= {"Retry": EXPRESS_RETRY, "TimeoutSeconds": 261}
    assert express_definition == expected


def test_express_children_leave_the_machine_standard(express_template: dict[str, Any]) -> None:
    [machine] = resources_of(express_template, "AWS::StepFunctions::StateMachine").values()
    assert machine["Properties"].get("StateMachineType", "STANDARD") == "STANDARD"


def test_longest_express_child_stays_within_the_limit_of_the_service() -> None:
    waits = sum(retrier.longest_wait_seconds for retrier in EXPRESS_RETRIERS)
    assert waits == (1 + 2 + 7 * 3) + (1 + 2 + 4 * 3)
    require_express_duration(270 - waits)
    with pytest.raises(ValueError, match=r"232 s and 39 s of retries take 271 s; allowed .* 231 s"):
        require_express_duration(271 - waits)


@given(interval=st.integers(1, 100), attempts=st.integers(0, 20), longest=st.integers(1, 1_000), rate=st.integers(1, 4))
def test_longest_wait_equals_the_waits_added_one_by_one(interval: int, attempts: int, longest: int, rate: int) -> None:
    total, wait = 0, interval
    for _ in range(attempts):
        total += min(wait, longest)
        wait *= rate
    retrier = Retrier(
        ("E",), interval_seconds=interval, max_attempts=attempts, max_delay_seconds=longest, backoff_rate=rate
    )
    assert retrier.longest_wait_seconds == total


def test_machine_logs_every_event_without_data_and_traces(template: dict[str, Any]) -> None:
    [machine] = resources_of(template, "AWS::StepFunctions::StateMachine").values()
    logging = machine["Properties"]["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    [destination] = logging["Destinations"]
    log_group = as_text(destination["CloudWatchLogsLogGroup"]["LogGroupArn"]).removeprefix("<").removesuffix(".Arn>")
    name = template["Resources"][log_group]["Properties"]["LogGroupName"]
    assert name.startswith("/aws/vendedlogs/states/HpcStack-MapReduce")
    assert machine["Properties"]["TracingConfiguration"] == {"Enabled": True}
