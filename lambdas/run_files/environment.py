"""Environment variables that the stack sets for the functions; read and checked when they are needed."""

import os
import re

from lambdas.contract.back_ends import DEFAULT_BACK_END
from lambdas.contract.limits import MAX_ARRAY_SIZE, MAX_CONCURRENCY, MAX_ITEMS, MIN_ARRAY_SIZE
from lambdas.run_files.errors import ConfigurationError


def results_bucket() -> str:
    """Name of the bucket that holds ``runs/`` and ``uploads/``."""
    return variable("RESULTS_BUCKET")


def max_concurrency() -> int:
    """Parallel child executions that a run may ask for, and has if its input names no ``max_concurrency``."""
    return _number("MAX_CONCURRENCY", 1, MAX_CONCURRENCY)


def max_items() -> int:
    """Items that a run may have; the setting ``hpc:max_items``."""
    return _number("MAX_ITEMS", 1, MAX_ITEMS) if "MAX_ITEMS" in os.environ else MAX_ITEMS


def max_usd() -> float | None:
    """Return the highest estimate that a run may have, of the setting ``hpc:max_usd``; None where there is no limit."""
    text = os.environ.get("MAX_USD", "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII):
        raise ConfigurationError(f"environment variable MAX_USD must be a number of dollars, got {text!r}")
    return float(text)


def source_buckets() -> tuple[str, ...]:
    """Buckets besides the results bucket that hold input data; the setting ``hpc:source_buckets``."""
    return tuple(name for name in os.environ.get("SOURCE_BUCKETS", "").split(",") if name)


def back_ends() -> tuple[str, ...]:
    """Back ends that the stack has; every stack has ``lambda``."""
    return tuple(os.environ.get("BACK_ENDS", DEFAULT_BACK_END).split(","))


def max_array_size() -> int:
    """Children of an array job that a run has if its input names no ``batch_size``."""
    return _number("MAX_ARRAY_SIZE", MIN_ARRAY_SIZE, MAX_ARRAY_SIZE)


def takes_uploaded_workloads() -> bool:
    """Whether a run may bring its workload; the setting ``hpc:uploaded_workloads``."""
    return os.environ.get("UPLOADED_WORKLOADS", "true") == "true"


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
