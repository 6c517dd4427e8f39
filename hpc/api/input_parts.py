"""Parts of the execution input, as a program gives them."""

import json
import operator
from collections.abc import Mapping
from typing import Any

from hpc.api.items import plain
from hpc.commands import inputs
from hpc.contract.back_ends import JOB_BACK_ENDS
from hpc.contract.limits import MAX_CONCURRENCY, MAX_ITEMS
from hpc.errors import NotStartedError


def checked_part(key: str, value: Any) -> Any:
    """Return a part of the execution input; None is left out of it.

    Raises
    ------
    NotStartedError
        If Start would refuse it, or JSON can't hold it.
    """
    if value is None:
        return None
    limits = {"size": (0, MAX_ITEMS), "batch_size": (1, MAX_ITEMS), "max_concurrency": (1, MAX_CONCURRENCY)}
    if key in limits:
        return whole_number(key, value, *limits[key])
    if key == "tolerated_failure_percentage" and (isinstance(value, bool) or not _is_percentage(value)):
        raise NotStartedError(f"{key} must be a number from 0 to 100, got {value!r:.100}")
    if key == "back_end" and value not in ("lambda", *JOB_BACK_ENDS):
        raise NotStartedError(f"back_end must be one of lambda, {', '.join(JOB_BACK_ENDS)}, got {value!r:.100}")
    return _params(value) if key == "params" else value


def whole_number(key: str, value: Any, low: int, high: int) -> int:
    """Return a whole number; one of numpy, too."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if isinstance(value, bool) or not low <= number <= high:
        raise NotStartedError(f"{key} must be an integer from {low:,} to {high:,}, got {value!r:.100}")
    return number


def _is_percentage(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 100


def _params(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise NotStartedError(f"params must be a dict, got {type(value).__name__}")
    try:
        params: dict[str, Any] = plain(dict(value))
        inputs.parse_json(json.dumps(params, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotStartedError(f"params must be JSON: {error}") from error
    return params
