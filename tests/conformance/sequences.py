"""Sequences of API calls with the answers recorded from AWS, made through the real HTTP endpoint."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from histories import Compared, load_module, read_cases
from runner import ACCOUNT, Case
from sfn_local.server import Connection, LocalServer

_LOCAL_ACCOUNT = "000000000000"
_WITHIN_SECONDS = 600  # only bounds a hang
_POLL_SECONDS = 0.02


class _Answer(NamedTuple):
    """Answer of a call: the result, or the error's code and message."""

    result: dict[str, Any] | None
    error: dict[str, str] | None


def run_sequences(root: Path) -> list[Compared]:
    """Make the calls of every recorded sequence, one sequence after the other, on one server."""
    comparator = load_module("compare_history")
    with LocalServer(root, None, worker_count=1) as connection:
        clients = _Clients(connection)
        return [_compare(clients, case, comparator) for case in read_cases("steps")]


class _Clients:
    """Clients of one server."""

    def __init__(self, connection: Connection) -> None:
        self.states = self._client(connection, "stepfunctions")
        self.s3 = self._client(connection, "s3")

    @staticmethod
    def _client(connection: Connection, service: str) -> Any:
        # The server refuses what is not valid, as AWS does, rather than the client.
        config = Config(inject_host_prefix=False, proxies={}, parameter_validation=False, retries={"max_attempts": 0})
        return boto3.client(
            service,
            endpoint_url=connection.endpoint_url,
            region_name=connection.region,
            aws_access_key_id=connection.access_key_id,
            aws_secret_access_key=connection.secret_access_key,
            config=config,
        )

    def put_objects(self, case: Case) -> None:
        for bucket in case["s3"]["buckets"]:
            self.s3.create_bucket(Bucket=bucket)
        for entry in case["s3"]["objects"]:
            self.s3.put_object(Bucket=entry["Bucket"], Key=entry["Key"], Body=entry["Body"].encode())

    def clear(self) -> None:
        """Delete the state machines and wait until there are none: lists show all of them."""
        deadline = time.monotonic() + _WITHIN_SECONDS
        while machines := self.states.list_state_machines()["stateMachines"]:
            assert time.monotonic() < deadline, f"{machines} are not deleted"
            for machine in machines:
                self.states.delete_state_machine(stateMachineArn=machine["stateMachineArn"])
            time.sleep(_POLL_SECONDS)


def _compare(clients: _Clients, case: Case, comparator: ModuleType) -> Compared:
    clients.put_objects(case)
    saved: dict[str, str] = {}
    differences: list[Any] = []
    for number, step in enumerate(case["steps"], 1):
        answer = _perform(clients.states, step["op"], _filled(step["request"], saved))
        if answer.result is not None:
            saved |= {name: answer.result[field] for name, field in step.get("save", {}).items()}
            if "save_map_run" in step:
                saved[step["save_map_run"]] = answer.result["mapRuns"][0]["mapRunArn"]
        found = list(_differences(step, answer, comparator))
        if answer.error and "not available on this machine" in answer.error["Message"] and found:
            return Compared(case, "refused", answer.error["Message"])
        differences += [(number, step["op"], *difference) for difference in found]
    clients.clear()
    return Compared(case, "different" if differences else "same", json.dumps(differences[:4], default=str))


def _perform(client: Any, operation: str, request: dict[str, Any]) -> _Answer:
    if operation == "wait":
        _wait(client, request["executionArn"])
        return _Answer({}, None)
    try:
        result = getattr(client, operation)(**request)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        return _Answer(None, {"Code": code, "Message": _recorded_account(message)})
    return _Answer(json.loads(_recorded_account(json.dumps(result, default=str))), None)


def _wait(client: Any, execution_arn: str) -> None:
    deadline = time.monotonic() + _WITHIN_SECONDS
    while client.describe_execution(executionArn=execution_arn)["status"] == "RUNNING":
        assert time.monotonic() < deadline, f"{execution_arn} has not ended"
        time.sleep(_POLL_SECONDS)


def _differences(step: dict[str, Any], answer: _Answer, comparator: ModuleType) -> Iterator[Any]:
    if "expected_error" in step:
        got: Any = answer.error if answer.error else f"no error but {json.dumps(answer.result)[:200]}"
        # Some recordings have the code alone.
        shown = {name: got[name] for name in step["expected_error"]} if answer.error else got
        yield from comparator.diffs(step["expected_error"], shown)
    elif "expected" in step:
        yield from comparator.diffs(step["expected"], comparator.unjson(answer.result or answer.error or {}))


def _filled(request: dict[str, Any], saved: dict[str, str]) -> dict[str, Any]:
    """Put what earlier calls answered into a request; ARNs are of the server's own account."""
    text = json.dumps(request).replace(ACCOUNT.account_id, _LOCAL_ACCOUNT)
    filled = re.sub(r'"\{(\w+)\}"', lambda match: json.dumps(saved[match[1]]), text)
    return dict(json.loads(filled.replace(ACCOUNT.account_id, _LOCAL_ACCOUNT)))


def _recorded_account(text: str) -> str:
    return text.replace(_LOCAL_ACCOUNT, ACCOUNT.account_id)
