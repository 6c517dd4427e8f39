"""`hpc.runs.failures`: failed batches are named from the files that the Map Run wrote."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws
from stubs import deployed_stack

from hpc.errors import LostRunError
from hpc.runs.failures import read_failures
from hpc.runs.run import Run
from hpc.targets.client import Target

BUCKET = "results"
MAP_RUN_ARN = "arn:aws:states:us-east-1:000000000000:mapRun:MapReduce/ComputeMap:6b0c"
FOLDER = "runs/run-1/map/6b0c"


@pytest.fixture
def target() -> Iterator[Target]:
    with mock_aws():
        target = deployed_stack("arn")
        target.s3.create_bucket(Bucket=BUCKET)
        yield target


def record(batch: int, status: str = "FAILED", **fields: Any) -> dict[str, Any]:
    given = {"run": "run-1", "batch": {"batch": batch, "first": batch * 8, "count": 8}}
    return {"Input": json.dumps(given), "InputDetails": {"Included": True}, "Status": status, **fields}


def write(target: Target, *files: list[dict[str, Any]], suffix: str = "jsonl") -> None:
    """Write result files and their manifest as the service does."""
    entries = []
    for number, records in enumerate(files):
        body = "".join(json.dumps(record) + "\n" for record in records).encode()
        key = f"{FOLDER}/FAILED_{number}.{suffix}"
        target.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        entries.append({"Key": key, "Size": len(body)})
    manifest = {
        "DestinationBucket": BUCKET,
        "MapRunArn": MAP_RUN_ARN,
        "ResultFiles": {"FAILED": entries, "PENDING": [], "SUCCEEDED": []},
    }
    target.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/manifest.json", Body=json.dumps(manifest).encode())


def test_read_failures_names_batches_their_items_and_what_lambda_reported(target: Target) -> None:
    cause = json.dumps({"errorMessage": "item 27: ZeroDivisionError: division by zero", "errorType": "ItemFailedError"})
    write(target, [record(3, Error="ItemFailedError", Cause=cause), record(5, "TIMED_OUT", Error="States.Timeout")])
    assert read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN}).lines() == [
        "batches: 1 FAILED, 1 TIMED_OUT",
        "  batch 3 (items 24 to 31): ItemFailedError: item 27: ZeroDivisionError: division by zero",
        "  batch 5 (items 40 to 47): States.Timeout",
    ]


def test_read_failures_shows_the_first_ten_of_all_files_and_counts_the_rest(target: Target) -> None:
    write(target, [record(k, Error="E") for k in range(7)], [record(k, Error="E") for k in range(7, 1234)])
    lines = read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN}).lines()
    assert lines[0] == "batches: 1,234 FAILED"
    assert [line.split()[1] for line in lines[1:11]] == [str(k) for k in range(10)]
    assert lines[11:] == ["  and 1,224 more"]


def test_read_failures_counts_aborted_batches_without_listing_them(target: Target) -> None:
    aborted = [record(k, "ABORTED", Cause="Map Run failed") for k in range(20)]
    write(target, [*aborted, record(20, Error="E", Cause="why")])
    assert read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN}).lines() == [
        "batches: 20 ABORTED, 1 FAILED",
        "  batch 20 (items 160 to 167): E: why",
    ]


def test_read_failures_shortens_a_long_cause(target: Target) -> None:
    write(target, [record(0, Error="E", Cause="x" * 30_000)])
    assert len(read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN}).lines()[1]) < 400


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"batch": 3}', '{"other": 1}'])
def test_read_failures_says_so_when_a_record_does_not_name_its_batch(target: Target, text: str) -> None:
    write(target, [record(0, Error="E") | {"Input": text}])
    [_, line, *_] = read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN}).lines()
    assert line == "  a batch that its record does not name: E"


def test_read_failures_fails_when_there_is_no_manifest(target: Target) -> None:
    with pytest.raises(LostRunError, match=f"no manifest at s3://{BUCKET}/{FOLDER}/manifest.json"):
        read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN})


def test_run_whose_files_may_not_be_read_is_not_taken_for_one_without_files(target: Target) -> None:
    run = Run(target, "arn:aws:states:eu-west-1:000000000000:execution:Machine:run-1")
    with Stubber(target.s3) as s3:
        for _ in range(2):
            s3.add_client_error("get_object", "AccessDenied", "not yours", 403)
        with pytest.raises(LostRunError, match=r"reading run.json: AccessDenied: not yours"):
            assert run.settings
        with pytest.raises(LostRunError, match="reading the failed batches: AccessDenied: not yours"):
            read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN})


LACKING = b'{"workload": "squares", "workload_sha256": "12", "params": {}}'
ODD = b'{"workload": "squares", "workload_sha256": 12, "params": {}, "tolerated_failure_percentage": 0}'


@pytest.mark.parametrize("body", [b'{"x', b"[1]", b"\xff", b"{}", b"[]", b"null", LACKING, ODD])
def test_settings_that_are_not_those_of_a_run_are_named(target: Target, body: bytes) -> None:
    target.s3.put_object(Bucket=BUCKET, Key="runs/run-1/run.json", Body=body)
    run = Run(target, "arn:aws:states:eu-west-1:000000000000:execution:Machine:run-1")
    with pytest.raises(LostRunError, match=f"s3://{BUCKET}/runs/run-1/run.json is broken"):
        assert run.settings


def test_read_failures_fails_when_a_named_file_is_missing(target: Target) -> None:
    write(target, [record(0)])
    target.s3.delete_object(Bucket=BUCKET, Key=f"{FOLDER}/FAILED_0.jsonl")
    with pytest.raises(LostRunError, match="reading the failed batches: NoSuchKey"):
        read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN})


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"ResultFiles": {}}'])
def test_read_failures_fails_when_the_manifest_is_broken(target: Target, body: bytes) -> None:
    target.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/manifest.json", Body=body)
    with pytest.raises(LostRunError, match=r"manifest.json is broken"):
        read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN})


def test_read_failures_fails_when_a_file_is_cut_off(target: Target) -> None:
    write(target, [record(0)])
    target.s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/FAILED_0.jsonl", Body=b'{"Input": ')
    with pytest.raises(LostRunError, match=r"FAILED_0.jsonl is broken"):
        read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN})


def test_read_failures_fails_when_files_are_not_json_lines(target: Target) -> None:
    write(target, [record(0)], suffix="json")
    with pytest.raises(LostRunError, match="which is not JSON Lines"):
        read_failures(target, "run-1", {"mapRunArn": MAP_RUN_ARN})
