"""Redrives of Map Runs whose children have not all started: what is read again, and what must not have changed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redrives import counts, files, machine, reader, records, redrive, wait
from state_machines import BUCKET, Home, open_home
from states_endpoint import wait_until


@pytest.fixture
def home(tmp_path: Any) -> Iterator[Home]:
    with open_home(tmp_path) as opened:
        yield opened


def test_dataset_is_not_read_again_where_every_child_has_a_record(home: Home) -> None:
    home.put("items.jsonl", '"a"\n"b"\n')
    failed = home.run(machine(ItemReader=reader("items.jsonl"), MaxConcurrency=5, ToleratedFailureCount=1), None)
    assert failed.status == "FAILED"
    home.objects.delete(BUCKET, "items.jsonl")
    for key in ("a", "b"):
        home.put(key, key)
    assert redrive(home, failed.arn)["status"] == "SUCCEEDED"
    assert counts(home, failed.arn) == {"succeeded": 2, "total": 2, "resultsWritten": 2}


def stopped_run(home: Home, **fields: Any) -> str:
    """Stop an execution whose first child waits, so that the second never starts; return its ARN."""
    definition = machine(**fields)
    states = definition["States"]["Map"]["ItemProcessor"]["States"]
    states["Before"] = {"Type": "Wait", "Seconds": 2_000, "Next": "Shape"}
    states["Shape"] = {"Type": "Pass", "Parameters": {"redrives": 0, "key.$": "$"}, "Next": "Read"}
    arn = home.register("stopped", definition)
    execution = home.do(home.start(arn, None))
    wait_until(lambda: is_running(home, execution.row.arn))
    home.states("StopExecution", executionArn=execution.row.arn)
    return str(execution.row.arn)


def is_running(home: Home, execution_arn: str) -> bool:
    """Whether a child runs."""
    listed = home.states("ListMapRuns", executionArn=execution_arn)["mapRuns"]
    return bool(listed) and "running" in counts(home, execution_arn)


def test_children_that_never_started_are_read_from_the_dataset_at_their_positions(home: Home) -> None:
    home.put("items.jsonl", '"a"\n"b"\n"c"\n')
    arn = stopped_run(home, ItemReader=reader("items.jsonl"))
    assert counts(home, arn) == {"aborted": 1, "pending": 2, "total": 3}
    for key in ("a", "b", "c"):
        home.put(key, key)
    output = json.loads(redrive(home, arn)["output"])
    written = records(home, files(home, output["ResultWriterDetails"]["Key"])["SUCCEEDED"])
    assert sorted(json.loads(each["Input"]) for each in written) == ["a", "b", "c"]


def test_dataset_that_has_changed_is_an_error(home: Home) -> None:
    home.put("items.jsonl", '"a"\n"b"\n')
    arn = stopped_run(home, ItemReader=reader("items.jsonl"))
    home.put("items.jsonl", '"b"\n"a"\n')
    for key in ("a", "b"):
        home.put(key, key)
    described = redrive(home, arn)
    assert described["error"] == "States.ItemReaderFailed"
    assert described["cause"].startswith(f"s3://{BUCKET}/items.jsonl has changed since the Map Run started")
    home.put("items.jsonl", '"a"\n"b"\n')
    assert redrive(home, arn)["status"] == "SUCCEEDED"


def test_listing_that_has_changed_is_an_error(home: Home) -> None:
    listing = {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": BUCKET, "Prefix": "in/"}}
    for key in ("in/a", "in/b"):
        home.put(key, key)
    arn = stopped_run(home, ItemReader=listing, ItemSelector={"key.$": "$$.Map.Item.Value.Key"})
    home.put("in/0", "new")
    assert redrive(home, arn)["error"] == "States.ItemReaderFailed"


def test_map_run_whose_dataset_was_missing_reads_it(home: Home) -> None:
    failed = home.run(machine(ItemReader=reader("late.jsonl")))
    assert failed.error == "States.ItemReaderFailed"
    arn = home.map_run(failed.arn)["mapRunArn"]
    home.put("late.jsonl", '"a"\n')
    home.put("a", "a")
    assert json.loads(redrive(home, failed.arn)["output"])["MapRunArn"] == arn
    assert counts(home, failed.arn) == {"succeeded": 1, "total": 1, "resultsWritten": 1}


def test_limits_that_were_changed_hold_after_a_redrive(home: Home) -> None:
    home.put("items.jsonl", '"a"\n"b"\n')
    arn = stopped_run(home, ItemReader=reader("items.jsonl"))
    home.states("RedriveExecution", executionArn=arn, clientToken="again")
    map_run = home.map_run(arn)["mapRunArn"]
    home.states("UpdateMapRun", mapRunArn=map_run, maxConcurrency=7, toleratedFailurePercentage=100)
    wait(home, arn)
    described = home.map_run(arn)
    assert (described["maxConcurrency"], described["toleratedFailurePercentage"]) == (7, 100)
    assert described["status"] == "SUCCEEDED"
    assert counts(home, arn) == {"failed": 2, "total": 2, "resultsWritten": 2}
