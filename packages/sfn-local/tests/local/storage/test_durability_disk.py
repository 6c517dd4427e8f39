"""A disk that is full in the midst of a Map Run: a named error, no hang, and the rest after it has room again."""

import asyncio
import contextlib
import json
import resource
import secrets
from collections.abc import Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

import pytest
from redrives import redrive
from sfn_local.storage.journal import Journal, StorageError, Write
from state_machines import BUCKET, Home, open_home

ITEM_CHARACTERS = 100_000


def machine(count: int) -> dict[str, Any]:
    """A Distributed Map whose children give back their input."""
    return {
        "StartAt": "Map",
        "States": {
            "Map": {
                "Type": "Map",
                "Label": "Children",
                "MaxConcurrency": 2,
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "Parameters": {"Bucket": BUCKET, "Key": "items.jsonl"},
                    "ReaderConfig": {"InputType": "JSONL"},
                },
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Accept",
                    "States": {"Accept": {"Type": "Pass", "End": True}},
                },
                "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": BUCKET}},
                "End": True,
            }
        },
        "Comment": f"{count} items",
    }


def start(home: Home, texts: list[str]) -> Any:
    home.put("items.jsonl", "".join(json.dumps(text) + "\n" for text in texts))
    arn = home.register("full", machine(len(texts)))

    async def until_end() -> Any:
        execution = await home.start(arn, None)
        async with asyncio.timeout(30):
            return await execution.wait()

    return home.do(until_end())


def results(home: Home, described: dict[str, Any]) -> list[str]:
    """Return the children's outputs, sorted."""
    key = json.loads(described["output"])["ResultWriterDetails"]["Key"]
    entries = json.loads(home.read(key))["ResultFiles"]["SUCCEEDED"]
    return sorted(json.loads(record["Output"]) for entry in entries for record in json.loads(home.read(entry["Key"])))


def committed_one_by_one(journal: Journal) -> Journal:
    """Let each write be on disk, or refused, before the next is queued: else how many share a commit is chance."""
    submit = journal.submit

    def submit_and_wait(write: Write) -> Future[None]:
        written = submit(write)
        wait([written])
        return written

    journal.submit = submit_and_wait  # type: ignore[method-assign]  # the same, one at a time
    return journal


def children(home: Home, execution_arn: str) -> dict[str, tuple[Any, ...]]:
    """Return the children that have succeeded, by name, with when they ran."""
    map_run = home.map_run(execution_arn)["mapRunArn"]
    listed = home.states("ListExecutions", mapRunArn=map_run, statusFilter="SUCCEEDED")["executions"]
    return {each["name"]: (each["startDate"], each["stopDate"], each["redriveCount"]) for each in listed}


def test_execution_goes_on_when_the_journal_has_room_again(tmp_path: Path) -> None:
    texts = [secrets.token_hex(ITEM_CHARACTERS // 2) for _ in range(60)]
    with open_home(tmp_path) as home:
        journal = committed_one_by_one(home.machines.executions._journal)
        # so many pages hold the start of the execution and some of its children
        journal.submit(lambda connection: connection.execute("PRAGMA max_page_count = 700") and None).result()
        failed = start(home, texts)
        assert (failed.status, failed.error) == ("FAILED", "Runner.StorageFailed")
        with pytest.raises(StorageError, match="full"):
            journal.submit(lambda _connection: None)
    with open_home(tmp_path) as home:
        assert home.states("DescribeExecution", executionArn=failed.arn)["status"] == "RUNNING"
        home.machines.abort_orphans()
        home.machines.executions._journal.flush().result()
        before = children(home, failed.arn)
        assert 0 < len(before) < len(texts)
        described = redrive(home, failed.arn)
        assert described["status"] == "SUCCEEDED"
        assert results(home, described) == sorted(texts)
        after = children(home, failed.arn)
        assert len(after) == len(texts)
        assert {name: after[name] for name in before} == before


@contextlib.contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size: a write meets it as it meets a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_results_that_cannot_be_written_are_written_by_a_redrive(tmp_path: Path) -> None:
    texts = [f"{index:04d}" * (ITEM_CHARACTERS // 4) for index in range(60)]
    with open_home(tmp_path) as home:
        home.put("items.jsonl", "")
        with files_of_at_most(9_000_000):
            failed = start(home, texts)
        assert failed.error == "States.ResultWriterFailed"
        assert "File too large" in failed.cause
        counts = home.map_run(failed.arn)["itemCounts"]
        assert (counts["succeeded"], counts["resultsWritten"]) == (len(texts), 0)
        described = redrive(home, failed.arn)
        assert results(home, described) == texts
        assert home.map_run(failed.arn)["itemCounts"]["resultsWritten"] == len(texts)
        listed = home.states("ListExecutions", mapRunArn=home.map_run(failed.arn)["mapRunArn"])["executions"]
        assert {each["redriveCount"] for each in listed} == {0}
