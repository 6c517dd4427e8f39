"""Redrives of Map Runs, as they were recorded: which children run again, where their results are, what is counted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redrives import of_type, read_task, redrive, shape, wait
from state_machines import BUCKET, Home, open_home


@pytest.fixture
def home(tmp_path: Any) -> Iterator[Home]:
    with open_home(tmp_path) as opened:
        yield opened


def machine(kind: str = "STANDARD", **fields: Any) -> dict[str, Any]:
    """A Distributed Map whose children read the object that their item names."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
        "StartAt": "Before",
        "States": {
            "Before": {
                "Type": "Pass",
                "Parameters": {"redrives.$": "$$.Execution.RedriveCount", "key.$": "$"},
                "Next": "Read",
            },
            "Read": read_task("$.key", ResultPath="$.read", Next="After"),
            "After": {
                "Type": "Pass",
                "Parameters": {
                    "before.$": "$.redrives",
                    "after.$": "$$.Execution.RedriveCount",
                    "text.$": "$.read.body",
                },
                "End": True,
            },
        },
    }
    state = {
        "Type": "Map",
        "Label": "Children",
        "MaxConcurrency": 1,
        "ItemProcessor": processor,
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": BUCKET, "Prefix": "out"},
        },
        "End": True,
        **fields,
    }
    return {"StartAt": "Map", "States": {"Map": state}}


def reader(key: str) -> dict[str, Any]:
    return {
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": {"Bucket": BUCKET, "Key": key},
        "ReaderConfig": {"InputType": "JSONL"},
    }


def files(home: Home, key: str) -> dict[str, list[str]]:
    """Return the keys of result files by status, as the manifest has them."""
    listed = json.loads(home.read(key))["ResultFiles"]
    return {status: [entry["Key"] for entry in entries] for status, entries in listed.items()}


def records(home: Home, keys: list[str]) -> list[dict[str, Any]]:
    return [record for key in keys for record in json.loads(home.read(key))]


def counts(home: Home, arn: str) -> dict[str, int]:
    return {name: count for name, count in home.map_run(arn)["itemCounts"].items() if count}


def test_children_that_failed_go_on_and_those_that_never_started_begin(home: Home) -> None:
    for key in ("a", "c", "d"):
        home.put(key, key)
    failed = home.run(machine(), ["a", "b", "c", "d"])
    assert failed.error == "States.ExceedToleratedFailureThreshold"
    before = home.map_run(failed.arn)
    first = before["itemCounts"]
    assert (first["failed"], first["total"]) == (1, 4)
    folder = f"out/{before['mapRunArn'].rpartition(':')[2]}"
    home.put("a", "changed")
    home.put("b", "repaired")
    described = redrive(home, failed.arn)
    output = json.loads(described["output"])
    assert output["MapRunArn"] == before["mapRunArn"]
    assert output["ResultWriterDetails"] == {"Bucket": BUCKET, "Key": f"{folder}/Redrive-1/manifest.json"}
    listed = files(home, f"{folder}/Redrive-1/manifest.json")
    assert listed == {
        "FAILED": [],
        "PENDING": [],
        "SUCCEEDED": [f"{folder}/SUCCEEDED_0.json", f"{folder}/Redrive-1/SUCCEEDED_0.json"],
    }
    written = records(home, listed["SUCCEEDED"])
    assert {
        json.loads(record["Input"]): (json.loads(record["Output"]), record["RedriveCount"]) for record in written
    } == {
        "a": ({"before": 0, "after": 0, "text": "a"}, 0),
        "b": ({"before": 0, "after": 1, "text": "repaired"}, 1),
        "c": ({"before": 0, "after": written_after(written, "c"), "text": "c"}, written_after(written, "c")),
        "d": ({"before": 0, "after": 0, "text": "d"}, 0),
    }
    assert counts(home, failed.arn) == {"succeeded": 4, "total": 4, "resultsWritten": 4}
    after = home.map_run(failed.arn)
    assert (after["redriveCount"], after["status"]) == (1, "SUCCEEDED")
    assert after["startDate"] == before["startDate"]
    assert after["redriveDate"] > before["stopDate"]
    # the earlier files stay as they were
    assert json.loads(records(home, [f"{folder}/SUCCEEDED_0.json"])[0]["Input"]) == "a"
    assert records(home, [f"{folder}/FAILED_0.json"])[0]["Error"] == "S3.NoSuchKeyException"


def written_after(written: list[dict[str, Any]], item: str) -> int:
    """A child that was let start as the Map Run failed may have ended, or was aborted and is redriven."""
    (record,) = (record for record in written if json.loads(record["Input"]) == item)
    return int(record["RedriveCount"])


def test_history_tells_of_the_redrive_as_recorded(home: Home) -> None:
    failed = home.run(machine(), ["x"])
    before = home.events(failed.arn)
    redrive(home, failed.arn)
    home.put("x", "x")
    redrive(home, failed.arn)
    events = home.events(failed.arn)
    (started,) = of_type(events, "MapStateStarted")
    last = len(before)
    assert shape(events, last + 1) == [
        (last + 1, "ExecutionRedriven", last),
        (last + 2, "MapRunRedriven", started["id"]),
        (last + 3, "MapRunFailed", last + 2),
        (last + 4, "MapStateFailed", last + 3),
        (last + 5, "ExecutionFailed", last + 4),
        (last + 6, "ExecutionRedriven", last + 5),
        (last + 7, "MapRunRedriven", started["id"]),
        (last + 8, "MapRunSucceeded", last + 7),
        (last + 9, "MapStateSucceeded", last + 8),
        (last + 10, "MapStateExited", last + 7),
        (last + 11, "ExecutionSucceeded", last + 10),
    ]
    arn = home.map_run(failed.arn)["mapRunArn"]
    assert events[last + 6]["mapRunRedrivenEventDetails"] == {"mapRunArn": arn, "redriveCount": 2}
    assert "Redrive-2/manifest.json" in events[last + 9]["stateExitedEventDetails"]["output"]
    (child,) = home.states("ListExecutions", mapRunArn=arn)["executions"]
    assert (child["status"], child["redriveCount"]) == ("SUCCEEDED", 2)
    told = home.states("DescribeExecution", executionArn=child["executionArn"])
    assert (told["redriveCount"], told["redriveStatus"]) == (2, "NOT_REDRIVABLE")
    assert told["redriveDate"] == child["redriveDate"]
    kinds = [event["type"] for event in home.events(child["executionArn"])]
    assert kinds.count("ExecutionRedriven") == 2
    assert kinds.count("TaskStateEntered") == kinds.count("PassStateEntered") - 1 == 1
    redriven = home.states("ListExecutions", mapRunArn=arn, redriveFilter="REDRIVEN")["executions"]
    assert [each["name"] for each in redriven] == [child["name"]]
    assert home.states("ListExecutions", mapRunArn=arn, redriveFilter="NOT_REDRIVEN")["executions"] == []


def test_express_children_begin_anew(home: Home) -> None:
    home.put("a", "a")
    failed = home.run(machine("EXPRESS"), ["a", "b"])
    arn = home.map_run(failed.arn)["mapRunArn"]
    first = {each["name"]: each for each in home.states("ListExecutions", mapRunArn=arn)["executions"]}
    home.put("a", "changed")
    home.put("b", "b")
    output = json.loads(redrive(home, failed.arn)["output"])
    written = records(home, files(home, output["ResultWriterDetails"]["Key"])["SUCCEEDED"])
    assert {json.loads(each["Input"]): json.loads(each["Output"]) for each in written} == {
        "a": {"before": 0, "after": 0, "text": "a"},
        "b": {"before": 1, "after": 1, "text": "b"},
    }
    second = {each["name"]: each for each in home.states("ListExecutions", mapRunArn=arn)["executions"]}
    assert second.keys() == first.keys()
    (again,) = (each for each in second.values() if each["redriveCount"])
    assert again["startDate"] > first[again["name"]]["startDate"]
    assert "redriveDate" not in again


def test_redrive_that_fails_lists_what_failed_in_it(home: Home) -> None:
    home.put("a", "a")
    failed = home.run(machine(), ["a", "b"])
    assert redrive(home, failed.arn)["error"] == "States.ExceedToleratedFailureThreshold"
    folder = f"out/{home.map_run(failed.arn)['mapRunArn'].rpartition(':')[2]}"
    listed = files(home, f"{folder}/Redrive-1/manifest.json")
    assert listed == {
        "FAILED": [f"{folder}/Redrive-1/FAILED_0.json"],
        "PENDING": [],
        "SUCCEEDED": [f"{folder}/SUCCEEDED_0.json"],
    }
    assert [each["RedriveCount"] for each in records(home, listed["FAILED"])] == [1]
    assert counts(home, failed.arn) == {"succeeded": 1, "failed": 1, "total": 2, "resultsWritten": 2}


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
    while not home.states("ListMapRuns", executionArn=execution.row.arn)["mapRuns"] or not counts(
        home, execution.row.arn
    ).get("running"):
        pass
    home.states("StopExecution", executionArn=execution.row.arn)
    return str(execution.row.arn)


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


def test_results_too_long_for_a_state_start_a_new_map_run(home: Home) -> None:
    fields = machine()["States"]["Map"]
    del fields["ResultWriter"]
    for key in ("a", "b"):
        home.put(key, "x" * 140_000)
    failed = home.run({"StartAt": "Map", "States": {"Map": fields}}, ["a", "b"])
    assert failed.error == "States.DataLimitExceeded"
    for key in ("a", "b"):
        home.put(key, "short")
    assert [each["text"] for each in json.loads(redrive(home, failed.arn)["output"])] == ["short"] * 2
    assert len(home.states("ListMapRuns", executionArn=failed.arn)["mapRuns"]) == 2


def test_results_without_a_writer_are_those_of_all_attempts(home: Home) -> None:
    fields = machine()["States"]["Map"]
    del fields["ResultWriter"]
    home.put("b", "b")
    failed = home.run({"StartAt": "Map", "States": {"Map": fields}}, ["a", "b", "c"])
    for key in ("a", "c"):
        home.put(key, key)
    assert [each["text"] for each in json.loads(redrive(home, failed.arn)["output"])] == ["a", "b", "c"]


def test_child_that_failed_for_good_stays_failed_and_is_counted(home: Home) -> None:
    failed = home.run(machine(MaxConcurrency=5), ["a", "b"])
    old = 15 * 86_400
    home.machines.executions._journal.submit(
        lambda connection: connection.execute("UPDATE children SET stopped = stopped - ? WHERE position = 0", (old,))
    ).result()
    assert counts(home, failed.arn)["failuresNotRedrivable"] == 1
    home.put("b", "b")
    assert redrive(home, failed.arn)["error"] == "States.ExceedToleratedFailureThreshold"


def test_result_files_are_complete_whichever_process_wrote_them(tmp_path: Any) -> None:
    folder = tmp_path / "other"
    with open_home(folder) as first:
        first.put("a", "a")
        failed = first.run(machine(), ["a", "b"])
    with open_home(folder) as second:
        second.put("b", "b")
        output = json.loads(redrive(second, failed.arn)["output"])
        listed = files(second, output["ResultWriterDetails"]["Key"])
        assert [json.loads(each["Input"]) for each in records(second, listed["SUCCEEDED"])] == ["a", "b"]
        assert counts(second, failed.arn) == {"succeeded": 2, "total": 2, "resultsWritten": 2}


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
