"""State machines to be mutated: small ones of every state type in both query languages, and those of the stack."""

import json
from typing import Any

from fuzz_engine import BUCKET, JOB_DEFINITION_ARN, JOB_QUEUE, STACK_MACHINES, function_arn, machine_arn, on_record

INPUT = {"x": 1, "items": [1, 2, 3], "name": "n", "flag": True, "nested": {"list": [{"a": 1}, {"a": 2}]}}
NESTED_ARN = machine_arn("nested")


def _machine(*states: tuple[str, dict[str, Any]], **fields: Any) -> dict[str, Any]:
    names = [name for name, _state in states]
    for place, (_name, state) in enumerate(states):
        if state["Type"] not in ("Choice", "Succeed", "Fail"):
            state.update({"Next": names[place + 1]} if place + 1 < len(states) else {"End": True})
    return {"StartAt": names[0], "States": dict(states), **fields}


_RETRY = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 2, "BackoffRate": 1.5}]
_CATCH = [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Last"}]

PASS = _machine(
    (
        "First",
        {"Type": "Pass", "Parameters": {"x.$": "$.x", "f.$": "States.Format('{}', $.name)"}, "ResultPath": "$.r"},
    ),
    ("Second", {"Type": "Pass", "InputPath": "$.r", "Result": {"a": [1, 2]}, "OutputPath": "$.a"}),
    ("Third", {"Type": "Pass", "Assign": {"v.$": "$[0]"}}),
    ("Last", {"Type": "Pass", "Parameters": {"v.$": "$v", "sum.$": "States.MathAdd($v, 1)"}}),
)
WAIT = _machine(
    ("Wait", {"Type": "Wait", "SecondsPath": "$.x"}),
    ("Until", {"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z"}),
    ("Last", {"Type": "Succeed", "OutputPath": "$.nested"}),
    TimeoutSeconds=3_000,
)
CHOICE = _machine(
    (
        "Choose",
        {
            "Type": "Choice",
            "Choices": [
                {"And": [{"Variable": "$.x", "NumericGreaterThan": 0}, {"Not": {"Variable": "$.flag", "IsNull": True}}]}
                | {"Next": "Good"},
                {"Variable": "$.name", "StringMatches": "n*", "Next": "Bad"},
            ],
            "Default": "Bad",
        },
    ),
    ("Good", {"Type": "Succeed"}),
    ("Bad", {"Type": "Fail", "Error": "Chosen", "CausePath": "$.name"}),
)
TASK = _machine(
    (
        "Echo",
        {
            "Type": "Task",
            "Resource": function_arn("Echo"),
            "Parameters": {"given.$": "$.items"},
            "ResultSelector": {"list.$": "$.echo.given", "length.$": "States.ArrayLength($.echo.given)"},
            "ResultPath": "$.task",
            "TimeoutSeconds": 3_000,
            "Retry": _RETRY,
            "Catch": _CATCH,
        },
    ),
    (
        "Invoke",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": function_arn("Echo"), "Payload.$": "$.task"},
            "OutputPath": "$.Payload",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}],
        },
    ),
    ("Last", {"Type": "Pass"}),
)
SERVICES = _machine(
    (
        "Put",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
            "Parameters": {"Bucket": BUCKET, "Key": "fuzz/object", "Body.$": "$.nested"},
            "ResultPath": "$.put",
        },
    ),
    (
        "Get",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": {"Bucket": BUCKET, "Key": "fuzz/object"},
            "ResultSelector": {"body.$": "$.Body"},
            "ResultPath": "$.get",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}],
        },
    ),
    (
        "Nested",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Parameters": {"StateMachineArn": NESTED_ARN, "Input": {"x.$": "$.x"}},
            "ResultPath": "$.nested",
            "ResultSelector": {"output.$": "$.Output"},
            "TimeoutSeconds": 3_000,
        },
    ),
    ("Last", {"Type": "Pass", "InputPath": "$.nested"}),
)
JOBS = _machine(
    (
        "Submit",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Parameters": {
                "JobName.$": "$.name",
                "JobQueue": JOB_QUEUE.arn,
                "JobDefinition": JOB_DEFINITION_ARN,
                "ArrayProperties": {"Size": 2},
                "ContainerOverrides": {"Command": ["true"], "Environment": [{"Name": "X", "Value.$": "$.name"}]},
                "RetryStrategy": {"Attempts": 1},
                "Timeout": {"AttemptDurationSeconds": 3_000},
                "Tags": {"name.$": "$.name"},
            },
            "ResultSelector": {"status.$": "$.Status", "array.$": "$.ArrayProperties.StatusSummary"},
            "ResultPath": "$.job",
            "TimeoutSeconds": 3_000,
            "Retry": _RETRY,
        },
    ),
    (
        "Callback",
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Parameters": {
                "FunctionName": function_arn("OrchestratorNotify"),
                "Payload": {"entry": {"name.$": "$.name"}, "entry_count": 1, "task_token.$": "$$.Task.Token"},
            },
            "HeartbeatSeconds": 2_000,
            "TimeoutSeconds": 3_000,
            "ResultPath": "$.plan",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}],
        },
    ),
    ("Last", {"Type": "Pass", "OutputPath": "$.plan"}),
)
PARALLEL = _machine(
    (
        "Both",
        {
            "Type": "Parallel",
            "Branches": [
                _machine(("Left", {"Type": "Pass", "InputPath": "$.x"})),
                _machine(("Right", {"Type": "Wait", "Seconds": 1}), ("Fail", {"Type": "Fail", "Error": "Right"})),
            ],
            "ResultPath": "$.both",
            "Retry": _RETRY,
            "Catch": [{"ErrorEquals": ["Right"], "ResultPath": "$.caught", "Next": "Last"}],
        },
    ),
    ("Last", {"Type": "Pass", "Parameters": {"x.$": "$.x", "why.$": "$.caught.Error"}}),
)
INLINE_MAP = _machine(
    (
        "Each",
        {
            "Type": "Map",
            "ItemsPath": "$.items",
            "MaxConcurrency": 2,
            "ItemSelector": {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "n.$": "$.name"},
            "ItemProcessor": _machine(
                ("Inner", {"Type": "Pass", "OutputPath": "$.v"}), ProcessorConfig={"Mode": "INLINE"}
            ),
            "ResultSelector": {"all.$": "$"},
            "ResultPath": "$.mapped",
        },
    ),
    ("Last", {"Type": "Pass", "InputPath": "$.mapped.all"}),
)
DISTRIBUTED_MAP = _machine(
    (
        "Many",
        {
            "Type": "Map",
            "Label": "Many",
            "ItemsPath": "$.items",
            "MaxConcurrency": 2,
            "ToleratedFailureCount": 1,
            "ItemBatcher": {"MaxItemsPerBatch": 2, "BatchInput": {"n.$": "$.name"}},
            "ItemProcessor": _machine(
                ("Child", {"Type": "Pass", "Parameters": {"sum.$": "States.ArrayLength($.Items)"}}),
                ProcessorConfig={"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            ),
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": BUCKET, "Prefix": "fuzz/map"},
                "WriterConfig": {"OutputType": "JSONL", "Transformation": "COMPACT"},
            },
            "ResultPath": "$.map",
        },
    ),
    ("Last", {"Type": "Pass", "InputPath": "$.map.ResultWriterDetails.Bucket"}),
)
READ_MAP = _machine(
    (
        "Read",
        {
            "Type": "Map",
            "Label": "Read",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 3},
                "Parameters": {"Bucket": BUCKET, "Key": "fuzz/items.csv"},
            },
            "ToleratedFailurePercentage": 50,
            "ItemProcessor": _machine(
                ("Row", {"Type": "Pass", "InputPath": "$.a"}),
                ProcessorConfig={"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            ),
        },
    ),
)
JSONATA = _machine(
    ("First", {"Type": "Pass", "Output": "{% {'x': $states.input.x + 1, 'l': $states.input.items[$ > 1]} %}"}),
    ("Set", {"Type": "Pass", "Assign": {"v": "{% $sum($states.input.l) %}"}}),
    (
        "Call",
        {
            "Type": "Task",
            "Resource": function_arn("Echo"),
            "Arguments": {"v": "{% $v %}"},
            "Output": "{% $states.result.echo %}",
            "Retry": _RETRY,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "Last"}],
        },
    ),
    (
        "Each",
        {
            "Type": "Map",
            "Items": "{% [1..3] %}",
            "ItemSelector": {"i": "{% $states.context.Map.Item.Value %}"},
            "ItemProcessor": _machine(("Inner", {"Type": "Wait", "Seconds": "{% $states.input.i %}"})),
        },
    ),
    (
        "Choose",
        {"Type": "Choice", "Choices": [{"Condition": "{% $v > 1 %}", "Next": "Last"}], "Default": "Bad"},
    ),
    ("Bad", {"Type": "Fail", "Error": "{% 'E' & $v %}", "Cause": "{% $string($states.input) %}"}),
    ("Last", {"Type": "Succeed", "Output": {"v": "{% $v %}", "n": "{% $count($states.input) %}"}}),
    QueryLanguage="JSONata",
)

MACHINES = {
    "pass": PASS,
    "wait": WAIT,
    "choice": CHOICE,
    "task": TASK,
    "services": SERVICES,
    "jobs": JOBS,
    "parallel": PARALLEL,
    "inline_map": INLINE_MAP,
    "distributed_map": DISTRIBUTED_MAP,
    "read_map": READ_MAP,
    "jsonata": JSONATA,
}
# Those that an Express state machine may have: none waits for another execution or has a Distributed Map.
EXPRESS = ["pass", "wait", "choice", "task", "parallel", "inline_map", "jsonata"]
# An entry of the orchestrator; definitions on record that submit jobs or start each other, with what they run on.
_ENTRY = {"name": "one", "size": 3, "workload": "squares"}
RUN = {"size": 3, "workload": "squares", "batch_size": 2}
NESTED = {
    "complex_orchestrator": [{"input": {"entries": [_ENTRY]}}],
    "sync_nested": [{"entry": _ENTRY, "entry_count": 1}],
    "callback_notify": [{"input": {"size": 3, "workload": "squares", "params": {}}}],
    "map_reduce_with_jobs": [RUN | {"back_end": back_end} for back_end in ("batch", "batch_callback")],
}
# What tasks that submit jobs and start machines take.
TASK_FIELDS = (
    *("JobName", "JobQueue", "JobDefinition", "ArrayProperties", "Size", "ContainerOverrides", "Command"),
    *("Environment", "Name", "Value", "RetryStrategy", "Attempts", "Timeout", "AttemptDurationSeconds", "Tags"),
    *("PropagateTags", "FunctionName", "Payload", "InvocationType", "StateMachineArn", "Input", "TraceHeader"),
)


def prepare(engine: Any) -> None:
    """Put what the machines read and start."""
    engine.objects.put(BUCKET, "fuzz/items.csv", [b"a,b\n1,x\n2,y\n3,z\n"])
    started = {name: on_record(definition) for name, definition in STACK_MACHINES.items()}
    started["nested"] = {"StartAt": "N", "States": {"N": {"Type": "Pass", "End": True}}}
    for name, definition in started.items():
        engine.machines.register(
            arn=machine_arn(name),
            name=name,
            machine_type="STANDARD",
            role_arn="arn:role",
            definition=json.dumps(definition),
        )
