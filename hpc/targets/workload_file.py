"""A workload of one's own: from the path of a file or folder to what the workers import."""

import ast
import hashlib
import os
import re
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hpc.errors import NotStartedError
from hpc.files import is_file, is_folder
from hpc.targets.home import Home
from hpc.targets.workload_imports import check_imports
from hpc.targets.workload_package import (
    WorkloadPackage,
    imports_hpc,
    modules_beside,
    package_of_file,
    package_of_folder,
)
from hpc.terminal.printable import shorten

NAME = re.compile(r"[a-z][a-z0-9_]*")
DEPLOYED_FOLDER = Path("lambdas", "workloads")
READ_ONLY = 0o444
# Either may define any name.
ANY_NAME = "*"
MODULE_GETATTR = "__getattr__"


@dataclass(frozen=True)
class WorkloadFile:
    """A workload's source as it was when the command began."""

    name: str
    source: bytes
    # Where it is; a run notes it, so that a redrive sees whether it has changed.
    path: Path | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.source).hexdigest()

    def copy_to(self, home: Path) -> Path:
        """Return the folder with a copy that is read-only, made anew: later edits change no run that has begun."""
        folder = overlay_folder(home, self.name, self.sha256)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{uuid.uuid4().hex}"
        unfinished.write_bytes(self.source)
        unfinished.chmod(READ_ONLY)
        unfinished.replace(folder / f"{self.name}.py")
        return folder


def overlay_folder(home: Path, workload: str, sha256: str) -> Path:
    """Return where the copy of a workload's file is, or would be; run.json of a run has its name and SHA-256."""
    return (home / "workloads" / f"{workload}-{sha256}").resolve()


def names_file(workload: str | None) -> bool:
    """Whether ``--workload`` gives a file or folder; else it gives the name of one in lambdas/workloads."""
    return workload is not None and (workload.endswith(".py") or os.sep in workload)


def workload_name(workload: str | None) -> str | None:
    """Return the name that the execution input has for what ``--workload`` gives."""
    if workload is None or not names_file(workload):
        return workload
    path = Path(workload)
    return _main_file(path).stem if is_folder(path) else path.stem


def _main_file(folder: Path) -> Path:
    """Return the file of a folder that is the workload: the one that is named as the folder, or else workload.py."""
    own = folder / f"{folder.resolve().name}.py"
    return own if is_file(own) else folder / "workload.py"


def check_workload(workload: str, home: Home, assembly: Path | None) -> None:
    """Refuse the name of a workload that a server on this machine would not have.

    Parameters
    ----------
    workload
        What ``--workload`` gives; a file is checked where it is read.
    assembly
        The cloud assembly that is served, None for one of the project's present sources.

    Raises
    ------
    NotStartedError
        Naming the file beside it that was meant, or the workloads that there are.
    """
    folders = [home.project / DEPLOYED_FOLDER] if assembly is None else assembly.glob(f"*/{DEPLOYED_FOLDER}")
    known = sorted({file.stem for folder in folders for file in folder.glob("[a-z]*.py")})
    if names_file(workload) or not known or workload in known:
        return
    file = Path(f"{workload}.py")
    if NAME.fullmatch(workload) and is_file(file):
        raise NotStartedError(
            f"--workload {workload} is no workload of {DEPLOYED_FOLDER}, but there is a file {file} here: "
            f"give --workload {file}"
        )
    if workload and is_folder(Path(workload)):  # Path("") is the current folder
        raise NotStartedError(
            f"--workload {workload} is no workload of {DEPLOYED_FOLDER}, but there is a folder {workload} here: "
            f"give --workload {workload}{os.sep}"
        )
    raise NotStartedError(
        f"--workload must be one of {', '.join(known)}, or a file such as my_model.py, or a folder, "
        f"got '{shorten(workload)}'"
    )


def check_project_workload(workload: str, home: Home) -> None:
    """Refuse a workload of the project that imports what is not there, as ``read_workload_file`` does a file.

    Raises
    ------
    NotStartedError
        Naming the module.
    """
    path = home.project / DEPLOYED_FOLDER / f"{workload}.py"
    if NAME.fullmatch(workload) and is_file(path):
        # A file that is not Python is refused when it is imported.
        with suppress(SyntaxError, ValueError):
            _check_file_imports(f"--workload {workload}", path, path.read_bytes())


def _check_file_imports(named: str, path: Path, source: bytes, brought: Collection[str] = ()) -> None:
    from sfn_local.server import worker_search_path  # noqa: PLC0415 - a run on AWS need not load the local server

    check_imports(named, path, source, worker_search_path(), brought)


def read_workload(workload: str | None, home: Home, *, on_aws: bool) -> "WorkloadFile | WorkloadPackage | None":
    """Read what ``--workload`` names; None where it names a workload that the stack has.

    A folder, a file that imports modules beside it, and on AWS every file travel with the run.

    Raises
    ------
    NotStartedError
        If there is no such file or folder, or it is no workload, or holds what can't travel.
    """
    if workload is None or not names_file(workload):
        return None
    path, origin = Path(workload), f"--workload {workload}"
    if is_folder(path):
        main = _main_file(path)
        if not is_file(main):
            raise NotStartedError(
                f"{origin} must be a folder with {path.resolve().name}.py or workload.py, which is the workload"
            )
        _check_name(main, origin)
        package = package_of_folder(path, main.stem, origin)
        _check_source(package.files[main.name], main, origin)
        return package if on_aws else _with_imports_checked(package, path)
    if not on_aws and not _needs_others(path):
        return read_workload_file(workload, home, on_aws=False)
    _check_name(path, origin)
    if path.resolve() == (home.project / DEPLOYED_FOLDER / path.name).resolve():
        return None
    source = _read(path, origin)
    _check_source(source, path, origin)
    package = package_of_file(path, path.stem, source, origin)
    return package if on_aws else _with_imports_checked(package, path.parent)


def _with_imports_checked(package: WorkloadPackage, folder: Path) -> WorkloadPackage:
    main = f"{package.name}.py"
    brought = {"hpc"} | {name.partition("/")[0].removesuffix(".py") for name in package.files}
    _check_file_imports(package.origin, folder / main, package.files[main], brought)
    return package


def _needs_others(path: Path) -> bool:
    """Whether a file imports modules beside it, or ``hpc``, for which something stands where it runs."""
    try:
        source = path.read_bytes()
    except OSError:
        return False
    return imports_hpc(source) or bool(modules_beside(path.parent, [source]))


def _check_name(path: Path, origin: str) -> None:
    if not NAME.fullmatch(path.stem) or path.suffix != ".py":
        raise NotStartedError(f"{origin} must be a file named like my_model.py: a-z, 0-9 and _, a letter first")


def _read(path: Path, origin: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotStartedError(f"{origin} can't be read: {error}") from error


def _check_source(source: bytes, path: Path, origin: str) -> None:
    """Refuse what can't be a workload, before anything starts.

    Raises
    ------
    NotStartedError
        If it is not Python, or defines neither compute nor compute_batch.
    """
    try:
        tree = ast.parse(source, path.name)
    except (SyntaxError, ValueError) as error:
        raise NotStartedError(f"{origin} is not Python: {error}") from error
    if not {"compute", "compute_batch", ANY_NAME, MODULE_GETATTR} & _bound_names(tree):
        raise NotStartedError(
            f"{origin}: workload {path.stem} must define either compute or compute_batch, it defines neither"
        )
    if {"compute", "compute_batch"} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
        raise NotStartedError(
            f"{origin}: workload {path.stem} must define either compute or compute_batch, it defines both"
        )


def _bound_names(tree: ast.Module) -> set[str]:
    """Return names that are bound anywhere in a source: more than those of the module, and none of them is left out."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name)
    return names


def read_workload_file(workload: str | None, home: Home, *, on_aws: bool) -> WorkloadFile | None:
    """Read the file that ``--workload`` names; None where it names none, or one that every server has.

    Raises
    ------
    NotStartedError
        If there is no such file, it is no workload, its name is taken, or the run is on AWS.
    """
    if workload is None or not names_file(workload):
        return None
    path, origin = Path(workload), f"--workload {workload}"
    _check_name(path, origin)
    deployed = home.project / DEPLOYED_FOLDER / path.name
    if path.resolve() == deployed.resolve():
        return None
    if on_aws:
        raise NotStartedError(
            f"{origin}: on AWS this run has what was deployed; copy the file to {DEPLOYED_FOLDER}/, run make deploy, "
            f"then give --workload {path.stem}"
        )
    if is_file(deployed):
        raise NotStartedError(
            f"{origin}: the project has a workload {path.stem} of its own ({DEPLOYED_FOLDER / path.name}): give "
            "your file another name"
        )
    source = _read(path, origin)
    _check_source(source, path, origin)
    _check_file_imports(origin, path.resolve(), source)
    return WorkloadFile(path.stem, source, path.resolve())
