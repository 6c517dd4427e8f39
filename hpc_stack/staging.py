"""Adds a person's own workloads to the bundled ones, in a folder that the assets are made from."""

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hpc_stack.packages import REQUIREMENTS, normalized, read_requirements

# The name under which lambdas.workloads loads them.
WORKLOAD_NAME = re.compile(r"[a-z][a-z0-9_]*")
FILES = ("constraints.txt", "requirements-uv.txt")


class WorkloadsError(ValueError):
    """The given folder can't be the workloads of a stack; the text says why."""


@contextlib.contextmanager
def staged_sources(sources: Path, workloads: Path | None, requirements: Path | None) -> Iterator[Path]:
    """Give a folder like ``sources`` that has the files of ``workloads`` and their packages as well.

    Assets are copied into the cloud assembly when they are defined, so that the folder can go after that.

    Parameters
    ----------
    sources
        Has ``lambdas/`` and the pins.
    workloads
        Each of its ``.py`` files is a workload; None for the bundled ones alone.
    requirements
        What these import beside boto3 and the packages of ``lambdas/requirements.txt``, each with its version.  A
        version here wins.  By default it is ``requirements.txt`` in ``workloads``, if that exists.

    Raises
    ------
    WorkloadsError
        If there is no such folder or file, no workload in the folder, or a name is none or taken.
    PackagesError
        If a version is not pinned.
    """
    if workloads is None and requirements is None:
        yield sources
        return
    files = [] if workloads is None else _own_files(workloads, sources)
    requirements = _own_requirements(workloads, requirements)
    with tempfile.TemporaryDirectory(prefix="hpc-sources-") as name:
        staged = Path(name).resolve()
        shutil.copytree(sources / "lambdas", staged / "lambdas", ignore=shutil.ignore_patterns("__pycache__"))
        for each in FILES:
            if (sources / each).is_file():
                shutil.copyfile(sources / each, staged / each)
        for file in files:
            shutil.copyfile(file, staged / "lambdas/workloads" / file.name)
        if requirements is not None:
            _merge_requirements(staged / REQUIREMENTS, requirements)
        yield staged


def _own_files(workloads: Path, sources: Path) -> list[Path]:
    if not workloads.is_dir():
        raise WorkloadsError(f"workloads must be a folder with a .py file for each workload, got {workloads}")
    files = sorted(file for file in workloads.glob("*.py") if file.name != "__init__.py")
    if not files:
        raise WorkloadsError(f"workloads must be a folder with a .py file for each workload, {workloads} has none")
    for file in files:
        if not WORKLOAD_NAME.fullmatch(file.stem):
            raise WorkloadsError(f"workloads: {file} must be named like my_model.py: a-z, 0-9 and _, a letter first")
        if (sources / "lambdas/workloads" / file.name).exists():
            raise WorkloadsError(
                f"workloads: {file} has the name of a bundled workload, {file.stem}: give it another name"
            )
    return files


def _own_requirements(workloads: Path | None, requirements: Path | None) -> Path | None:
    if requirements is None:
        beside = None if workloads is None else workloads / "requirements.txt"
        return beside if beside is not None and beside.is_file() else None
    if not requirements.is_file():
        raise WorkloadsError(f"requirements must be a file of pinned packages, got {requirements}")
    return requirements


def _merge_requirements(bundled: Path, own: Path) -> None:
    """Write what both files name to ``bundled``; a package that both name has the version of ``own``."""
    given = read_requirements(own)
    kept = [line for line in bundled.read_text(encoding="utf-8").splitlines() if _package_of(line) not in given]
    bundled.write_text("\n".join([*kept, own.read_text(encoding="utf-8")]), encoding="utf-8")


def _package_of(line: str) -> str:
    return normalized(re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0])
