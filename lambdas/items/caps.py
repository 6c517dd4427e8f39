"""Limits of the stack for what a run may ask for, so that a person who may start executions can't spend any amount.

What is let pass here ends in time all the same: ``hpc:run_timeout_seconds`` is the time-out of the machine.
"""

from lambdas.items.inputs import RunInput
from lambdas.run_files import environment
from lambdas.run_files.errors import InvalidInputError

# Step Functions' quota on the items of a Map Run; Start would write more for hours.
MAX_WRITTEN_ITEMS = 100_000_000


def check(run_input: RunInput) -> None:
    """Refuse a run whose input asks for more than the stack allows.

    Raises
    ------
    InvalidInputError
        If ``max_concurrency`` or ``expected_usd`` is over the stack's limit.
    """
    limit = environment.max_concurrency()
    if run_input.max_concurrency > limit:
        raise InvalidInputError(
            f"max_concurrency must be {limit} or less in this stack (the setting hpc:max_concurrency), "
            f"got {run_input.max_concurrency}"
        )
    max_usd = environment.max_usd()
    if max_usd is not None and run_input.expected_usd is not None and run_input.expected_usd > max_usd:
        raise InvalidInputError(
            f"expected_usd must be {max_usd:g} or less in this stack (the setting hpc:max_usd), "
            f"got {run_input.expected_usd:g}"
        )


def check_range(item_count: int) -> None:
    """Refuse items that are a range, if they are more than a run may have."""
    if item_count > environment.max_items():
        raise too_many(environment.max_items(), str(item_count))


def max_written_items() -> int:
    """Return how many items that are not a range a run may have."""
    return min(environment.max_items(), MAX_WRITTEN_ITEMS)


def too_many(limit: int, given: str) -> InvalidInputError:
    """Return the error of a run with too many items."""
    setting = " (the setting hpc:max_items)" if limit == environment.max_items() else " that are not a range"
    return InvalidInputError(f"a run may have {limit} items{setting}, got {given}")
