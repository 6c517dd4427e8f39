"""Executions and Map Runs that fail until an object is there, their redrives, and what these leave."""

import json
import uuid
from typing import Any

from state_machines import BUCKET, Home


def read_task(key: str, **fields: Any) -> dict[str, Any]:
    """A Task that fails until the object of this key (a path if it begins with ``$``) has been put."""
    name = "Key.$" if key.startswith("$") else "Key"
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": BUCKET, name: key},
        "ResultSelector": {"body.$": "$.Body"},
        **fields,
    }


def redrive(home: Home, arn: str, token: str | None = None) -> dict[str, Any]:
    """Redrive an execution, wait for its end and describe it."""
    home.states("RedriveExecution", executionArn=arn, clientToken=token or str(uuid.uuid4()))
    wait(home, arn)
    return home.states("DescribeExecution", executionArn=arn)


def wait(home: Home, arn: str) -> None:
    execution = home.machines.executions.running.get(arn)
    if execution is not None:
        home.do(execution.wait())


def shape(events: list[dict[str, Any]], first: int = 1) -> list[tuple[int, str, int]]:
    """Return id, type and predecessor of the events from id ``first`` on."""
    return [(event["id"], event["type"], event["previousEventId"]) for event in events if event["id"] >= first]


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


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
