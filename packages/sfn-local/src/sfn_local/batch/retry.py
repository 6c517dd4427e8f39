"""Whether a job whose attempt failed is tried again: ``attempts`` and ``evaluateOnExit`` of its retry strategy.

Source: AWS Batch user guide, "Automated job retries"; API reference, EvaluateOnExit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXITED = "Essential container in task exited"
START_FAILED = "Task failed to start"
# Source: Amazon ECS developer guide, "Stopped tasks error messages".
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
TIMED_OUT = "Job attempt duration exceeded timeout"


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of one attempt.

    Attributes
    ----------
    exit_code : int or None
        128 and the signal's number where a signal ended it; None if nothing was started.
    reason : str or None
        Reason that the container ended for.
    is_final : bool
        Whether no other attempt may follow: it ran out of time or was terminated.
    """

    exit_code: int | None
    status_reason: str
    reason: str | None = None
    is_final: bool = False

    @property
    def has_succeeded(self) -> bool:
        return self.exit_code == 0 and not self.is_final


def is_retried(strategy: Mapping[str, Any], attempt_count: int, failed: Exit) -> bool:
    """Whether another attempt follows ``attempt_count`` of them, the last of which failed."""
    if failed.is_final or attempt_count >= strategy.get("attempts", 1):
        return False
    for rule in strategy.get("evaluateOnExit", ()):
        if _applies(rule, failed):
            return str(rule["action"]).upper() == "RETRY"
    return True


def _applies(rule: Mapping[str, str], failed: Exit) -> bool:
    """Whether every condition of a rule holds."""
    facts = {
        "onStatusReason": failed.status_reason,
        "onReason": failed.reason or "",
        "onExitCode": "" if failed.exit_code is None else str(failed.exit_code),
    }
    return all(_matches(rule[name], fact) for name, fact in facts.items() if name in rule)


def _matches(pattern: str, text: str) -> bool:
    """Compare; an asterisk at the end of a pattern stands for anything."""
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern
