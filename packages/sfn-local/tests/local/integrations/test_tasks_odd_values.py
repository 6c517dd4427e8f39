"""Values that fuzzing found to end as internal errors, or to end the store: each is refused by name, or kept."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sfn_local.protocol import ServiceError
from sfn_local.storage.execution_store import ExecutionRow
from state_machines import BUCKET, Home, open_home

HALF = "\ud800"  # of a surrogate pair: JSON can carry it, UTF-8 can't
CHILDREN = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "Child",
    "States": {"Child": {"Type": "Pass", "End": True}},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with open_home(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def machine(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"StartAt": "S", "States": {"S": state}, **fields}


def test_half_of_a_surrogate_pair_in_a_cause_is_kept_and_the_store_goes_on(home: Home) -> None:
    row = home.run(machine({"Type": "Fail", "Error": "\ud800", "Cause": "a\udfffb"}))
    described = home.states("DescribeExecution", executionArn=row.arn)
    assert (described["error"], described["cause"]) == ("\ud800", "a\udfffb")
    assert home.run(machine({"Type": "Pass", "Result": "é\ud800", "End": True})).output == r'"é\ud800"'
    assert home.run(machine({"Type": "Pass", "End": True})).status == "SUCCEEDED"


def test_half_of_a_surrogate_pair_is_refused_in_a_request(home: Home) -> None:
    tags = [{"key": "k", "value": "\ud800"}]
    with pytest.raises(ServiceError, match="half of a surrogate pair") as caught:
        home.states("CreateStateMachine", name="n", definition="{}", roleArn="arn:aws:iam::1:role/r", tags=tags)
    assert caught.value.code == "ValidationException"


def test_object_that_is_put_without_a_body_is_empty(home: Home) -> None:
    put = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "End": True}
    row = home.run(machine({**put, "Parameters": {"Bucket": BUCKET, "Key": "empty"}}))
    assert row.status == "SUCCEEDED", row.cause
    assert home.read("empty") == ""


@pytest.mark.parametrize("name", [True, None, ["f"]])
def test_function_name_that_is_no_text_is_refused(home: Home, name: Any) -> None:
    invoke = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    row = home.run(machine({**invoke, "Parameters": {"FunctionName": name}}))
    assert row.error == "States.Runtime"
    assert "FunctionName of lambda:invoke must be a text" in row.cause


@pytest.mark.parametrize("arguments", ["{% true %}", "{% [] %}", "{% null %}", "{% 'x' %}"])
@pytest.mark.parametrize("field", ["ItemReader", "ResultWriter"])
def test_arguments_of_a_map_that_are_no_object_are_refused(home: Home, field: str, arguments: str) -> None:
    resource = "arn:aws:states:::s3:" + ("getObject" if field == "ItemReader" else "putObject")
    described: dict[str, Any] = {"Resource": resource, "Arguments": arguments}
    if field == "ItemReader":
        described["ReaderConfig"] = {"InputType": "JSONL"}
    state = {"Type": "Map", "ItemProcessor": CHILDREN, field: described, "End": True}
    row = home.run(machine(state, QueryLanguage="JSONata"), [1])
    assert row.error == f"States.{field}Failed"


@pytest.mark.parametrize(
    ("field", "action", "place"),
    [
        ("ItemReader", "getObject", {"Bucket": HALF, "Key": "k"}),
        ("ItemReader", "getObject", {"Bucket": BUCKET, "Key": HALF}),
        ("ItemReader", "listObjectsV2", {"Bucket": HALF}),
        ("ResultWriter", "putObject", {"Bucket": HALF, "Prefix": "p"}),
        ("ResultWriter", "putObject", {"Bucket": BUCKET, "Prefix": HALF}),
    ],
)
def test_place_of_a_map_that_holds_half_of_a_surrogate_pair_is_refused(
    home: Home, field: str, action: str, place: dict[str, str]
) -> None:
    described: dict[str, Any] = {"Resource": f"arn:aws:states:::s3:{action}", "Parameters": place}
    if action == "getObject":
        described["ReaderConfig"] = {"InputType": "JSONL"}
    row = home.run(machine({"Type": "Map", "ItemProcessor": CHILDREN, field: described, "End": True}), [1])
    assert row.error == f"States.{field}Failed", row.cause


def test_listing_of_a_prefix_that_holds_half_of_a_surrogate_pair_has_no_items(home: Home) -> None:
    reader = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": BUCKET, "Prefix": HALF}}
    row = home.run(machine({"Type": "Map", "ItemProcessor": CHILDREN, "ItemReader": reader, "End": True}))
    assert (row.status, row.output) == ("SUCCEEDED", "[]"), row.cause


@pytest.mark.parametrize(("bucket", "key"), [(HALF, "k"), (BUCKET, HALF)])
@pytest.mark.parametrize("action", ["getObject", "headObject", "putObject"])
def test_object_of_a_task_that_holds_half_of_a_surrogate_pair_is_refused(
    home: Home, action: str, bucket: str, key: str
) -> None:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::aws-sdk:s3:{action}", "End": True}
    row = home.run(machine({**state, "Parameters": {"Bucket": bucket, "Key": key}}))
    assert row.error.startswith("S3."), row.cause


@pytest.mark.parametrize("moment", ["2001-02-03T04:05:06Z", "2001-02-03", 981_173_106])
def test_moment_of_an_object_is_a_text_or_a_number(home: Home, moment: Any) -> None:
    def s3(action: str, **parameters: Any) -> ExecutionRow:
        place = {"Bucket": BUCKET, "Key": "moment", **parameters}
        resource = f"arn:aws:states:::aws-sdk:s3:{action}"
        return home.run(machine({"Type": "Task", "Resource": resource, "Parameters": place, "End": True}))

    assert s3("putObject", Body="b", Expires=moment).status == "SUCCEEDED"
    expires = json.loads(s3("headObject", IfModifiedSince=moment).output)["Expires"]
    assert expires.startswith("2001-02-03")
    assert s3("getObject", IfUnmodifiedSince=moment).error == "S3.S3Exception"


@pytest.mark.parametrize("moment", [10**400, 1e308, 2**63, "1e999"])
def test_moment_that_no_calendar_has_is_refused(home: Home, moment: Any) -> None:
    put = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:putObject", "End": True}
    row = home.run(machine({**put, "Parameters": {"Bucket": BUCKET, "Key": "expires", "Expires": moment}}))
    assert row.error == "States.Runtime"
    assert "the parameters of s3 PutObject are not valid" in row.cause


@pytest.mark.parametrize("count", [10**30, 10**400])
def test_count_that_no_integer_holds_is_refused(home: Home, count: int) -> None:
    state = {"Type": "Map", "ItemsPath": "$.items", "ToleratedFailureCountPath": "$.n", "End": True}
    row = home.run(machine({**state, "ItemProcessor": CHILDREN}), {"items": [1], "n": count})
    assert row.error == "States.Runtime"
    assert "ToleratedFailureCount must be at most" in row.cause


def test_data_nested_deeper_than_python_reads_fails_by_name(home: Home) -> None:
    wrapped: Any = {"x.$": "$"}
    for _ in range(300):
        wrapped = {"a": wrapped}
    again = {"Type": "Choice", "Choices": [{"Variable": "$", "IsPresent": True, "Next": "S"}], "Default": "End"}
    states = {"S": {"Type": "Pass", "Parameters": wrapped, "Next": "Again"}, "Again": again, "End": {"Type": "Succeed"}}
    row = home.run({"StartAt": "S", "States": states}, {})
    assert (row.error, json.loads(row.input)) == ("States.Runtime", {})
    assert row.cause == "the data is nested too deep"
