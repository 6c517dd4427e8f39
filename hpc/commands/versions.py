"""Version of the workload's file for a redrive or a replay: that of the run, or another one that the person names."""

import argparse
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.errors import LostRunError, NotStartedError
from hpc.files import is_file
from hpc.runs.run import Run
from hpc.targets.client import explained
from hpc.targets.home import Home
from hpc.targets.workload_file import (
    DEPLOYED_FOLDER,
    NAME,
    WorkloadFile,
    overlay_folder,
    read_workload,
    read_workload_file,
    workload_name,
)
from hpc.targets.workload_origins import origin_of
from hpc.targets.workload_package import WorkloadPackage

SHOWN_DIGITS = 12


@dataclass(frozen=True)
class Version:
    """A version of a workload's file.

    Attributes
    ----------
    overlay : Path or None
        Folder with it, where it is no part of what is served.
    file : WorkloadFile or None
        The file that a person named.
    is_changed : bool
        Whether it is another one than the run has.
    """

    sha256: str
    overlay: Path | None = None
    file: WorkloadFile | None = None
    is_changed: bool = False
    # The person's package, where the run had an uploaded workload or needs one.
    package: WorkloadPackage | None = None


def choose_version(args: argparse.Namespace, home: Home, run: Run, given: dict[str, Any]) -> Version:
    """Return the version that a redrive computes with.

    Parameters
    ----------
    given
        Settings of the run, or the input of one that ended in Start.

    Raises
    ------
    NotStartedError
        If nobody has asked for another version and the file has changed; if it is gone, or ``--workload`` names
        another workload.
    """
    workload = str(given.get("workload", ""))
    if not NAME.fullmatch(workload):
        return Version("")  # Start says what is wrong with it
    own = given.get("workload_sha256")
    origin = origin_of(home.folder, run.name) if run.target.is_local else None
    if own is None and origin is not None:
        own = origin.sha256  # it ended in Start
    file = origin.file if origin is not None and is_file(origin.file) else None
    if given.get("is_uploaded") or "uploaded_workload" in given:
        return _of_package(args, home, run, workload, own or given.get("uploaded_workload"))
    if isinstance(args.workload, WorkloadPackage):
        raise NotStartedError(
            f"--workload must be the workload of {run.name}, {workload}, which it did not bring, "
            f"got {args.workload.origin}"
        )
    if args.workload is not None:
        return _named(args, home, run, workload, own)
    deployed = _deployed(run, home, workload)
    if deployed is not None or not run.target.is_local:
        now = Version(deployed or own or "", is_changed=deployed not in (None, own) and own is not None)
        named = str(_project_file(workload))
    elif file is not None and own is not None:
        source = WorkloadFile(workload, file.read_bytes(), file)
        now = Version(source.sha256, source.copy_to(home.create()), source, is_changed=source.sha256 != own)
        named = str(file)
    else:
        return _copy(home, run, workload, own)
    if not now.is_changed or args.only_finish:
        return now
    if not run.target.is_local:
        # Only the functions know the deployed version: they refuse another one.
        return Version(own or "")
    raise changed(run, named, now.sha256, own or "")


def changed(run: Run, file: str, now: str, own: str) -> NotStartedError:
    """Return the refusal to go on with a run whose file has changed."""
    workload = Path(file).stem
    return NotStartedError(
        f"WorkloadChangedError: workload {workload} has changed since the run was started: {file} has sha256 "
        f"{now[:SHOWN_DIGITS]}..., {run.name} has {own[:SHOWN_DIGITS]}...",
        f"  hpc redrive {run.name} --workload {file}  computes the items without a result with the changed file",
        f"  hpc redrive {run.name} --only-finish  runs combine and finish again, with the changed file",
        "  or put the file back, or start a new run",
    )


def _of_package(args: argparse.Namespace, home: Home, run: Run, workload: str, own: str | None) -> Version:
    """Return the version of a run that brought its workload: that, or what ``--workload`` brings now.

    Raises
    ------
    NotStartedError
        As ``choose_version``.
    """
    origin = origin_of(home.folder, run.name)
    file = str(origin.file) if origin is not None and origin.file.exists() else None
    named = args.workload or file
    if named is None:
        return Version(own or "")
    package = named if isinstance(named, WorkloadPackage) else read_workload(named, home, on_aws=True)
    if not isinstance(package, WorkloadPackage) or package.name != workload:
        got = package.origin if package is named else named
        raise NotStartedError(
            f"--workload must be the workload that {run.name} brought, {workload}, as a file or folder, got {got}"
        )
    is_changed = package.sha256 != own
    if is_changed and args.workload is None and not args.only_finish:
        raise changed(run, named, package.sha256, own or "")
    return Version(package.sha256, is_changed=is_changed, package=package)


def _named(args: argparse.Namespace, home: Home, run: Run, workload: str, own: str | None) -> Version:
    file = read_workload_file(args.workload, home, on_aws=not run.target.is_local)
    if workload_name(args.workload) != workload:
        raise NotStartedError(
            f"--workload must be the workload of {run.name}, {workload}, or its file {workload}.py, got {args.workload}"
        )
    if file is not None:
        folder = file.copy_to(home.create())
        return Version(file.sha256, folder, file, is_changed=own is not None and file.sha256 != own)
    deployed = _deployed(run, home, workload)
    if deployed is None:
        raise NotStartedError(f"--workload {args.workload}: {DEPLOYED_FOLDER} has no {workload}.py: name your file")
    return Version(deployed, is_changed=own is not None and deployed != own)


def _copy(home: Home, run: Run, workload: str, own: str | None) -> Version:
    """Return the copy of a file that is gone, or of which nothing is known."""
    kept = home.folder / "workloads"
    folders = [overlay_folder(home.folder, workload, own)] if own else kept.glob(f"{workload}-*")
    copies = [folder.resolve() for folder in folders if is_file(folder / f"{workload}.py")]
    if not copies:
        raise NotStartedError(
            f"{run.name} can't be redriven: the copy of its workload file {workload}.py is gone from {kept}, "
            f"and {DEPLOYED_FOLDER} has none: start a new run, or name the file with --workload"
        )
    if len(copies) > 1:
        raise NotStartedError(
            f"{run.name} can't be redriven: it ended in Start, and {len(copies)} versions of its workload {workload} "
            f"are in {kept}: start a new run, or name the file with --workload"
        )
    found = _sha256(copies[0] / f"{workload}.py")
    if own is not None and found != own:
        raise changed(run, str(copies[0] / f"{workload}.py"), found, own)
    return Version(found, copies[0])


def _project_file(workload: str) -> Path:
    return DEPLOYED_FOLDER / f"{workload}.py"


def _deployed(run: Run, home: Home, workload: str) -> str | None:
    """Return the SHA-256 of a workload's file in what is served; of a deployed stack, that of the project's file."""
    if run.target.is_local:
        files = sorted(Path(run.target.assembly).glob(f"asset.*/{_project_file(workload)}"))
    else:
        files = [file for file in (home.project / _project_file(workload),) if is_file(file)]
    return _sha256(files[0]) if files else None


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def go_on_with(run: Run, version: Version) -> bytes | None:
    """Let a run have another version of its workload's file from now on; what it had is kept beside it.

    Returns
    -------
    bytes or None
        run.json as it was, None if there is none yet: Start writes it then.
    """
    before = run.read("run.json")
    if before is None:
        return None
    settings = json.loads(before)
    settings.pop("sha256", None)
    earlier = [settings["workload_sha256"], *settings.get("earlier_sha256s", [])]
    settings["earlier_sha256s"] = [sha256 for sha256 in dict.fromkeys(earlier) if sha256 != version.sha256]
    settings["workload_sha256"] = version.sha256
    settings["combines"] = None  # one version may, and the other not
    # The same checksum as in lambdas/run_files/checksums.py.
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    with_checksum = settings | {"sha256": hashlib.sha256(text.encode()).hexdigest()}
    write_settings(run, f"{json.dumps(with_checksum, separators=(',', ':'))}\n".encode())
    return before


def write_settings(run: Run, body: bytes) -> None:
    """Write run.json."""
    with explained(LostRunError, "writing run.json"):
        run.target.s3.put_object(Bucket=run.target.bucket, Key=run.key("run.json"), Body=body)
