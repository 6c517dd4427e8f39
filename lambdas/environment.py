"""What the stack tells the functions: environment variables, read when they are needed and checked."""

import os

from lambdas.errors import ConfigurationError


def results_bucket() -> str:
    """Name of the bucket that holds ``runs/`` and ``uploads/``."""
    return variable("RESULTS_BUCKET")


def default_max_concurrency() -> int:
    """Parallel child executions of a run whose input names no ``max_concurrency``."""
    return _number("MAX_CONCURRENCY", 1, 10_000)


def source_buckets() -> tuple[str, ...]:
    """Buckets besides the results bucket that hold input data; the setting ``hpc:source_buckets``."""
    return tuple(name for name in os.environ.get("SOURCE_BUCKETS", "").split(",") if name)


def back_ends() -> tuple[str, ...]:
    """Back ends that the stack has; every stack has ``lambda``."""
    return tuple(os.environ.get("BACK_ENDS", "lambda").split(","))


def max_array_size() -> int:
    """Children of an array job that a run has if its input names no ``batch_size``."""
    return _number("MAX_ARRAY_SIZE", 2, 10_000)


def workloads_overlay() -> str | None:
    """Folder with one more workload, where a file that is not part of the project is run; None on AWS."""
    return os.environ.get("HPC_WORKLOADS_OVERLAY") or None


def _number(name: str, smallest: int, largest: int) -> int:
    text = variable(name)
    if not (text.isascii() and text.isdigit() and smallest <= int(text) <= largest):
        raise ConfigurationError(f"environment variable {name} must be {smallest} to {largest}, got {text!r}")
    return int(text)


def variable(name: str) -> str:
    """Return a variable that has to be there."""
    value = os.environ.get(name, "")
    if not value:
        raise ConfigurationError(f"environment variable {name} is not set")
    return value
