"""Runs of the synthesized pipeline under faults, on a clock that makes their waits short."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from job_commands import assembly
from sfn_local.clock import Clock
from sfn_local.server import Connection, FaultInjector, FaultSpec, LocalServer
from states_endpoint import ended

from hpc.targets.client import local_config, local_session

SIZE, BATCH_SIZE = 64, 8
TOTAL = str(sum(index**2 for index in range(SIZE)))
# Throttled calls wait a second and more; functions and jobs have as long as ever.
CLOCK = Clock(30.0, limits_speed=1.0)
RUN_SECONDS = 120


class Runs:
    """One server's MapReduce."""

    def __init__(self, connection: Connection, rehearsal: FaultInjector | None) -> None:
        self.rehearsal = rehearsal
        self.connection = connection
        self._machine = connection.outputs["StateMachineArn"]
        self.client: Any = self._session().client(
            "stepfunctions", endpoint_url=connection.endpoint_url, config=local_config()
        )

    def _session(self) -> boto3.Session:
        return local_session(
            region=self.connection.region,
            access_key_id=self.connection.access_key_id,
            secret_access_key=self.connection.secret_access_key,
        )

    @property
    def injected(self) -> dict[str, int]:
        assert self.rehearsal is not None
        return dict(self.rehearsal.injected)

    def start(self, **given: Any) -> str:
        payload = {"size": SIZE, "workload": "squares", "batch_size": BATCH_SIZE, **given}
        return str(
            self.client.start_execution(stateMachineArn=self._machine, input=json.dumps(payload))["executionArn"]
        )

    def wait(self, arn: str) -> dict[str, Any]:
        """Return the description of a run when it has ended."""
        return ended(self.client, arn, within_seconds=RUN_SECONDS)

    def run(self, **given: Any) -> dict[str, Any]:
        return self.wait(self.start(**given))

    def redrive(self, arn: str) -> dict[str, Any]:
        self.client.redrive_execution(executionArn=arn)
        return self.wait(arn)

    def child_errors(self, arn: str) -> dict[str, str]:
        """Return error names of the children that failed, and their causes."""
        (map_run,) = self.client.list_map_runs(executionArn=arn)["mapRuns"]
        listed = self.client.list_executions(mapRunArn=map_run["mapRunArn"], statusFilter="FAILED")["executions"]
        failed = [self.client.describe_execution(executionArn=child["executionArn"]) for child in listed]
        return {child["error"]: child["cause"] for child in failed}


@contextmanager
def served(home: Path, spec: str | None) -> Iterator[Runs]:
    """Serve the pipeline with its jobs; without a spec nothing goes wrong."""
    rehearsal = FaultInjector(FaultSpec.parse(spec)) if spec is not None else None
    with LocalServer(home, assembly(), faults=rehearsal, clock=CLOCK) as connection:
        yield Runs(connection, rehearsal)


def check_exact(described: dict[str, Any]) -> None:
    """Every item counted once, and the total right."""
    assert described["status"] == "SUCCEEDED", (described.get("error"), described.get("cause"))
    output = json.loads(described["output"])
    assert (output["total_sum"], output["count"], output["failed"]) == (TOTAL, SIZE, 0)
