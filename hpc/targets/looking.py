"""Targets of commands that look at runs of this machine, while a server hosts them and after it has ended."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sfn_local.server import LocalServer, attach, copy_state

from hpc.errors import NotStartedError
from hpc.files import has_room, is_file
from hpc.targets.client import Target
from hpc.targets.home import Home
from hpc.targets.local import LAST_ASSEMBLY, attach_to_lasting, local_target, no_server, target_of, unservable
from hpc.targets.synthesis import WITH_JOBS, find_assembly


@contextmanager
def looking_target(home: Home, *, is_short_lived: bool = True) -> Iterator[Target]:
    """Serve what ran on this machine, or attach to the server that does, whatever it serves.

    Raises
    ------
    NotStartedError
        If nothing ran yet, or what ran last can't be served any more.
    """
    home.check_has_runs()
    connection = attach_to_lasting(home.folder)
    if connection is not None:
        yield target_of(connection, home.folder, is_guest=True)
        return
    if not has_room(home.folder):
        with _copied_target(home) as target:
            yield target
        return
    # The assembly that was served last has the runs; the sources may have changed since, and a look needs no synthesis.
    with local_target(home, last_assembly(home), is_short_lived=is_short_lived) as target:
        yield target


@contextmanager
def _copied_target(home: Home) -> Iterator[Target]:
    """Serve a copy of what tells of the runs: the home is on a disk that is full, or may only be read.

    Raises
    ------
    NotStartedError
        If the copy can't be made or served.
    """
    with TemporaryDirectory(prefix="hpc-") as name, ExitStack() as hosting:
        folder = Path(name)
        try:
            copy_state(home.folder, folder)
            assembly = last_assembly(home) or find_assembly(home.project, folder)
        except OSError as error:
            raise NotStartedError(
                f"{home.folder} can't be written to, and can't be copied to be read: {error}"
            ) from error
        server = LocalServer(folder, assembly, objects=home.folder / "s3", is_short_lived=True)
        try:
            connection = hosting.enter_context(server)
        except Exception as error:
            raise unservable(home.folder, assembly, error) from error
        yield target_of(connection, folder)


def last_assembly(home: Home) -> Path | None:
    """Return what was served last, None if it is gone or not known: a full disk may have left an empty file."""
    try:
        assembly = Path((home.folder / LAST_ASSEMBLY).read_text(encoding="utf-8"))
        # One with jobs and orchestrator shows their executions too.
        with_jobs = assembly.with_name(f"{assembly.name}{WITH_JOBS.suffix}")
    except (OSError, ValueError):
        return None
    return next((folder for folder in (with_jobs, assembly) if is_file(folder / "manifest.json")), None)


def attached_target(home: Home) -> Target:
    """Attach to the server that another command hosts."""
    connection = attach(home.folder)
    if connection is None:
        raise no_server(home)
    return target_of(connection, home.folder, is_guest=True)
