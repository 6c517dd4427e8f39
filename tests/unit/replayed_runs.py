"""A whole run replayed from a schedule: its services answer as AWS would about a run with exactly these times.

The seconds of the schedule pass through a scaled clock, so that one schedule is a run of milliseconds or of days.
"""

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from stubs import ACCOUNT, MACHINE, deployed_stack

from hpc.targets.client import Target

BEGIN = datetime(2026, 11, 22, tzinfo=UTC)
ARN = f"arn:aws:states:{ACCOUNT}:execution:Machine:run-1"
MAP_RUN = f"arn:aws:states:{ACCOUNT}:mapRun:Machine/ComputeMap:1111"
COMPUTE = "arn:aws:lambda:us-east-1:000000000000:function:compute"
DEFINITION: dict[str, Any] = {
    "StartAt": "Start",
    "States": {
        "Start": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "ComputeMap"},
        "ComputeMap": {
            "Type": "Map",
            "Next": "Sum",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Compute",
                "States": {"Compute": {"Type": "Task", "Resource": COMPUTE, "End": True}},
            },
        },
        "Sum": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True},
    },
}
# Status of a child -> its count in DescribeMapRun.
COUNTS = {
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
    "PENDING": "pending",
}
ITEMS_OF_BATCH = 3


@dataclass(frozen=True)
class Child:
    """One batch; ``begin`` and ``seconds`` by the schedule, from the start of the Map.

    Attributes
    ----------
    status : str
        SUCCEEDED, FAILED, TIMED_OUT, ABORTED or PENDING, which never began.
    failed_items : int
        Of a child that succeeded: items that failed within the tolerance.
    has_named_item : bool
        Of a child that failed: whether it did at an item, or without naming one.
    """

    begin: float
    seconds: float
    status: str = "SUCCEEDED"
    failed_items: int = 0
    has_named_item: bool = True

    @property
    def without_result(self) -> int:
        return self.failed_items if self.status == "SUCCEEDED" else ITEMS_OF_BATCH


@dataclass(frozen=True)
class Replay:
    """A run: Start, the children side by side, Sum; ``scale`` seconds pass in each second of the schedule."""

    start_seconds: float
    children: list[Child]
    sum_seconds: float
    scale: float = 1.0
    objects: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._write_files()

    @property
    def has_failed(self) -> bool:
        """Whether the Map failed: one unsuccessful batch is too many."""
        return any(child.status != "SUCCEEDED" for child in self.children)

    @property
    def without_result(self) -> int:
        return sum(child.without_result for child in self.children)

    @property
    def is_partial(self) -> bool:
        return not self.has_failed and self.without_result > 0

    @property
    def map_seconds(self) -> float:
        return max((each.begin + each.seconds for each in self.children if each.status != "PENDING"), default=0.0)

    @property
    def phases(self) -> dict[str, float]:
        """Scaled seconds of each state that was reached."""
        phases = {"Start": self.start_seconds, "ComputeMap": self.map_seconds}
        phases |= {} if self.has_failed else {"Sum": self.sum_seconds}
        return {name: seconds * self.scale for name, seconds in phases.items()}

    @property
    def statuses(self) -> Counter[str]:
        return Counter(child.status for child in self.children)

    def moment(self, seconds: float) -> datetime:
        """Return when it is so late by the schedule; services tell milliseconds."""
        milliseconds = round(seconds * self.scale * 1_000)
        return BEGIN + timedelta(milliseconds=milliseconds)

    def target(self) -> Target:
        """Return the stack of the run, whose clients answer from the schedule."""
        target = deployed_stack(MACHINE)
        clients = {"stepfunctions": _States(self), "s3": _Objects(self.objects), "lambda": _Functions()}
        target.__dict__["client"] = clients.__getitem__
        return target

    def described(self) -> dict[str, Any]:
        items = ITEMS_OF_BATCH * len(self.children)
        output = {"total_sum": "42", "count": items - self.without_result, "failed": self.without_result}
        ended = {"output": json.dumps({**output, "complete": not self.is_partial})}
        failed = {"error": "States.ExceedToleratedFailureThreshold", "cause": "too many"}
        return {
            "executionArn": ARN,
            "stateMachineArn": MACHINE,
            "name": "run-1",
            "input": json.dumps({"size": items, "workload": "squares"}),
            "status": "FAILED" if self.has_failed else "SUCCEEDED",
            "startDate": BEGIN,
            "stopDate": self.moment(self.start_seconds + self.map_seconds + (not self.has_failed) * self.sum_seconds),
            **(failed if self.has_failed else ended),
        }

    def map_run(self) -> dict[str, Any]:
        counts = {name: self.statuses[status] for status, name in COUNTS.items()}
        return {
            "mapRunArn": MAP_RUN,
            "executionArn": ARN,
            "status": "FAILED" if self.has_failed else "SUCCEEDED",
            "startDate": self.moment(self.start_seconds),
            "stopDate": self.moment(self.start_seconds + self.map_seconds),
            "maxConcurrency": 500,
            "toleratedFailureCount": 0,
            "redriveCount": 0,
            "itemCounts": counts | {"total": len(self.children), "running": 0, "resultsWritten": 0},
        }

    def history(self) -> list[dict[str, Any]]:
        begin, end = self.start_seconds, self.start_seconds + self.map_seconds
        told: list[tuple[str, float, dict[str, Any]]] = [
            ("TaskStateEntered", 0.0, {"stateEnteredEventDetails": {"name": "Start", "input": "{}"}}),
            ("TaskStateExited", begin, {"stateExitedEventDetails": {"name": "Start", "output": "{}"}}),
            ("MapStateEntered", begin, {"stateEnteredEventDetails": {"name": "ComputeMap", "input": "{}"}}),
            ("MapRunStarted", begin, {"mapRunStartedEventDetails": {"mapRunArn": MAP_RUN}}),
        ]
        if self.has_failed:
            error = {"error": "States.ExceedToleratedFailureThreshold", "cause": "too many"}
            told += [
                ("MapRunFailed", end, {"mapRunFailedEventDetails": error}),
                ("ExecutionFailed", end, {"executionFailedEventDetails": error}),
            ]
        else:
            last = end + self.sum_seconds
            told += [
                ("MapRunSucceeded", end, {}),
                ("MapStateExited", end, {"stateExitedEventDetails": {"name": "ComputeMap", "output": "{}"}}),
                ("TaskStateEntered", end, {"stateEnteredEventDetails": {"name": "Sum", "input": "{}"}}),
                ("TaskStateExited", last, {"stateExitedEventDetails": {"name": "Sum", "output": "{}"}}),
                ("ExecutionSucceeded", last, {"executionSucceededEventDetails": {"output": "{}"}}),
            ]
        return [
            {"id": number, "previousEventId": number - 1, "type": kind, "timestamp": self.moment(at), **details}
            for number, (kind, at, details) in enumerate(told, 1)
        ]

    def child(self, number: int) -> dict[str, Any]:
        """Return a child as ListExecutions tells of it."""
        child = self.children[number]
        return {
            "executionArn": f"{ARN}:{number}",
            "name": f"child-{number}",
            "status": child.status,
            "startDate": self.moment(self.start_seconds + child.begin),
            "stopDate": self.moment(self.start_seconds + child.begin + child.seconds),
        }

    def _write_files(self) -> None:
        settings = {
            "workload": "squares",
            "workload_sha256": "0" * 64,
            "params": {},
            "tolerated_failure_percentage": 100 if self.is_partial else 0,
            "item_count": ITEMS_OF_BATCH * len(self.children),
            "batch_count": len(self.children),
        }
        folder = f"runs/run-1/map/{MAP_RUN.rpartition(':')[2]}"
        files: dict[str, list[dict[str, Any]]] = {"SUCCEEDED": [], "FAILED": [], "PENDING": []}
        for number, child in enumerate(self.children):
            kind = child.status if child.status in files else "FAILED"
            files[kind].append(self._record(number, child))
        manifest: dict[str, list[dict[str, Any]]] = {}
        for kind, records in files.items():
            key = f"{folder}/{kind}_0.jsonl"
            self.objects[key] = "".join(f"{json.dumps(record)}\n" for record in records).encode()
            manifest[kind] = [{"Key": key, "Size": len(self.objects[key])}] if records else []
        self.objects[f"{folder}/manifest.json"] = json.dumps({"ResultFiles": manifest}).encode()
        self.objects["runs/run-1/run.json"] = json.dumps(settings).encode()

    def _record(self, number: int, child: Child) -> dict[str, Any]:
        first = ITEMS_OF_BATCH * number
        batch = {"batch": number, "first": first, "count": ITEMS_OF_BATCH}
        listed = self.child(number)
        record = {
            "ExecutionArn": listed["executionArn"],
            "Name": listed["name"],
            "Status": child.status,
            "Input": json.dumps({"batch": batch}),
        }
        if child.status != "PENDING":
            record |= {name: _text(listed[key]) for name, key in (("StartDate", "startDate"), ("StopDate", "stopDate"))}
        told = {"error_type": "ValueError", "message": "bad", "traceback": ""}
        if child.status == "SUCCEEDED":
            failed = [{"index": first + place, **told} for place in range(child.failed_items)]
            record["Output"] = json.dumps({"parts": [{"failed": failed}]})
        elif child.status == "FAILED":
            details = json.dumps(told | {"index": first})
            message = f"item {first} failed\n{details}" if child.has_named_item else "no memory left"
            record |= {"Error": "ItemFailedError", "Cause": json.dumps({"errorMessage": message, "errorType": "Error"})}
        return record


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _States:
    """Step Functions, as far as commands ask it about one run."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def describe_execution(self, **asked: str) -> dict[str, Any]:
        assert asked == {"executionArn": ARN}
        return self._replay.described()

    def describe_map_run(self, **asked: str) -> dict[str, Any]:
        assert asked == {"mapRunArn": MAP_RUN}
        return self._replay.map_run()

    def list_map_runs(self, **_asked: Any) -> dict[str, Any]:
        return {"mapRuns": [{**self._replay.map_run(), "stateMachineArn": MACHINE}]}

    def describe_state_machine_for_execution(self, **_asked: str) -> dict[str, Any]:
        return {"definition": json.dumps(DEFINITION)}

    def get_paginator(self, action: str) -> Any:
        return _Pages(getattr(self, f"_{action}"))

    def _get_execution_history(self, **asked: Any) -> dict[str, Any]:
        return {"events": self._replay.history() if asked["executionArn"] == ARN else []}

    def _list_executions(self, **asked: Any) -> dict[str, Any]:
        if "mapRunArn" not in asked:
            return {"executions": [self._replay.described()]}
        children = (self._replay.child(number) for number in range(len(self._replay.children)))
        return {"executions": [child for child in children if child["status"] == asked["statusFilter"]]}


class _Pages:
    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        yield self._answer(**asked)


class _Objects:
    """Amazon S3 with the run's files."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def get_object(self, **asked: Any) -> dict[str, Any]:
        body = self._objects.get(asked["Key"])
        if body is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject")
        return {"Body": StreamingBody(io.BytesIO(body), len(body))}


class _Functions:
    """AWS Lambda."""

    def get_function_configuration(self, **_asked: Any) -> dict[str, Any]:
        return {"MemorySize": 1_769, "Architectures": ["arm64"], "Timeout": 900}
