"""Watching a run: from its start to its end, through DescribeExecution and DescribeMapRun."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hpc.errors import LostRunError
from hpc.targets.client import Target, explained


@dataclass(frozen=True)
class Counts:
    """Children of a Map Run by how far they are; one child computes one batch."""

    total: int
    succeeded: int
    failed: int
    running: int

    @classmethod
    def of(cls, item_counts: dict[str, int]) -> "Counts":
        """Read the ``itemCounts`` of DescribeMapRun; timed out and aborted children count as failed."""
        return cls(
            total=item_counts["total"],
            succeeded=item_counts["succeeded"],
            failed=item_counts["failed"] + item_counts["timedOut"] + item_counts["aborted"],
            running=item_counts["running"],
        )

    @property
    def done(self) -> int:
        return self.succeeded + self.failed


@dataclass(frozen=True)
class Seen:
    """Answers about a run: of DescribeExecution, and of DescribeMapRun if it came to a Map Run."""

    execution: dict[str, Any]
    map_run: dict[str, Any] | None

    @property
    def status(self) -> str:
        return str(self.execution["status"])


@dataclass(frozen=True)
class Ended(Seen):
    """The last answers about a run."""

    @property
    def seconds(self) -> float:
        """Duration of the execution, by the service's clock."""
        return float((self.execution["stopDate"] - self.execution["startDate"]).total_seconds())


class Watch:
    """Asks how an execution is doing."""

    def __init__(self, target: Target, execution_arn: str) -> None:
        self._target = target
        self._execution_arn = execution_arn
        self._map_run_arn: str | None = None

    def wait(self, show: Callable[[Counts | None, float], None]) -> Ended:
        """Return when the execution has ended.

        Parameters
        ----------
        show
            Called after each look with the counts, or None before there is a Map Run, and the seconds since the first.

        Raises
        ------
        LostRunError
            If the service refuses to answer.
        UnansweredError
            If there is no answer.
        """
        began = time.monotonic()
        while True:
            seen = self.look()
            age = time.monotonic() - began
            show(Counts.of(seen.map_run["itemCounts"]) if seen.map_run else None, age)
            if seen.status != "RUNNING":
                return Ended(seen.execution, seen.map_run)
            time.sleep(self._target.pace.delay(age))

    def look(self) -> Seen:
        """Return how the execution is doing now; raises as ``wait`` does."""
        return Seen(self._describe(), self._describe_map_run())

    def _describe(self) -> dict[str, Any]:
        with explained(LostRunError, "asking about the run"):
            answer: dict[str, Any] = self._target.stepfunctions.describe_execution(executionArn=self._execution_arn)
        return answer

    def _describe_map_run(self) -> dict[str, Any] | None:
        with explained(LostRunError, "asking about the Map Run"):
            if self._map_run_arn is None:
                map_runs = self._target.stepfunctions.list_map_runs(executionArn=self._execution_arn)["mapRuns"]
                if not map_runs:
                    return None
                self._map_run_arn = max(map_runs, key=lambda map_run: map_run["startDate"])["mapRunArn"]
            answer: dict[str, Any] = self._target.stepfunctions.describe_map_run(mapRunArn=self._map_run_arn)
        return answer
