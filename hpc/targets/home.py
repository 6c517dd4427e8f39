"""Folders: the project that is run, and the folder that holds the state of its runs."""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hpc.errors import NotStartedError
from hpc.files import ROOM_BYTES, has_room, is_file
from hpc.targets.project import find_project, is_installed
from hpc.terminal.console import say

# The local server's file of executions, below the folder.
STORE = "executions.sqlite"
# Permissions of everybody but the owner, which are taken away.
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class Home:
    """``project`` holds lambdas/; ``folder`` holds assemblies, the local server's store and its objects."""

    project: Path
    folder: Path

    @classmethod
    def from_environment(cls) -> "Home":
        project = find_project()
        named = os.environ.get("HPC_HOME")
        place = Path.cwd() if is_installed(project) else project
        return cls(project=project, folder=Path(named).absolute() if named else place / ".hpc")

    def create(self) -> Path:
        """Make the folder, readable by its owner only: it holds the local server's keys.

        Raises
        ------
        NotStartedError
            If it can't be made, written to or made private, or app.py and the server, which pass its name on as text,
            can't find it.
        """
        try:
            str(self.folder).encode()
        except UnicodeEncodeError:
            raise NotStartedError(f"HPC_HOME must be a path in UTF-8, got {str(self.folder)!a}") from None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise NotStartedError(f"HPC_HOME must be a folder that can be written to: {error}") from error
        _make_private(self.folder)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise NotStartedError(f"HPC_HOME must be a folder that can be written to, got {self.folder}")
        if not has_room(self.folder):
            raise NotStartedError(f"HPC_HOME must be on a disk with {ROOM_BYTES} bytes of room at least: {self.folder}")
        return self.folder

    def check_has_runs(self) -> None:
        """Refuse a home where nothing ever ran.

        Raises
        ------
        NotStartedError
            If there is no store.
        """
        if not is_file(self.folder / STORE):
            raise NotStartedError(f"nothing ran in {self.folder} yet: hpc run starts a run")

    def place_of(self, uri: str, *, is_local: bool) -> str:
        """Return where a person finds ``s3://bucket/key``, object or prefix: of the local server it is on disk."""
        return str(self.folder / "s3" / uri.removeprefix("s3://")) if is_local else uri

    def default_stack_name(self) -> str:
        """Return the name that ``cdk deploy`` gives the stack: context ``hpc:stack_name`` of cdk.json."""
        path = self.project / "cdk.json"
        try:
            context = json.loads(path.read_text(encoding="utf-8")).get("context", {})
        except (OSError, ValueError) as error:
            raise NotStartedError(f"{path} gives no stack name, so --stack-name is needed: {error}") from error
        return str(context.get("hpc:stack_name", "HpcStack"))


def _make_private(folder: Path) -> None:
    """Take a home from all but its owner, if it is a home: a folder that holds other things may be for others as well.

    Raises
    ------
    NotStartedError
        If it can't be, or must not.
    """
    found = folder.stat()
    if not found.st_mode & OTHERS:
        return
    mode = stat.filemode(found.st_mode)
    is_home = is_file(folder / STORE) or not any(folder.iterdir())
    if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX or not is_home:
        raise NotStartedError(
            f"HPC_HOME must be a folder for this alone that only you may read, got {folder} ({mode}): "
            "name another one, or take it from the others (chmod 700)"
        )
    try:
        folder.chmod(0o700)
    except OSError as error:
        raise NotStartedError(
            f"HPC_HOME must be a folder that only you may read, got {folder} ({mode}): {error}"
        ) from error
    say(f"{folder} was {mode}: now only you may read it")
