"""Serverless HPC: ``hpc.map`` and what belongs to it for programs, :mod:`hpc.cli` for terminals.

The names below are imported when they are first used: ``import hpc`` alone loads nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpc import errors
    from hpc.api.calls import get, map, plan, runs, start  # noqa: A004 - hpc.map is meant to be read with its module
    from hpc.api.executor import Executor
    from hpc.api.run import Run

__all__ = ["Executor", "Run", "errors", "get", "map", "plan", "runs", "start"]

_HOMES = {
    "Executor": "hpc.api.executor",
    "Run": "hpc.api.run",
    **dict.fromkeys(("get", "map", "plan", "runs", "start"), "hpc.api.calls"),
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("hpc.errors")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
