"""Retry and Catch: which entry handles an error, and how long to wait before the next attempt.

Differs from AWS: not known to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfn_local.language import Json
from sfn_local.language.errors import matches

# Source: AWS documentation, "Handling errors in Step Functions workflows", defaults of Retry fields
DEFAULT_INTERVAL_SECONDS = 1
DEFAULT_MAX_ATTEMPTS = 3
DEFAULT_BACKOFF_RATE = 2.0

LONGEST_EXECUTION_SECONDS = 366 * 86_400  # an execution ends after a year: a longer wait never ends

Counters = tuple[int, ...]  # retries made so far, one count a retrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrier:
    """One entry of Retry."""

    error_equals: tuple[str, ...]
    interval_seconds: int = DEFAULT_INTERVAL_SECONDS
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    backoff_rate: float = DEFAULT_BACKOFF_RATE
    max_delay_seconds: int | None = None
    jitter: bool = False

    @classmethod
    def from_fields(cls, fields: Mapping[str, Json]) -> "Retrier":
        """From an entry that was checked already."""
        return cls(
            error_equals=tuple(fields["ErrorEquals"]),
            interval_seconds=fields.get("IntervalSeconds", DEFAULT_INTERVAL_SECONDS),
            max_attempts=fields.get("MaxAttempts", DEFAULT_MAX_ATTEMPTS),
            backoff_rate=fields.get("BackoffRate", DEFAULT_BACKOFF_RATE),
            max_delay_seconds=fields.get("MaxDelaySeconds"),
            jitter=fields.get("JitterStrategy", "NONE") == "FULL",
        )

    def delay_seconds(self, retry: int, random: Callable[[], float]) -> float:
        """Seconds to wait before a retry.

        Parameters
        ----------
        retry : int
            How many retries this retrier made before, 0 for its first.
        random : callable
            Gives a number from 0 to 1; used with full jitter only.
        """
        most = LONGEST_EXECUTION_SECONDS if self.max_delay_seconds is None else self.max_delay_seconds
        try:
            delay = min(self.interval_seconds * self.backoff_rate**retry, most)
        except OverflowError:
            delay = most
        return delay * random() if self.jitter else float(delay)


class RetryDecision(NamedTuple):
    """Try again after so many seconds, with these counters."""

    delay_seconds: float
    counters: Counters


def first_counters(retriers: Sequence[Retrier]) -> Counters:
    """Counters of a state that was just entered."""
    return (0,) * len(retriers)


def next_retry(
    retriers: Sequence[Retrier], name: str | None, counters: Counters, random: Callable[[], float]
) -> RetryDecision | None:
    """Decide about an error.

    Parameters
    ----------
    name : str or None
        The error's name.
    counters : tuple of int
        From `first_counters` or the decision before.

    Returns
    -------
    RetryDecision or None
        None if no retrier matches, or the first that does has no attempts left.
    """
    for position, retrier in enumerate(retriers):
        if matches(retrier.error_equals, name):
            made = counters[position]
            if made >= retrier.max_attempts:
                return None
            counted = (*counters[:position], made + 1, *counters[position + 1 :])
            return RetryDecision(retrier.delay_seconds(made, random), counted)
    return None
