"""Watching a run: from its start to its end, through DescribeExecution and DescribeMapRun."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from hpc.errors import LostRunError
from hpc.targets.client import Target, has_code
from hpc.targets.patience import ask, naming_the_run

# DescribeExecution is eventually consistent (API reference): how long it may not know of a start, of a redrive or of an
# output, before its answer is taken for the truth.
SETTLING_SECONDS = 30.0
SETTLING_PAUSE_SECONDS = 1.0
# An execution comes to these only after its Map Run; one that is stopped or times out ends before it.
BEYOND_MAP_RUN = ("SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class Counts:
    """Children of a Map Run by how far they are; one child computes one batch."""

    total: int
    succeeded: int
    failed: int
    running: int
    stopped: int = 0

    @classmethod
    def of(cls, item_counts: dict[str, int]) -> "Counts":
        """Read the ``itemCounts`` of DescribeMapRun; timed out children count as failed, aborted ones as stopped."""
        return cls(
            total=item_counts["total"],
            succeeded=item_counts["succeeded"],
            failed=item_counts["failed"] + item_counts["timedOut"],
            running=item_counts["running"],
            stopped=item_counts["aborted"],
        )

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.stopped

    @property
    def unsuccessful(self) -> str:
        """Numbers of batches that failed and that were stopped for it, in words."""
        return f"{self.failed:,} failed" + (f", {self.stopped:,} stopped" if self.stopped else "")


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
    """Asks how an execution is doing.

    Parameters
    ----------
    redrive_count
        What the execution has at least: the answer of a moment before its redrive is looked at again.
    is_new
        Whether the execution was started just now: that it does not exist is looked at again.
    stack_name
        What the command was given, for the words that say how the run is found again.
    has_items
        Whether the execution may have a Map Run, which is then asked about as well.
    """

    def __init__(
        self,
        target: Target,
        execution_arn: str,
        *,
        redrive_count: int = 0,
        is_new: bool = False,
        stack_name: str | None = None,
        has_items: bool = True,
    ) -> None:
        self._target = target
        self._execution_arn = execution_arn
        self._redrive_count = redrive_count
        self._is_new = is_new
        self._stack_name = stack_name
        self._has_items = has_items
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
            with naming_the_run(self._target, self._execution_arn, self._stack_name):
                seen = self.look()
            age = time.monotonic() - began
            show(Counts.of(seen.map_run["itemCounts"]) if seen.map_run else None, age)
            if seen.status != "RUNNING":
                return Ended(seen.execution, seen.map_run)
            time.sleep(self._target.pace.delay(age))

    def look(self) -> Seen:
        """Return how the execution is doing now; raises as ``wait`` does."""
        execution = self.settled_execution()
        return Seen(execution, self._map_run(execution["status"]) if self._has_items else None)

    def settled_execution(self) -> dict[str, Any]:
        """Return what DescribeExecution says once it knows what it has to know; raises as ``wait`` does."""
        until = time.monotonic() + SETTLING_SECONDS
        while True:
            answer = ask(self._target, "asking about the run", self._execution_if_known)
            if answer is not None and self._is_settled(answer):
                self._is_new = False
                return answer
            if time.monotonic() > until:
                raise LostRunError(f"asking about the run: the service {_what_it_lacks(answer)}")
            time.sleep(SETTLING_PAUSE_SECONDS)

    def _execution_if_known(self) -> dict[str, Any] | None:
        """Return the answer, None where a new execution is not known yet."""
        try:
            answer: dict[str, Any] = self._target.stepfunctions.describe_execution(executionArn=self._execution_arn)
        except ClientError as error:
            if self._is_new and has_code(error, {"ExecutionDoesNotExist"}):
                return None
            raise
        return answer

    def _is_settled(self, answer: dict[str, Any]) -> bool:
        if answer.get("redriveCount", 0) < self._redrive_count:
            return False
        return answer["status"] != "SUCCEEDED" or "output" in answer

    def _map_run(self, status: str) -> dict[str, Any] | None:
        """Return what DescribeMapRun says; where the execution has got beyond its Map Run, of one that has ended."""
        until = time.monotonic() + SETTLING_SECONDS
        while True:
            answer = ask(self._target, "asking about the Map Run", self._latest_map_run)
            is_stale = answer is not None and answer.get("status") == "RUNNING" and status in BEYOND_MAP_RUN
            if not is_stale or self._target.is_local or time.monotonic() > until:
                return answer
            time.sleep(SETTLING_PAUSE_SECONDS)

    def _latest_map_run(self) -> dict[str, Any] | None:
        if self._map_run_arn is None:
            map_runs = self._target.stepfunctions.list_map_runs(executionArn=self._execution_arn)["mapRuns"]
            if not map_runs:
                return None
            self._map_run_arn = max(map_runs, key=lambda map_run: map_run["startDate"])["mapRunArn"]
        answer: dict[str, Any] = self._target.stepfunctions.describe_map_run(mapRunArn=self._map_run_arn)
        return answer


def _what_it_lacks(answer: dict[str, Any] | None) -> str:
    if answer is None:
        return "does not know it"
    if answer["status"] == "SUCCEEDED":
        return "says SUCCEEDED and tells no output"
    return "does not know of its redrive"
