"""A workload in a file of one's own: from its path to a folder that the workers of the local server import from."""

import ast
import hashlib
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hpc.errors import NotStartedError
from hpc.files import is_file
from hpc.targets.home import Home
from hpc.targets.workload_imports import check_imports
from hpc.terminal.printable import shorten

NAME = re.compile(r"[a-z][a-z0-9_]*")
DEPLOYED_FOLDER = Path("lambdas", "workloads")
READ_ONLY = 0o444


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
    """Whether ``--workload`` gives a file; else it gives the name of one in lambdas/workloads."""
    return workload is not None and (workload.endswith(".py") or os.sep in workload)


def workload_name(workload: str | None) -> str | None:
    """Return the name that the execution input has for what ``--workload`` gives."""
    return Path(workload).stem if workload is not None and names_file(workload) else workload


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
    raise NotStartedError(
        f"--workload must be one of {', '.join(known)}, or a file such as my_model.py, got '{shorten(workload)}'"
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
        # One that is not Python is refused where it is imported.
        with suppress(SyntaxError, ValueError):
            _check_imports(f"--workload {workload}", path, path.read_bytes())


def _check_imports(named: str, path: Path, source: bytes) -> None:
    from sfn_local.server import worker_search_path  # noqa: PLC0415 - a run on AWS need not load the local server

    check_imports(named, path, source, worker_search_path())


def read_workload_file(workload: str | None, home: Home, *, on_aws: bool) -> WorkloadFile | None:
    """Read the file that ``--workload`` names; None where it names none, or one that every server has.

    Raises
    ------
    NotStartedError
        If there is no such file, it is not Python or imports what is not there, its name is taken, or the run is on
        AWS.
    """
    if workload is None or not names_file(workload):
        return None
    path, named = Path(workload), f"--workload {workload}"
    if not NAME.fullmatch(path.stem) or path.suffix != ".py":
        raise NotStartedError(f"{named} must be a file named like my_model.py: a-z, 0-9 and _, a letter first")
    deployed = home.project / DEPLOYED_FOLDER / path.name
    if path.resolve() == deployed.resolve():
        return None
    if on_aws:
        raise NotStartedError(
            f"{named}: on AWS runs what is deployed; copy the file to {DEPLOYED_FOLDER}/, add the packages it needs to "
            f"lambdas/requirements.txt, run make deploy, then give --workload {path.stem}"
        )
    if is_file(deployed):
        raise NotStartedError(
            f"{named}: the project has a workload {path.stem} of its own ({DEPLOYED_FOLDER / path.name}): give "
            "your file another name"
        )
    try:
        source = path.read_bytes()
    except OSError as error:
        raise NotStartedError(f"{named} can't be read: {error}") from error
    try:
        ast.parse(source, path.name)
    except (SyntaxError, ValueError) as error:
        raise NotStartedError(f"{named} is not Python: {error}") from error
    _check_imports(named, path.resolve(), source)
    return WorkloadFile(path.stem, source, path.resolve())
