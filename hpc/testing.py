"""Helpers for the tests of a workload: its answer, computed in this process, and its ``combine`` tried on samples.

After this import, whatever a workload imports from ``lambdas`` can be imported here as it can in a run, unless the
person has a package ``lambdas``: that one stays what their own modules import.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hpc.targets.project import find_project

if TYPE_CHECKING:
    from lambdas.run_files.errors import WorkloadError
    from lambdas.testing import answer, check_combine

__all__ = ["WorkloadError", "answer", "check_combine"]

_PACKAGE = "lambdas"


def _import_lambdas(*names: str) -> list[ModuleType]:
    """Import modules of the project's ``lambdas``."""
    project = str(find_project())
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        sys.path.append(project)
    elif not Path(spec.origin or "").is_relative_to(project):
        with _in_the_place_of_another(project):
            return [importlib.import_module(name) for name in names]
    return [importlib.import_module(name) for name in names]


@contextmanager
def _in_the_place_of_another(project: str) -> Iterator[None]:
    """Let ``lambdas`` be the project's for a moment; its modules have imported one another when that is over."""
    theirs = _taken_modules()
    sys.path.insert(0, project)
    try:
        yield
    finally:
        sys.path.remove(project)
        _taken_modules()
        sys.modules.update(theirs)


def _taken_modules() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")]
    return {name: sys.modules.pop(name) for name in names}


if not TYPE_CHECKING:
    _testing, _errors = _import_lambdas("lambdas.testing", "lambdas.run_files.errors")
    answer, check_combine, WorkloadError = _testing.answer, _testing.check_combine, _errors.WorkloadError
