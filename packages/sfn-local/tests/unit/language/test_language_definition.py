import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_values import JSON
from sfn_local.language.checks import CHECKS
from sfn_local.language.definition import InvalidDefinition, load, states_of_workflow
from sfn_local.language.fields import OBJECT_FIELDS, STATE_FIELDS

PASS = {"Type": "Pass", "End": True}
LOOP = {"Type": "Pass", "Next": "A"}
ENDLESS = {"StartAt": "A", "States": {"A": LOOP}}
LONG = "S" * 81
DEEP: list = []
for _ in range(5_000):
    DEEP = [DEEP]
TASK = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}


def machine(state, **fields):
    return {"StartAt": "S", "States": {"S": state}, **fields}


def map_state(mode=None, **fields):
    config = {} if mode is None else {"ProcessorConfig": mode}
    processor = {"StartAt": "Inner", "States": {"Inner": PASS}, **config}
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
READER = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key.$": "$.k"}}
WRITER = {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix.$": "$.p"}}

COMPLETE = {
    "Comment": "every kind of state",
    "Version": "1.0",
    "TimeoutSeconds": 60,
    "StartAt": "Choose",
    "States": {
        "Choose": {
            "Type": "Choice",
            "Choices": [
                {
                    "And": [{"Variable": "$.a", "IsPresent": True}, {"Not": {"Variable": "$.a", "IsNull": True}}],
                    "Next": "Work",
                },
                {
                    "Variable": "$.t",
                    "TimestampLessThanPath": "$$.Execution.StartTime",
                    "Next": "Map",
                    "Assign": {"x": 1},
                },
            ],
            "Default": "Pause",
        },
        "Work": {
            **TASK,
            "TimeoutSecondsPath": "$.t",
            "HeartbeatSeconds": 5,
            "Parameters": {"FunctionName.$": "$.f", "Payload": {"all.$": "$"}},
            "ResultSelector": {"Payload.$": "$.Payload"},
            "ResultPath": "$.result",
            "Retry": [
                {"ErrorEquals": ["A"], "IntervalSeconds": 1, "MaxAttempts": 0, "BackoffRate": 1.5},
                {"ErrorEquals": ["States.ALL"], "MaxDelaySeconds": 9, "JitterStrategy": "FULL"},
            ],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed", "ResultPath": None}],
        },
        "Map": {
            "Type": "Map",
            "Label": "Compute-1",
            "ItemReader": {**READER, "ReaderConfig": {"InputType": "JSONL", "MaxItemsPath": "$.n"}},
            "ItemSelector": {"value.$": "$$.Map.Item.Value"},
            "ItemBatcher": {"MaxItemsPerBatch": 5, "BatchInput": {"a.$": "$.a"}},
            "MaxConcurrencyPath": "$.c",
            "ToleratedFailurePercentage": 0.5,
            "ResultWriter": {**WRITER, "WriterConfig": {"Transformation": "NONE", "OutputType": "JSONL"}},
            "ItemProcessor": {
                "ProcessorConfig": DISTRIBUTED,
                "StartAt": "Inner",
                "States": {
                    "Inner": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input %}", "End": True}
                },
            },
            "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Left", "States": {"Left": {"Type": "Succeed"}}},
                {"StartAt": "Right", "States": {"Right": PASS}},
            ],
            "End": True,
        },
        "Pause": {"Type": "Wait", "SecondsPath": "$.s", "Next": "Failed"},
        "Failed": {"Type": "Fail", "ErrorPath": "States.Format('{}', $.e)", "Cause": "because"},
    },
}


def refusal(definition, **options):
    with pytest.raises(InvalidDefinition) as caught:
        load(definition, **options)
    return str(caught.value)


def test_complete_definition_loads_from_text_and_from_its_value():
    for source in (COMPLETE, json.dumps(COMPLETE)):
        assert load(source) == COMPLETE


def test_states_of_workflow_walks_into_branches_and_processors():
    names = [name for name, _state in states_of_workflow(COMPLETE)]
    assert names == ["Choose", "Work", "Map", "Inner", "Both", "Left", "Right", "Pause", "Failed"]


def test_every_check_of_the_field_tables_exists():
    tables = [*STATE_FIELDS.values(), *OBJECT_FIELDS.values()]
    assert {field.check for table in tables for field in table} == set(CHECKS)


REFUSED = [json.loads(line) for line in (Path(__file__).parent / "refused_states.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", REFUSED, ids=[case["message"] for case in REFUSED])
def test_wrong_state_is_refused_with_its_place(case):
    language = case.get("query_language", "JSONPath")
    assert refusal(machine(case["state"], QueryLanguage=language)) == case["message"]


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("{", "/: not JSON: "),
        ("[" * 100_000, "/: nested too deep"),
        (machine({**PASS, "Parameters": DEEP}), "/: nested too deep"),
        ('{"StartAt": "A", "StartAt": "B"}', "/: not JSON: 'StartAt' stands twice in one object"),
        ('{"TimeoutSeconds": NaN}', "/: not JSON: NaN is not a JSON number"),
        ('"' + "x" * 1_048_576 + '"', "/: a definition has at most 1048576 bytes"),
        ("[]", "/: must be an object (state machine), got []"),
        ({"States": {"S": PASS}}, "/: These fields are required: [StartAt]"),
        ({"StartAt": "S"}, "/: These fields are required: [States]"),
        ({"StartAt": "S", "States": {}}, "/States: must be an object with at least one state, got {}"),
        ({"StartAt": "S", "States": []}, "/States: must be an object with at least one state, got []"),
        ({"StartAt": "T", "States": {"S": PASS}}, "/StartAt: names no state of this workflow, got 'T'; its states: S"),
        ({"StartAt": "S", "States": {"S": PASS, "T": PASS}}, "/States/T: is not reachable"),
        ({"StartAt": "A", "States": {"A": LOOP}}, "/States: has no terminal state"),
        (
            {"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": True, "Branches": [ENDLESS]}}},
            "/States/P/Branches/0/States: has no terminal state",
        ),
        (
            {"StartAt": "M", "States": {"M": {"Type": "Map", "End": True, "ItemProcessor": ENDLESS}}},
            "/States/M/ItemProcessor/States: has no terminal state",
        ),
        ({"StartAt": "S", "States": {"S": PASS, "A": {**LOOP, "Next": "B"}, "B": LOOP}}, "/States/A: is not reachable"),
        (machine(PASS, Version="2.0"), '/Version: must be one of 1.0, got "2.0"'),
        (machine(PASS, TimeoutSeconds=0), "/TimeoutSeconds: must be an integer from 1"),
        (
            machine(PASS, Foo=1),
            "/Foo: unknown field; allowed: Comment, QueryLanguage, StartAt, States, TimeoutSeconds,",
        ),
        ({"StartAt": LONG, "States": {LONG: PASS}}, f"/States/{LONG}: must be a name of 1 to 80 characters"),
        ({"StartAt": "\ud800", "States": {"\ud800": PASS}}, "/States/\ud800: must be a name without halves of"),
    ],
)
def test_wrong_machine_is_refused(definition, message):
    assert refusal(definition).startswith(message)


def test_label_is_used_once_in_a_definition():
    first = {**map_state(DISTRIBUTED, Label="L"), "Next": "T"}
    del first["End"]
    second = copy.deepcopy(map_state(DISTRIBUTED, Label="L"))
    second["ItemProcessor"] = {**second["ItemProcessor"], "StartAt": "Other", "States": {"Other": PASS}}
    definition = {"StartAt": "S", "States": {"S": first, "T": second}}
    assert refusal(definition) == "/States/T/Label: the label is used already at /States/S/Label"


def test_resource_that_cannot_be_run_is_refused_by_the_check_that_is_passed_in():
    def check(resource):
        return f"not supported: {resource}" if "sqs" in resource else None

    load(machine(TASK), check)
    message = refusal(machine({**TASK, "Resource": "arn:aws:states:::sqs:sendMessage"}), check_resource=check)
    assert message == "/States/S/Resource: not supported: arn:aws:states:::sqs:sendMessage"


def test_nested_states_take_the_language_of_the_machine():
    inner = {"Type": "Pass", "Output": "{% 1 %}", "End": True}
    processor = {"StartAt": "Inner", "States": {"Inner": inner}}
    load(machine({"Type": "Map", "ItemProcessor": processor, "End": True}, QueryLanguage="JSONata"))
    in_state = machine({"Type": "Map", "QueryLanguage": "JSONata", "ItemProcessor": processor, "End": True})
    assert refusal(in_state) == ("/States/S/ItemProcessor/States/Inner/Output: belongs to query language JSONata only")


@given(st.data())
def test_load_refuses_by_name_or_accepts_whatever_stands_in_a_definition(data):
    definition = copy.deepcopy(COMPLETE)
    target = definition
    for _ in range(data.draw(st.integers(1, 6))):
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if isinstance(target[key], dict | list) and target[key] and data.draw(st.booleans()):
            target = target[key]
        else:
            target[key] = data.draw(JSON)
            break
    try:
        load(json.dumps(definition))
    except InvalidDefinition as error:
        assert error.reason  # noqa: PT017  accepting it is as good as this error
