"""Executions that fail until an object is there, and their redrives."""

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
