"""Redrives of Map Runs, as they were recorded: which children run again, where their results are, what is counted."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from redrives import counts, files, machine, of_type, records, redrive, shape
from state_machines import BUCKET, Home, open_home


@pytest.fixture
def home(tmp_path: Any) -> Iterator[Home]:
    with open_home(tmp_path) as opened:
        yield opened


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
