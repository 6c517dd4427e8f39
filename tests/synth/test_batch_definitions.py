"""Definitions with AWS Batch: the back ends of MapReduce, and the three machines of the orchestrator."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from recorded import on_record, without_hashes
from synthesis import as_text, definitions_of, resources_of

from hpc_stack.config import HpcConfig

STARTED_BY = {"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id"}
PARTITION = "arn:<AWS::Partition>:states:::"


@pytest.fixture(scope="module")
def definitions(full_template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return definitions_of(full_template)


def all_states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from all_states(state["ItemProcessor"])


def tasks(definitions: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for machine, definition in definitions.items():
        for name, state in all_states(definition):
            if state["Type"] == "Task":
                yield f"{machine}.{name}", state


@pytest.mark.parametrize(
    ("machine", "record"),
    [
        ("MapReduce", "map_reduce_with_jobs"),
        ("ComplexOrchestrator", "complex_orchestrator"),
        ("SyncNested", "sync_nested"),
        ("CallbackNotify", "callback_notify"),
    ],
)
def test_definition_is_the_one_on_record(machine: str, record: str, definitions: dict[str, dict[str, Any]]) -> None:
    assert without_hashes(definitions[machine]) == on_record(record)


def test_every_task_has_a_time_out(definitions: dict[str, dict[str, Any]]) -> None:
    found = dict(tasks(definitions))
    assert len(found) == 16
    assert [name for name, state in found.items() if not state.get("TimeoutSeconds")] == []


def test_every_callback_has_a_heartbeat_that_is_shorter_than_its_time_out(
    definitions: dict[str, dict[str, Any]],
) -> None:
    callbacks = {name: state for name, state in tasks(definitions) if state["Resource"].endswith(".waitForTaskToken")}
    assert set(callbacks) == {"MapReduce.ComputeCallbackJob", "SyncNested.Notify", "SyncNested.ComputeCallbackJob"}
    for state in callbacks.values():
        assert 0 < state["HeartbeatSeconds"] < state["TimeoutSeconds"]
        assert state["Resource"] == f"{PARTITION}lambda:invoke.waitForTaskToken"
        assert state["Parameters"]["Payload"]["task_token.$"] == "$$.Task.Token"


def test_callbacks_are_tried_again_only_when_the_function_did_not_begin(
    definitions: dict[str, dict[str, Any]],
) -> None:
    for name, state in tasks(definitions):
        if state["Resource"].endswith(".waitForTaskToken"):
            assert [each["ErrorEquals"] for each in state["Retry"]] == [["Lambda.TooManyRequestsException"]], name


def test_choice_sends_each_back_end_to_its_task_and_all_to_sum(definitions: dict[str, dict[str, Any]]) -> None:
    states = definitions["MapReduce"]["States"]
    assert states["Start"]["Next"] == "ChooseBackEnd"
    assert states["ChooseBackEnd"] == {
        "Type": "Choice",
        "Choices": [
            {"Variable": "$.run.back_end", "StringEquals": "batch", "Next": "ComputeArrayJob"},
            {"Variable": "$.run.back_end", "StringEquals": "batch_callback", "Next": "ComputeCallbackJob"},
        ],
        "Default": "ComputeMap",
    }
    assert {states[name]["Next"] for name in ("ComputeMap", "ComputeArrayJob", "ComputeCallbackJob")} == {"Sum"}


@pytest.mark.parametrize(("machine", "path"), [("MapReduce", "$.run"), ("SyncNested", "$.array_job.run")])
def test_array_job_gets_its_run_and_size_from_start_and_adds_nothing_to_the_state(
    machine: str, path: str, definitions: dict[str, dict[str, Any]], full_template: dict[str, Any]
) -> None:
    [definition] = resources_of(full_template, "AWS::Batch::JobDefinition")
    [queue] = resources_of(full_template, "AWS::Batch::JobQueue")
    state = definitions[machine]["States"]["ComputeArrayJob"]
    assert state["Resource"] == f"{PARTITION}batch:submitJob.sync"
    assert state["Parameters"] == {
        "JobDefinition": f"<{definition}>",
        "JobQueue": f"<{queue}.JobQueueArn>",
        "JobName.$": f"{path}.job_name",
        "ArrayProperties": {"Size.$": f"{path}.array_size"},
        "ContainerOverrides": {"Environment": [{"Name": "RUN", "Value.$": f"{path}.name"}]},
        "Tags": {"hpc-run.$": f"{path}.job_name"},
    }
    assert state["ResultPath"] is None


def test_array_job_is_submitted_once_more_when_a_child_was_lost(definitions: dict[str, dict[str, Any]]) -> None:
    retry = definitions["MapReduce"]["States"]["ComputeArrayJob"]["Retry"]
    assert [(each["ErrorEquals"], each["MaxAttempts"]) for each in retry] == [
        (["Batch.AWSBatchException", "Batch.BatchException", "Batch.ServerException"], 6),
        (["States.TaskFailed"], 1),
    ]


def test_no_state_of_map_reduce_has_a_catch(definitions: dict[str, dict[str, Any]]) -> None:
    assert [name for name, state in all_states(definitions["MapReduce"]) if "Catch" in state] == []


@pytest.mark.parametrize(
    ("machine", "state", "started"),
    [
        ("ComplexOrchestrator", "SyncNested", "SyncNested"),
        ("SyncNested", "CallbackNotify", "CallbackNotify"),
        ("CallbackNotify", "RunMapReduce", "MapReduce"),
    ],
)
def test_machines_start_each_other_in_sync_mode_without_names_and_tell_who_they_are(
    machine: str, state: str, started: str, definitions: dict[str, dict[str, Any]]
) -> None:
    task = dict(all_states(definitions[machine]))[state]
    assert task["Resource"] == f"{PARTITION}states:startExecution.sync:2"
    assert f"{started}StateMachine" in task["Parameters"]["StateMachineArn"]
    assert task["Parameters"]["Input"].items() >= STARTED_BY.items()
    assert set(task["Parameters"]) == {"StateMachineArn", "Input"}


def test_orchestrator_maps_over_the_entries_of_the_samples_payload(definitions: dict[str, dict[str, Any]]) -> None:
    [(name, entries)] = definitions["ComplexOrchestrator"]["States"].items()
    assert name == "MapEntries"
    assert entries["ItemsPath"] == "$.input.entries"
    assert entries["ItemSelector"] == {
        "entry.$": "$$.Map.Item.Value",
        "entry_count.$": "States.ArrayLength($.input.entries)",
    }
    assert entries["MaxConcurrency"] == 2
    assert entries["ItemProcessor"]["ProcessorConfig"] == {"Mode": "INLINE"}


def test_entries_at_once_fit_the_quota_of_a_region() -> None:
    config, children = HpcConfig(), 3
    assert config.orchestrator_max_concurrency * children * config.batch_vcpus <= config.batch_max_vcpus == 6


def test_entry_is_tried_again_as_the_sample_does_and_its_failure_ends_the_orchestrator(
    definitions: dict[str, dict[str, Any]],
) -> None:
    states = definitions["ComplexOrchestrator"]["States"]["MapEntries"]["ItemProcessor"]["States"]
    [retry] = states["SyncNested"]["Retry"]
    assert (retry["ErrorEquals"], retry["IntervalSeconds"], retry["BackoffRate"], retry["MaxAttempts"]) == (
        ["States.TaskFailed"],
        30,
        2,
        3,
    )
    assert states["SyncNested"]["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "IsFailureOfExecution"}
    ]
    # The branch can't be redriven: what is caught has ended, and what follows it only fails.
    assert {state["Type"] for name, state in states.items() if name != "SyncNested"} == {"Choice", "Pass", "Fail"}


def test_failed_entry_ends_with_its_own_error_and_cause(definitions: dict[str, dict[str, Any]]) -> None:
    states = definitions["ComplexOrchestrator"]["States"]["MapEntries"]["ItemProcessor"]["States"]
    assert states["EntryFailed"] == {
        "Type": "Fail",
        "ErrorPath": "$.execution.Error",
        "CausePath": "$.execution.Cause",
    }
    assert states["EntryNotRun"] == {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"}
    assert states["ReadFailure"]["Parameters"]["execution.$"] == "States.StringToJson($.failure.Cause)"
    assert states["HasFailureOfItsOwn"]["Default"] == "EntryNotRun"


def test_entry_goes_through_every_back_end_and_is_compared(definitions: dict[str, dict[str, Any]]) -> None:
    definition = definitions["SyncNested"]
    names, name = [], definition["StartAt"]
    while name is not None:
        names.append(name)
        name = definition["States"][name].get("Next")
    assert names == [
        "Notify",
        "CallbackNotify",
        *("StartArrayJob", "ComputeArrayJob", "SumArrayJob"),
        *("StartCallbackJob", "ComputeCallbackJob", "SumCallbackJob"),
        "CompareTotals",
    ]


@pytest.mark.parametrize(("state", "back_end"), [("StartArrayJob", "batch"), ("StartCallbackJob", "batch_callback")])
def test_runs_of_an_entry_are_under_its_execution(
    state: str, back_end: str, definitions: dict[str, dict[str, Any]]
) -> None:
    parameters = definitions["SyncNested"]["States"][state]["Parameters"]
    assert parameters["name.$"] == f"States.Format('{{}}/{back_end}', $$.Execution.Name)"
    assert parameters["input"]["back_end"] == back_end


def test_states_keep_where_results_are_and_never_the_results(definitions: dict[str, dict[str, Any]]) -> None:
    kept = {"result_file", "count", "failed"}
    for machine, state in (
        ("CallbackNotify", "RunMapReduce"),
        ("SyncNested", "CallbackNotify"),
        ("SyncNested", "SumArrayJob"),
        ("SyncNested", "SumCallbackJob"),
    ):
        selector = definitions[machine]["States"][state]["ResultSelector"]
        assert {name.removesuffix(".$") for name in selector} == kept


def test_settings_of_the_orchestrator_are_in_its_definitions(synthesize: Callable[..., dict[str, Any]]) -> None:
    changed = definitions_of(
        synthesize(
            batch=True,
            orchestrator=True,
            packages_layer=False,
            orchestrator_max_concurrency=5,
            orchestrator_job_timeout_seconds=600,
            orchestrator_retry_interval_seconds=1,
            callback_heartbeat_seconds=120,
        )
    )
    entries = changed["ComplexOrchestrator"]["States"]["MapEntries"]
    sync_nested = entries["ItemProcessor"]["States"]["SyncNested"]
    assert entries["MaxConcurrency"] == 5
    assert sync_nested["Retry"][0]["IntervalSeconds"] == 1
    assert sync_nested["TimeoutSeconds"] == 3 * 600 + 1_800
    states = changed["SyncNested"]["States"]
    assert states["ComputeArrayJob"]["TimeoutSeconds"] == 600
    assert (states["ComputeCallbackJob"]["TimeoutSeconds"], states["ComputeCallbackJob"]["HeartbeatSeconds"]) == (
        600,
        120,
    )


def test_machines_log_every_event_without_data(full_template: dict[str, Any]) -> None:
    machines = resources_of(full_template, "AWS::StepFunctions::StateMachine").values()
    assert len(machines) == 4
    for machine in machines:
        logging = machine["Properties"]["LoggingConfiguration"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
        assert machine["Properties"]["TracingConfiguration"] == {"Enabled": True}
        [destination] = logging["Destinations"]
        group = as_text(destination["CloudWatchLogsLogGroup"]["LogGroupArn"]).removeprefix("<").removesuffix(".Arn>")
        assert full_template["Resources"][group]["Properties"]["LogGroupName"].startswith(
            "/aws/vendedlogs/states/HpcStack"
        )
