"""A server without a stack, and boto3 clients of its Step Functions: what the tests of that API share."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sfn_local.server import Connection, LocalServer

ROLE_ARN = "arn:aws:iam::000000000000:role/tests"
MACHINE_ARN = "arn:aws:states:us-east-1:000000000000:stateMachine"
EXECUTION_ARN = "arn:aws:states:us-east-1:000000000000:execution"
WAITS_WITHIN_SECONDS = 60


def chain(**states: dict[str, Any]) -> dict[str, Any]:
    """Return a definition of states that follow each other."""
    names = [*states, None]
    linked = {
        name: {**state, **({"Next": names[place + 1]} if names[place + 1] else {"End": True})}
        for place, (name, state) in enumerate(states.items())
    }
    return {"StartAt": names[0], "States": linked}


PASS = chain(Pass={"Type": "Pass"})
WAIT = chain(Wait={"Type": "Wait", "Seconds": 600}, After={"Type": "Pass"})


class States:
    """One server's Step Functions, called as a client calls it."""

    def __init__(self, connection: Connection) -> None:
        self.client = boto3.client(
            "stepfunctions",
            endpoint_url=connection.endpoint_url,
            region_name=connection.region,
            aws_access_key_id=connection.access_key_id,
            aws_secret_access_key=connection.secret_access_key,
            config=Config(
                inject_host_prefix=False, proxies={}, parameter_validation=False, retries={"max_attempts": 0}
            ),
        )

    def create(self, name: str, definition: dict[str, Any] = PASS, **parameters: Any) -> str:
        """Make a state machine and return its ARN."""
        given = {"name": name, "definition": json.dumps(definition), "roleArn": ROLE_ARN, **parameters}
        return str(self.client.create_state_machine(**given)["stateMachineArn"])

    def start(self, arn: str, payload: Any = None, **parameters: Any) -> str:
        """Start an execution and return its ARN."""
        text = json.dumps(payload if payload is not None else {})
        return str(self.client.start_execution(stateMachineArn=arn, input=text, **parameters)["executionArn"])

    def ended(self, execution_arn: str, *, within_seconds: float = WAITS_WITHIN_SECONDS) -> dict[str, Any]:
        """Wait until an execution has ended and describe it."""
        return ended(self.client, execution_arn, within_seconds=within_seconds)

    def run(self, arn: str, payload: Any = None) -> dict[str, Any]:
        """Run an execution to its end and describe it."""
        return self.ended(self.start(arn, payload))

    def events(self, execution_arn: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the whole history, read in pages."""
        pages = self.client.get_paginator("get_execution_history").paginate(executionArn=execution_arn, **parameters)
        return [event for page in pages for event in page["events"]]

    def chain_of(self, execution_arn: str) -> list[tuple[int, int, str]]:
        """Return id, previous id and type of each event."""
        return [(event["id"], event["previousEventId"], event["type"]) for event in self.events(execution_arn)]


@contextmanager
def serving(home: Path) -> Iterator[States]:
    with LocalServer(home, None, worker_count=1) as connection:
        yield States(connection)


def ended(client: Any, execution_arn: str, *, within_seconds: float = WAITS_WITHIN_SECONDS) -> dict[str, Any]:
    """Wait until an execution has ended and describe it, with any client of Step Functions."""
    deadline = time.monotonic() + within_seconds
    while (described := client.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{execution_arn} has not ended"
        time.sleep(0.01)
    return dict(described)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAITS_WITHIN_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.01)


@contextmanager
def refused(code: str, *, message: str = "") -> Iterator[None]:
    """Expect an error of this code, whose message has this part."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    assert message in error["Message"]
