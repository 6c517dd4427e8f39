"""Workloads: one module each, loaded by name and checked against the contract (``lambdas.batch.workload``).

::

    def compute(item, params): ...         # one item: JSON in, JSON out.  May also name `index` and `seed`
    def compute_batch(items, params): ...  # instead of compute, when a range is cheaper in one pass: one result an item
    def items(size, params): ...           # optional, default range(size); a tuple is (weight, item)
    def combine(a, b): ...                 # optional, associative and commutative
    def finish(result, params): ...        # optional, once, in Sum

``params`` may be left out everywhere.
"""

import functools
import hashlib
import importlib
import pkgutil
import re
from pathlib import Path

from lambdas.batch.workload import Workload, read_workload
from lambdas.run_files import environment, json_text
from lambdas.run_files.errors import InvalidInputError, WorkloadChangedError, WorkloadError

NAME = re.compile(r"[a-z][a-z0-9_]*")


def known_names() -> list[str]:
    """Names of all workloads, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(_folders()) if NAME.fullmatch(module.name))


def _folders() -> list[str]:
    """Return this package's folder and, on a machine that runs files from elsewhere, the one that overlays it."""
    overlay = environment.workloads_overlay()
    if overlay is not None and overlay not in __path__:
        __path__.append(overlay)
    return __path__


@functools.cache
def load(name: str) -> Workload:
    """Import a workload and check it.

    Raises
    ------
    InvalidInputError
        If there is none of that name.
    WorkloadError
        If there are two, if it can't be imported or does not keep the contract.
    """
    if not NAME.fullmatch(name) or name not in known_names():
        raise InvalidInputError(f"workload must be one of {', '.join(known_names())}, got {json_text.shown(name)}")
    files = [file for folder in _folders() if (file := Path(folder, f"{name}.py")).is_file()]
    if len(files) > 1:
        raise WorkloadError(f"the name {name} is taken by a workload of lambdas/workloads: give the file another one")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise WorkloadError(
            f"workload {name} can't be imported: {error} (packages are named in lambdas/requirements.txt)"
        ) from error
    except Exception as error:
        raise WorkloadError(f"workload {name} can't be imported: {type(error).__name__}: {error}") from error
    return read_workload(module, name, hashlib.sha256(files[0].read_bytes()).hexdigest())


def load_unchanged(name: str, sha256: str) -> Workload:
    """Import a workload whose file must be the one that a run was started with.

    Raises
    ------
    WorkloadChangedError
        If it is another one.
    InvalidInputError, WorkloadError
        As ``load`` does.
    """
    workload = load(name)
    if workload.sha256 != sha256:
        raise WorkloadChangedError(
            f"workload {name} has changed since the run was started (sha256 {workload.sha256[:12]}..., the run's is"
            f" {sha256[:12]}...): put the file back to go on with this run, or start a new one"
        )
    return workload
