"""What the stack tells the functions: environment variables, read when they are needed and checked."""

import os

from lambdas.errors import ConfigurationError


def results_bucket() -> str:
    """Name of the bucket that holds ``runs/`` and ``uploads/``."""
    return _variable("RESULTS_BUCKET")


def default_max_concurrency() -> int:
    """Parallel child executions of a run whose input names no ``max_concurrency``."""
    text = _variable("MAX_CONCURRENCY")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 10_000):
        raise ConfigurationError(f"environment variable MAX_CONCURRENCY must be 1 to 10000, got {text!r}")
    return int(text)


def source_buckets() -> tuple[str, ...]:
    """Buckets besides the results bucket that hold input data; the setting ``hpc:source_buckets``."""
    return tuple(name for name in os.environ.get("SOURCE_BUCKETS", "").split(",") if name)


def _variable(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationError(f"environment variable {name} is not set")
    return value
