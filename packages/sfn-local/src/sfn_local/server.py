"""The local server: AWS's APIs on loopback over one home, with what a cloud assembly deploys.

One process serves a home at a time (a file lock); others attach to it by ``server.json``, which only its owner can
read.  Credentials are made anew for each server: loopback is no boundary on a machine that people share.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sfn_local.endpoint.sigv4 import Credential
from sfn_local.engine import EXECUTIONS, Running, Settings, serve
from sfn_local.faults.injector import FaultInjector
from sfn_local.faults.spec import FaultSpec, FaultSpecError
from sfn_local.iam.sessions import PERSON
from sfn_local.lambda_runtime.worker_imports import installed_paths
from sfn_local.lambda_runtime.worker_parent import CONNECTION
from sfn_local.maps.child_executions import child_result
from sfn_local.object_store.store import INDEX
from sfn_local.storage.child_reader import read_children
from sfn_local.storage.journal import StorageError

__all__ = [
    "Connection",
    "FaultInjector",
    "FaultSpec",
    "FaultSpecError",
    "LocalServer",
    "ServerInUseError",
    "attach",
    "copy_state",
    "ended_children",
]

_LOCK = "server.lock"


def worker_search_path() -> list[str]:
    """Return where the workers of a server in this process look for modules, beside their own code."""
    return installed_paths(sys.path)


@dataclass(frozen=True)
class Connection:
    """Address and keys of a local server, and the outputs of the assembly that it serves; ``assembly`` may be empty."""

    endpoint_url: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    outputs: Mapping[str, str]
    assembly: str
    # Variables that every function and job has, beside those of the assembly.
    environment: Mapping[str, str] = field(default_factory=dict)
    # The fault spec of the server, as JSON.
    faults: Mapping[str, Any] | None = None
    # Short-lived server: other commands wait for it to exit instead of attaching.
    is_short_lived: bool = False
    # Type of a resource that is not made here, like AWS::CloudWatch::Alarm -> how many the assembly has.
    not_made: Mapping[str, int] = field(default_factory=dict)


def not_made_here(connection: Connection) -> str:
    """Return the message that counts the resources which are not made here, by their types."""
    return f"not made here: {', '.join(f'{count} {kind}' for kind, count in connection.not_made.items())}"


class ServerInUseError(Exception):
    """Another process serves this home."""


class LocalServer(Settings):
    """Serve ``assembly`` over ``home`` as long as the context lasts, in a thread of its own.

    The parameters are the attributes of `sfn_local.engine.Settings`; all but the first two are keywords.

    Raises
    ------
    ServerInUseError
        On entering, if another process serves the home.
    FaultSpecError
        On entering, if the faults are for something that the assembly has not.
    AssemblyError, InvalidDefinition
        On entering, if the assembly holds something that can't run here.
    OSError
        On entering, if the port is taken.
    Exception
        On leaving, what its end failed with.
    """

    def __enter__(self) -> Connection:
        with contextlib.ExitStack() as stack:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.enter_context(_locked(self.home))
            connection = stack.enter_context(_hosted(self))
            stack.enter_context(_published(self.home, connection))
            self._context = stack.pop_all()
        return connection

    def __exit__(self, *error: object) -> None:
        self._context.close()


def attach(home: Path) -> Connection | None:
    """Return the connection to the server that another process hosts for ``home``, or None.

    Raises
    ------
    OSError
        If this user may not look whether there is one.
    """
    if not _is_locked(home):
        return None  # a server.json there was left by a process that was killed
    try:
        return Connection(**json.loads((home / CONNECTION).read_text()))
    except (OSError, ValueError, TypeError):
        return None  # it is starting or stopping


def copy_state(home: Path, folder: Path) -> None:
    """Copy what tells of a home's executions and objects, so that one that can't be written to can be looked at.

    Raises
    ------
    OSError
        If it can't be read, or the folder has no room for it.
    """
    (folder / "s3").mkdir()
    for file in (*home.glob(f"{EXECUTIONS}*"), *(home / "s3").glob(f"{INDEX}*")):
        if not file.name.endswith("-shm"):  # which belongs to the processes that have the file open
            shutil.copyfile(file, folder / file.relative_to(home))


def ended_children(home: Path, map_run_arn: str) -> Iterator[tuple[dict[str, Any], Sequence[Sequence[float]] | None]]:
    """Yield the children of a Map Run that have ended, and when workers computed them.

    What the service tells of a child begins when the child is scheduled; on this machine it then waits for a worker.

    Yields
    ------
    record : dict
        As a result file describes it.
    computed : sequence or None
        Begin and end of each call of a function, in seconds since the epoch; None where a home of an earlier version
        does not tell.

    Raises
    ------
    OSError
        If the home can't be read.
    """
    try:
        for row, child in read_children(home / EXECUTIONS, map_run_arn):
            yield child_result(child, row).record, child.computed
    except StorageError as error:
        raise OSError(str(error)) from error


def _is_locked(home: Path) -> bool:
    """Whether a server has the home; a shared lock, so that those who only look don't see each other."""
    try:
        with (home / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    with (home / _LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServerInUseError(f"process {lock.read().strip() or 'unknown'} serves {home}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextlib.contextmanager
def _published(home: Path, connection: Connection) -> Iterator[None]:
    """Let other processes of this user attach."""
    path = home / CONNECTION
    temporary = home / f"{CONNECTION}.new"
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(connection), file)
    temporary.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _hosted(settings: Settings) -> Iterator[Connection]:
    """Run an engine in a thread with an event loop of its own, for the holder of a new key."""
    user, secret = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
    credentials = {user: Credential(secret, principal=PERSON)}
    started: Future[Running] = Future()
    stopping = threading.Event()
    failures: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(settings, credentials, started, stopping, failures), name="server")
    thread.start()
    try:
        running = started.result()
        yield Connection(
            endpoint_url=running.endpoint_url,
            region=settings.account.region,
            access_key_id=user,
            secret_access_key=secret,
            outputs=running.outputs,
            assembly=str(settings.assembly.resolve()) if settings.assembly else "",
            environment=settings.environment,
            faults=settings.faults.spec.to_json() if settings.faults else None,
            is_short_lived=settings.is_short_lived,
            not_made=running.not_made,
        )
    finally:
        stopping.set()
        thread.join()
        if failures:
            raise failures[0]


def _run(
    settings: Settings,
    credentials: Mapping[str, Credential],
    started: "Future[Running]",
    stopping: threading.Event,
    failures: list[BaseException],
) -> None:
    """Serve in this thread; what it fails with is told by ``started``, or by ``failures`` after that."""
    try:
        with asyncio.Runner() as runner:
            runner.run(_serve(settings, credentials, started, stopping))
    except BaseException as error:  # any exception: the waiting thread must be woken
        if started.done():
            failures.append(error)
        else:
            started.set_exception(error)


async def _serve(
    settings: Settings,
    credentials: Mapping[str, Credential],
    started: "Future[Running]",
    stopping: threading.Event,
) -> None:
    async with serve(settings, credentials) as running:
        started.set_result(running)
        await asyncio.to_thread(stopping.wait)
