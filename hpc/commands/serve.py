"""`hpc serve`: a local server that stays, and how a shell reaches it."""

import argparse
import errno
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from sfn_local.server import Connection, LocalServer, ServerInUseError, attach

from hpc.errors import ExitCode, NotStartedError
from hpc.targets.home import Home
from hpc.targets.local import unservable
from hpc.targets.local_environment import aws_variables
from hpc.targets.synthesis import WITH_JOBS, check_assembly, find_assembly
from hpc.terminal.console import emit, say

# A port that is taken, or that only root may have.
PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES)
SIGNAL_LOOK_SECONDS = 0.5
FIRST_EXPORT = b"export AWS_ENDPOINT_URL=http://127.0.0.1:"


def serve(args: argparse.Namespace) -> int:
    """Serve the project's state machines until a signal ends it, which is how this command succeeds."""
    home = Home.from_environment()
    folder = home.create()
    if args.exports is not None and attach(folder) is None:
        remove_stale(Path(args.exports))
    assembly = check_assembly(Path(args.assembly)) if args.assembly else _everything(home, folder)
    with ExitStack() as hosting:
        connection = _host(hosting, folder, assembly, args.port)
        with suppress(KeyboardInterrupt):
            if args.exports is None:
                emit(*exports(connection), kept_in=str(folder / "server.json"))
            else:
                hosting.enter_context(written(Path(args.exports), exports(connection)))
            say(f"serving {connection.outputs.get('StateMachineArn', assembly)} (Ctrl-C ends it)")
            wait_for_signal()
    return ExitCode.SUCCEEDED


def remove_stale(path: Path) -> None:
    """Remove the exports of an earlier server, so that nobody who waits for the file reads them.

    Raises
    ------
    NotStartedError
        If the file can't be removed, or is not one that ``hpc serve`` has written.
    """
    try:
        if path.is_symlink() or (path.exists() and not path.read_bytes().startswith(FIRST_EXPORT)):
            raise NotStartedError(f"--exports {path} is there, and hpc serve did not write it: give another name")
        path.unlink(missing_ok=True)
    except OSError as error:
        raise NotStartedError(f"--exports {path} can't be written: {error}") from error


@contextmanager
def written(path: Path, lines: list[str]) -> Iterator[None]:
    """Have the lines in a file of the owner's alone, whole from the first moment, as long as the context lasts."""
    text = "".join(f"{line}\n" for line in lines)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise NotStartedError(f"--exports {path} can't be written: {error}") from error
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            if path.read_text(encoding="utf-8") == text:  # else another server has written it since
                path.unlink()


def wait_for_signal() -> NoReturn:
    """Wait for the exception that a signal's handler raises."""
    while True:  # a signal that comes between Python's last look for one and a wait does not end that wait
        time.sleep(SIGNAL_LOOK_SECONDS)


def _everything(home: Home, folder: Path) -> Path:
    return find_assembly(home.project, folder, variant=WITH_JOBS).resolve()


def _host(hosting: ExitStack, folder: Path, assembly: Path, port: int) -> Connection:
    try:
        return hosting.enter_context(LocalServer(folder, assembly, port=port))
    except ServerInUseError as error:
        raise NotStartedError(f"{error}: stop it, or use another HPC_HOME") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in PORT_ERRORS and error.filename is None:
            raise NotStartedError(f"--port {port} can't be listened on: {error}") from error
        raise unservable(folder, assembly, error) from error


def exports(connection: Connection) -> list[str]:
    """Return what a shell has to evaluate for AWS's own tools to use the server."""
    variables = aws_variables(
        endpoint_url=connection.endpoint_url,
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
