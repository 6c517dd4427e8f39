"""`hpc serve`: a local server that stays, and how a shell reaches it."""

import argparse
import errno
import shlex
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

from sfn_local.server import Connection, LocalServer, ServerInUseError

from hpc.errors import ExitCode, NotStartedError
from hpc.local_environment import aws_variables
from hpc.targets.home import Home
from hpc.targets.local import unservable
from hpc.targets.synthesis import WITH_JOBS, check_assembly, find_assembly
from hpc.terminal.console import emit, say

# A port that is taken, or that only root may have.
PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES)
SIGNAL_LOOK_SECONDS = 0.5


def serve(args: argparse.Namespace) -> int:
    """Serve the project's state machines until a signal ends it, which is how this command succeeds."""
    home = Home.from_environment()
    folder = home.create()
    assembly = check_assembly(Path(args.assembly)) if args.assembly else _everything(home, folder)
    with ExitStack() as hosting:
        connection = _host(hosting, folder, assembly, args.port)
        with suppress(KeyboardInterrupt):
            emit(*exports(connection), kept_in=str(folder / "server.json"))
            say(f"serving {connection.outputs.get('StateMachineArn', assembly)} (Ctrl-C ends it)")
            wait_for_signal()
    return ExitCode.SUCCEEDED


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
