"""Workloads: one module each, loaded by name and checked against the contract (``lambdas.batch.workload``).

::

    def compute(item, params): ...         # one item: JSON in, JSON out.  May also name `index` and `seed`
    def compute_batch(items, params): ...  # instead of compute, when a range is cheaper in one pass: one result an item
    def items(size, params): ...           # optional, default range(size)
    def weight(item, params): ...          # optional: what an item costs, beside others
    def combine(a, b): ...                 # optional, associative and commutative
    def finish(result, params): ...        # optional, once, in Sum

``params`` may be left out everywhere.
"""

import functools
import importlib.util
import linecache
import pkgutil
import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from lambdas.batch.workload import Workload, read_workload
from lambdas.batch.workload_source import WorkloadSource
from lambdas.run_files import environment, json_text
from lambdas.run_files.errors import InvalidInputError, PipelineInterrupt, WorkloadChangedError, WorkloadError

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


def read_source(name: str) -> WorkloadSource:
    """Read a workload's file as it is now, without importing it.

    Raises
    ------
    InvalidInputError
        If there is none of that name.
    WorkloadError
        If there are two.
    """
    files = [file for folder in _folders() if (file := Path(folder, f"{name}.py")).is_file()]
    if not NAME.fullmatch(name) or not files:
        raise InvalidInputError(f"workload must be one of {', '.join(known_names())}, got {json_text.shown(name)}")
    if len(files) > 1:
        raise WorkloadError(f"the name {name} is taken by a workload of lambdas/workloads: give the file another one")
    return WorkloadSource(name, str(files[0]), files[0].read_bytes())


def read_unchanged(name: str, sha256: str) -> WorkloadSource:
    """Read a workload's file, which must be the one that a run was started with.

    Raises
    ------
    WorkloadChangedError
        If it is another one.
    InvalidInputError, WorkloadError
        As ``read_source`` does.
    """
    source = read_source(name)
    if source.sha256 != sha256:
        raise changed(source, sha256)
    return source


def changed(source: WorkloadSource, sha256: str) -> WorkloadChangedError:
    """Return the error of a run whose workload has the file ``source`` now, and was started with another one."""
    return WorkloadChangedError(
        f"workload {source.name} has changed since the run was started (sha256 {source.sha256[:12]}..., the run's is "
        f"{sha256[:12]}...): put the file back to go on with this run, start a new one, or go on with the changed "
        "file by hpc redrive --workload"
    )


def load(name: str) -> Workload:
    """Import a workload as its file is now, and check it.

    Raises
    ------
    InvalidInputError, WorkloadError
        As ``read_source``; also if it can't be imported or does not keep the contract.
    """
    return imported(read_source(name))


# A refusal is not kept: the file may be put back while this process lives.
@functools.cache
def load_unchanged(name: str, sha256: str) -> Workload:
    """Import a workload whose file must be the one that a run was started with; another one is not imported.

    Raises
    ------
    WorkloadChangedError
        As ``read_unchanged``.
    InvalidInputError, WorkloadError
        As ``load`` does.
    """
    return imported(read_unchanged(name, sha256))


def load_for_sum(name: str, sha256: str) -> Workload:
    """Return an unchanged workload with its ``combine`` and ``finish``; it is imported only if it may have one.

    Its ``compute`` may need packages that only the image of the jobs has.
    """
    source = read_unchanged(name, sha256)
    if source.may_define("combine", "finish"):
        return load_unchanged(name, sha256)
    return Workload(name=name, sha256=sha256, file=source.path)


def imported(source: WorkloadSource) -> Workload:
    """Run just those bytes that were hashed: no bytecode, and no file that was written in the meantime.

    Raises
    ------
    WorkloadError
        If it can't be imported or does not keep the contract.
    """
    place = f"workload {source.name} can't be imported"
    try:
        module = _executed(source)
    except PipelineInterrupt:
        raise
    except ModuleNotFoundError as error:
        raise WorkloadError(f"{place}: {error} ({_where_modules_are(error)})") from error
    except BaseException as error:
        raise WorkloadError.of(error, source.path, place) from error
    return read_workload(module, source.name, source.sha256)


def _executed(source: WorkloadSource) -> ModuleType:
    full_name = f"{__name__}.{source.name}"
    spec = importlib.util.spec_from_file_location(full_name, source.path)
    assert spec is not None
    loader = spec.loader
    assert isinstance(loader, SourceFileLoader)
    code = loader.source_to_code(source.data, source.path)
    module = importlib.util.module_from_spec(spec)
    # Tracebacks show the lines that were imported, whatever becomes of the file.
    linecache.cache[source.path] = (len(source.data), None, source.lines, source.path)
    before = sys.modules.get(full_name)
    sys.modules[full_name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - a workload is code
    except BaseException:
        if before is None:
            del sys.modules[full_name]
        else:
            sys.modules[full_name] = before
        raise
    return module


def _where_modules_are(error: ModuleNotFoundError) -> str:
    """Say what a workload can import, of a module that it can't."""
    name = error.name or ""
    beside = name.partition(".")[0]
    if name.startswith(f"{__name__}.") or any(
        Path(folder, beside).is_dir() or Path(folder, f"{beside}.py").is_file() for folder in _folders()
    ):
        return "a workload is one file: what stands beside it can't be imported, put it into the file"
    return (
        "a workload is one file, of which modules beside it are no part; packages are named in lambdas/requirements.txt"
    )
