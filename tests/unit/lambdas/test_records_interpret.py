"""Records: what AWS writes about a child execution is read in every shape, and what is not of the run is named."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ResponseStreamingError

from lambdas.results.records import interpret
from lambdas.run_files import storage
from lambdas.run_files.checksums import with_checksum
from lambdas.run_files.errors import ResultFileError, StorageAccessError, StorageUnavailableError


def none_record(output: Any, **changes: Any) -> dict[str, Any]:
    return {"Status": "SUCCEEDED", "Input": "{}", "Output": json.dumps(output)} | changes


FAILED = {"index": 5, "error_type": "ValueError", "message": "bad", "traceback": ""}
PARTS = [{"first": 4, "count": 2, "result": "9"}]
OUTPUT = with_checksum({"done": True, "run": "a", "batch": 1, "first": 4, "count": 2, "parts": PARTS})


@pytest.mark.parametrize(
    "value", [OUTPUT, {"Payload": OUTPUT, "StatusCode": 200}, none_record(OUTPUT), none_record({"Payload": OUTPUT})]
)
def test_interpret_reads_the_output_of_compute_in_every_shape(value: Any) -> None:
    record = interpret(value, "a", "SUCCEEDED")
    assert (record.first, record.count, record.parts, record.failed_count) == (4, 2, PARTS, 0)


@pytest.mark.parametrize("result", [10**40, str(10**40)])
def test_interpret_reads_records_of_the_original_program(result: Any) -> None:
    value = none_record({"Payload": {"index": 7, "size": 9, "result": result}, "StatusCode": 200})
    record = interpret(value, "a", "SUCCEEDED")
    assert (record.first, record.count, record.parts[0]["result"]) == (7, 1, str(10**40))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {
                "Error": "ItemFailedError",
                "Cause": '{"errorMessage": "item 4 failed: x", "errorType": "ItemFailedError"}',
            },
            "ItemFailedError: item 4 failed: x",
        ),
        ({"Error": "States.Timeout"}, "States.Timeout"),
        ({"Status": "ABORTED", "Cause": "the threshold was exceeded"}, "ABORTED: the threshold was exceeded"),
        ({"Status": "PENDING"}, "PENDING"),
        ({"Error": "E", "Cause": "[1]"}, "E: [1]"),
    ],
)
def test_interpret_names_the_error_of_a_failed_child(fields: dict[str, Any], error: str) -> None:
    child_input = json.dumps({"run": "a", "batch": {"batch": 1, "first": 4, "count": 2}})
    record = interpret({"Status": "FAILED", "Input": child_input} | fields, "a", "FAILED")
    assert (record.first, record.count, str(record.failure), record.failed_count) == (4, 2, error, 2)


@pytest.mark.parametrize(
    ("value", "status", "message"),
    [
        (OUTPUT | {"run": "b"}, "SUCCEEDED", "belongs to the run .b., not to a"),
        (OUTPUT | {"done": False}, "SUCCEEDED", "batch 1 ended before it was done"),
        (OUTPUT | {"parts": []}, "SUCCEEDED", "its parts end at item 4, expected 6"),
        (OUTPUT | {"parts": [*PARTS, *PARTS]}, "SUCCEEDED", "a part begins at item 4, expected 6"),
        (OUTPUT | {"parts": [{"first": 4, "count": -2}]}, "SUCCEEDED", "expected an integer of 0 or more, got -2"),
        (OUTPUT | {"parts": [{"first": 4, "count": 2}]}, "SUCCEEDED", "2 items, 0 of them failed, has no result"),
        (OUTPUT | {"parts": [PARTS[0] | {"failed": [FAILED, FAILED]}]}, "SUCCEEDED", "must be of 4 to 5 and rise"),
        (OUTPUT | {"parts": [PARTS[0] | {"failed": [FAILED | {"index": 6}]}]}, "SUCCEEDED", "must be of 4 to 5"),
        (
            OUTPUT | {"parts": [PARTS[0] | {"failed": [FAILED | {"message": 6}]}]},
            "SUCCEEDED",
            "a failure has the texts",
        ),
        (
            OUTPUT | {"parts": [PARTS[0] | {"failed": [{"index": 4}]}]},
            "SUCCEEDED",
            "not of this pipeline: 'error_type'",
        ),
        (OUTPUT | {"parts": [PARTS[0] | {"failed": 5}]}, "SUCCEEDED", "not of this pipeline"),
        (OUTPUT | {"parts": [{"first": 4, "count": 2, "key": "k"}]}, "SUCCEEDED", "of this pipeline: 'failed_count'"),
        (OUTPUT | {"first": "4"}, "SUCCEEDED", "expected an integer of 0 or more"),
        (OUTPUT | {"parts": 5}, "SUCCEEDED", "is not of this pipeline"),
        (OUTPUT | {"parts": [PARTS[0] | {"result": "8"}]}, "SUCCEEDED", "it has changed: the sha256 .* its own says"),
        (OUTPUT | {"batch": 2}, "SUCCEEDED", "it has changed"),
        (OUTPUT | {"sha256": "0"}, "SUCCEEDED", "it has changed: .*its own says 0"),
        ({key: OUTPUT[key] for key in OUTPUT if key != "sha256"}, "SUCCEEDED", "it has changed: .*its own says None"),
        (7, "SUCCEEDED", "is not of this pipeline"),
        ([OUTPUT], "SUCCEEDED", "is not of this pipeline"),
        ("text", "SUCCEEDED", "is not of this pipeline"),
        ({"index": 1}, "SUCCEEDED", "is not of this pipeline: 'result'"),
        ({"index": True, "result": 1}, "SUCCEEDED", "is not of this pipeline"),
        (none_record(OUTPUT, Output="{"), "SUCCEEDED", "is not of this pipeline"),
        (none_record(OUTPUT, Output="", OutputDetails={"Included": False}), "SUCCEEDED", "Output is not included"),
        ({"Status": "SUCCEEDED", "Input": "{}"}, "SUCCEEDED", "is not of this pipeline: 'Output'"),
        (OUTPUT, "FAILED", "a FAILED record needs Status and Input"),
        ({"Status": "FAILED", "Input": "{}"}, "FAILED", "a FAILED record is not of this pipeline"),
        ({"Status": "FAILED", "Input": json.dumps({"run": "b", "batch": {}})}, "FAILED", "belongs to the run .b."),
        ({"Status": "FAILED", "Input": json.dumps({"run": "a", "batch": {}})}, "FAILED", "a batch is"),
        ({"Status": "FAILED", "Input": "", "InputDetails": {"Included": False}}, "FAILED", "Input is not included"),
    ],
)
def test_interpret_names_a_record_that_is_not_of_this_run(value: Any, status: str, message: str) -> None:
    with pytest.raises(ResultFileError, match=message):
        interpret(value, "a", status)


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"), StorageUnavailableError),
        (ClientError({"ResponseMetadata": {"HTTPStatusCode": 500}}, "GetObject"), StorageUnavailableError),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1"), StorageUnavailableError),
        (ResponseStreamingError(error="connection reset"), StorageUnavailableError),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"), StorageAccessError),
        (ClientError({"Error": {"Code": "NoSuchBucket"}}, "GetObject"), StorageAccessError),
    ],
)
def test_storage_says_whether_a_retry_helps(error: Exception, named: type[Exception]) -> None:
    with pytest.raises(named, match="s3://a-bucket/a-key"), storage.named_errors("a-bucket", "a-key"):
        raise error
