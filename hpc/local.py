"""The local target: attach to the server that serves this home, or host one as long as the command needs it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hpc.client import LOCAL_PACE, Target, explained, from_outputs, local_config, local_session
from hpc.console import say
from hpc.errors import LostRunError, NotStartedError
from hpc.home import Home
from hpc.synthesis import check_assembly, find_assembly
from hpc_local.server import Connection, LocalServer, ServerInUseError, attach

# A server that is starting holds the lock before it can be attached to.
CONNECT_TRIES = 50
CONNECT_PAUSE_SECONDS = 0.1
OTHERS_PAUSE_SECONDS = 0.2


@contextmanager
def local_target(
    home: Home, assembly: Path | None, *, overlay: Path | None = None, may_host: bool = True
) -> Iterator[Target]:
    """Serve the project's state machine on this machine.

    A server that this command hosts ends with it, but not before the runs that other commands started on it.

    Parameters
    ----------
    assembly
        The cloud assembly to serve, or None for the one of the project's present sources.
    overlay
        Folder with a workload that is not part of the project.
    may_host
        False where the run has to outlive this command.

    Raises
    ------
    NotStartedError
        If another server of this home serves another assembly, or lacks the workload of ``overlay``, or there is none
        and this command may not host one.
    """
    folder = home.create()
    for _ in range(CONNECT_TRIES):
        connection = attach(folder)
        if connection is None and not may_host:
            raise _no_server(home)
        wanted = _wanted_assembly(home, assembly, connection)
        if connection is not None:
            _check_same(connection, wanted, overlay)
            yield _target(connection, guest_of=connection.assembly)
            return
        with ExitStack() as hosting:
            try:
                target = _target(_host(hosting, folder, wanted, overlay))
            except ServerInUseError as error:
                in_use = error
                time.sleep(CONNECT_PAUSE_SECONDS)
                continue
            yield target
            _wait_for_others(target)
            return
    raise NotStartedError(f"{in_use}, and it does not answer")


def _host(hosting: ExitStack, folder: Path, assembly: Path, overlay: Path | None) -> Connection:
    try:
        return hosting.enter_context(LocalServer(folder, assembly, overlay=overlay))
    except ServerInUseError:
        raise
    except Exception as error:
        # An assembly may hold anything: what can't run here is named, whichever part of the server found it.
        raise NotStartedError(f"the local server can't run {assembly}: {type(error).__name__}: {error}") from error


def attached_target(home: Home) -> Target:
    """Attach to the server that another command hosts."""
    connection = attach(home.folder)
    if connection is None:
        raise _no_server(home)
    return _target(connection)


def _no_server(home: Home) -> NotStartedError:
    return NotStartedError(f"no local server runs for {home.folder}: a local run ends with the command that hosts it")


def _wanted_assembly(home: Home, assembly: Path | None, connection: Connection | None) -> Path:
    if assembly is not None:
        return check_assembly(assembly)
    in_use = Path(connection.assembly).resolve() if connection else None
    return find_assembly(home.project, home.folder, in_use=in_use).resolve()


def _check_same(connection: Connection, wanted: Path, overlay: Path | None) -> None:
    served = Path(connection.assembly).resolve()
    if served != wanted:
        raise NotStartedError(
            f"the local server that runs now serves other sources ({served.name}, wanted {wanted.name}): "
            "wait for its runs to end or stop it, or use another HPC_HOME"
        )
    if overlay is not None and connection.overlay != str(overlay):
        raise NotStartedError(
            f"the local server that runs now has {_workload_of(connection.overlay)}, wanted {_workload_of(overlay)}: "
            "wait for its runs to end or stop it, or use another HPC_HOME"
        )


def _workload_of(overlay: str | Path | None) -> str:
    return f"the workload file {Path(overlay).name}" if overlay is not None else "no workload file"


def _target(connection: Connection, *, guest_of: str | None = None) -> Target:
    arn, bucket = from_outputs(connection.outputs, f"the cloud assembly {connection.assembly}")
    session = local_session(
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    return Target(
        session, local_config(), connection.endpoint_url, arn, bucket, LOCAL_PACE, is_local=True, guest_of=guest_of
    )


def _wait_for_others(target: Target) -> None:
    """Keep serving until no execution runs, because another command's run would die with this server."""
    told = False
    while True:
        with explained(LostRunError, "looking for other runs on this server"):
            answer = target.stepfunctions.list_executions(
                stateMachineArn=target.state_machine_arn, statusFilter="RUNNING", maxResults=100
            )
        names = sorted(execution["name"] for execution in answer["executions"])
        if not names:
            return
        if not told:
            say(f"still serving {', '.join(names)} (Ctrl-C ends it)")
            told = True
        time.sleep(OTHERS_PAUSE_SECONDS)
