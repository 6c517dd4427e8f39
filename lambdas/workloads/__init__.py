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

from lambdas.batch import workload_package
from lambdas.batch.workload import Workload, read_workload
from lambdas.batch.workload_source import WorkloadSource
from lambdas.run_files import environment, json_text
from lambdas.run_files.errors import (
    InvalidInputError,
    PipelineInterrupt,
    UploadedWorkloadError,
    WorkloadChangedError,
    WorkloadError,
)
from lambdas.run_files.runs import RunSettings

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


def read_source(name: str, package: str | None = None) -> WorkloadSource:
    """Read a workload's file as it is now, without importing it.

    Parameters
    ----------
    package
        SHA-256 of the uploaded package that has it; None where this package's folder has it.

    Raises
    ------
    InvalidInputError
        If there is none of that name.
    WorkloadError
        If there are two.
    UploadedWorkloadError
        If the package is not what it should be.
    """
    if package is not None:
        return _uploaded_source(name, package)
    files = [file for folder in _folders() if (file := Path(folder, f"{name}.py")).is_file()]
    if not NAME.fullmatch(name) or not files:
        raise InvalidInputError(f"workload must be one of {', '.join(known_names())}, got {json_text.shown(name)}")
    if len(files) > 1:
        raise WorkloadError(f"the name {name} is taken by a workload of lambdas/workloads: give the file another one")
    return WorkloadSource(name, str(files[0]), files[0].read_bytes())


def _uploaded_source(name: str, package: str) -> WorkloadSource:
    if not NAME.fullmatch(name):
        raise InvalidInputError(
            f"workload must be a name of a-z, 0-9 and _, a letter first, got {json_text.shown(name)}"
        )
    file = workload_package.unpacked(environment.results_bucket(), package) / f"{name}.py"
    try:
        return WorkloadSource(name, str(file), file.read_bytes(), package)
    except OSError as error:
        raise UploadedWorkloadError(f"the uploaded workload {package[:12]}... has no file {name}.py") from error


def read_unchanged(settings: RunSettings) -> WorkloadSource:
    """Read a workload's file, which must be the one that a run was started with.

    Raises
    ------
    WorkloadChangedError
        If it is another one.
    InvalidInputError, WorkloadError, UploadedWorkloadError
        As ``read_source`` does.
    """
    return _read_unchanged(settings.workload, settings.workload_sha256, settings.package_sha256)


def _read_unchanged(name: str, sha256: str, package: str | None) -> WorkloadSource:
    source = read_source(name, package)
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


def load(name: str, package: str | None = None) -> Workload:
    """Import a workload as its file is now, and check it.

    Raises
    ------
    InvalidInputError, WorkloadError, UploadedWorkloadError
        As ``read_source``; also if it can't be imported or does not keep the contract.
    """
    return imported(read_source(name, package))


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
    return imported(_read_unchanged(name, sha256, None))


# Only one package's modules can be imported at a time.
@functools.lru_cache(maxsize=1)
def _load_uploaded(name: str, package: str) -> Workload:
    return imported(read_source(name, package))


def load_for(settings: RunSettings) -> Workload:
    """Import the workload that a run was started with: the deployed one, unchanged, or the uploaded one.

    Raises
    ------
    WorkloadChangedError, InvalidInputError, WorkloadError, UploadedWorkloadError
        As ``read_unchanged`` and ``load`` do.
    """
    if settings.package_sha256 is None:
        workload_package.activate(None)
        return load_unchanged(settings.workload, settings.workload_sha256)
    workload = _load_uploaded(settings.workload, settings.package_sha256)
    workload_package.activate(Path(workload.file).parent)
    return workload


def load_for_sum(settings: RunSettings) -> Workload:
    """Return a run's workload with its ``combine`` and ``finish``; it is imported only if it may have one.

    Its ``compute`` may need packages that only the image of the jobs has.
    """
    source = read_unchanged(settings)
    if source.may_define("combine", "finish"):
        return load_for(settings)
    return Workload(name=source.name, sha256=source.sha256, file=source.path)


def imported(source: WorkloadSource) -> Workload:
    """Run just those bytes that were hashed: no bytecode, and no file that was written in the meantime.

    Raises
    ------
    WorkloadError
        If it can't be imported or does not keep the contract.
    """
    place = f"workload {source.name} can't be imported"
    workload_package.activate(Path(source.path).parent if source.package_sha256 is not None else None)
    try:
        module = _executed(source)
    except PipelineInterrupt:
        raise
    except ModuleNotFoundError as error:
        raise WorkloadError(f"{place}: {error} ({_where_modules_are(error, source)})") from error
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


def _where_modules_are(error: ModuleNotFoundError, source: WorkloadSource) -> str:
    """Say what a workload can import, of a module that it can't."""
    if source.package_sha256 is not None:
        return (
            "what the run brought has no such module; modules beside the workload travel with it, "
            "packages are named in lambdas/requirements.txt"
        )
    name = error.name or ""
    beside = name.partition(".")[0]
    if name.startswith(f"{__name__}.") or any(
        Path(folder, beside).is_dir() or Path(folder, f"{beside}.py").is_file() for folder in _folders()
    ):
        return "a deployed workload is one file: what stands beside it can't be imported, put it into the file"
    return (
        "a deployed workload is one file, of which modules beside it are no part; packages are named in "
        "lambdas/requirements.txt"
    )
