"""The local target: attach to the server that serves this home, or host one as long as the command needs it."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sfn_local.server import (
    Connection,
    FaultInjector,
    FaultSpecError,
    LocalServer,
    ServerInUseError,
    attach,
    not_made_here,
)

from hpc.errors import LostRunError, NotStartedError
from hpc.targets.client import LOCAL_PACE, Target, explained, local_config, local_session
from hpc.targets.home import Home
from hpc.targets.outputs import pipeline_outputs
from hpc.targets.synthesis import PIPELINE, Variant, check_assembly, find_assembly
from hpc.terminal.console import say

# A server that is starting holds the lock before it can be attached to.
CONNECT_TRIES = 150
CONNECT_PAUSE_SECONDS = 0.1
OTHERS_PAUSE_SECONDS = 0.2
# A report of 100,000 children is written in less.
LONGEST_LOOK_SECONDS = 60
# Where lambdas.workloads finds one more workload.
OVERLAY = "HPC_WORKLOADS_OVERLAY"
LAST_ASSEMBLY = "last-assembly"


def overlay_environment(overlay: Path | None) -> dict[str, str]:
    """Return the variables with which functions and jobs find a workload that the assembly has not."""
    return {} if overlay is None else {OVERLAY: str(overlay.absolute())}


@contextmanager
def local_target(
    home: Home,
    assembly: Path | None,
    *,
    variant: Variant = PIPELINE,
    overlay: Path | None = None,
    may_host: bool = True,
    faults: FaultInjector | None = None,
    is_short_lived: bool = False,
    limits_memory: bool = True,
) -> Iterator[Target]:
    """Serve the project's state machine on this machine.

    A server that this command hosts ends with it, but not before the runs that other commands started on it.

    Parameters
    ----------
    assembly
        The cloud assembly to serve, or None for the one of the project's present sources.
    variant
        What the assembly of the present sources must have.
    overlay
        Folder with a workload that is not part of the project.
    may_host
        False where the run has to outlive this command.
    faults
        What the server that this command hosts rehearses; none is attached to.
    is_short_lived
        Whether this command only looks, so that others do better to wait for its end than to attach.
    limits_memory
        False where a server that this command hosts shall let functions use what they need.

    Raises
    ------
    NotStartedError
        If another server of this home serves another assembly, or lacks the workload of ``overlay``, or rehearses
        faults; if there is one and faults are given, or none and this command may not host one.
    """
    with ExitStack() as hosting:
        target = connect(
            hosting,
            home,
            assembly,
            variant=variant,
            overlay=overlay,
            may_host=may_host,
            faults=faults,
            is_short_lived=is_short_lived,
            limits_memory=limits_memory,
        )
        yield target
        if not target.is_guest:
            _wait_for_others(target)


def connect(
    hosting: ExitStack,
    home: Home,
    assembly: Path | None,
    *,
    variant: Variant = PIPELINE,
    overlay: Path | None = None,
    may_host: bool = True,
    faults: FaultInjector | None = None,
    is_short_lived: bool = False,
    limits_memory: bool = True,
) -> Target:
    """Attach to the server of a home, or host one until ``hosting`` is closed; arguments as of ``local_target``."""
    folder = home.create()
    for _ in range(CONNECT_TRIES):
        connection = attach_to_lasting(folder)
        if connection is None and not may_host:
            raise no_server(home)
        wanted = _wanted_assembly(home, assembly, variant, connection)
        if connection is not None:
            _check_same(connection, wanted, overlay)
            _check_faults(connection, faults)
            return target_of(connection, folder, is_guest=True)
        server = LocalServer(
            folder,
            wanted,
            environment=overlay_environment(overlay),
            faults=faults,
            is_short_lived=is_short_lived,
            limits_memory=limits_memory,
        )
        try:
            return target_of(_host(hosting, folder, wanted, server), folder)
        except ServerInUseError as error:
            in_use = error
            time.sleep(CONNECT_PAUSE_SECONDS)
    raise NotStartedError(f"{in_use}, and it does not answer")


def attach_to_lasting(folder: Path) -> Connection | None:
    """Attach to the server of the home, if there is one, but not to one that ends in a moment."""
    limit = time.monotonic() + LONGEST_LOOK_SECONDS
    while True:
        connection = attach(folder)
        if connection is None or not connection.is_short_lived or time.monotonic() > limit:
            return connection
        time.sleep(CONNECT_PAUSE_SECONDS)


def _host(hosting: ExitStack, folder: Path, assembly: Path, server: LocalServer) -> Connection:
    try:
        connection = hosting.enter_context(server)
    except ServerInUseError:
        raise
    except FaultSpecError as error:
        raise NotStartedError(f"--faults: {error}") from error
    except Exception as error:
        raise unservable(folder, assembly, error) from error
    if connection.not_made and not connection.is_short_lived:
        say(not_made_here(connection))
    unfinished = folder / f"{LAST_ASSEMBLY}.tmp"  # there is one server of a folder
    try:
        unfinished.write_text(connection.assembly, encoding="utf-8")
        unfinished.replace(folder / LAST_ASSEMBLY)
    except OSError as error:
        raise NotStartedError(f"HPC_HOME must be a folder that can be written to: {error}") from error
    return connection


def unservable(folder: Path, assembly: Path, error: Exception) -> NotStartedError:
    """Name what can't run: an assembly may hold anything, so may the folder, and any part of the server may find it."""
    return NotStartedError(f"the local server of {folder} can't run {assembly}: {type(error).__name__}: {error}")


def no_server(home: Home) -> NotStartedError:
    """Return the error of a command that needs the server of a run."""
    return NotStartedError(f"no local server runs for {home.folder}: a local run ends with the command that hosts it")


def _wanted_assembly(home: Home, assembly: Path | None, variant: Variant, connection: Connection | None) -> Path:
    if assembly is not None:
        return check_assembly(assembly)
    in_use = Path(connection.assembly).resolve() if connection else None
    return find_assembly(home.project, home.folder, variant=variant, in_use=in_use).resolve()


def _check_same(connection: Connection, wanted: Path, overlay: Path | None) -> None:
    served = Path(connection.assembly).resolve()
    if wanted.name.startswith(f"{served.name}-"):
        raise NotStartedError(
            "the local server that runs now has no jobs, because a run of the pipeline alone began it: "
            "wait for its runs to end or stop it, or use another HPC_HOME"
        )
    if served != wanted:
        raise NotStartedError(
            f"the local server that runs now serves other sources ({served.name}, wanted {wanted.name}): "
            "wait for its runs to end or stop it, or use another HPC_HOME"
        )
    served_overlay = connection.environment.get(OVERLAY)
    if overlay is not None and served_overlay != str(overlay):
        raise NotStartedError(
            f"the local server that runs now has {_workload_of(served_overlay)}, wanted {_workload_of(overlay)}: "
            "wait for its runs to end or stop it, or use another HPC_HOME"
        )


def _check_faults(connection: Connection, faults: FaultInjector | None) -> None:
    """Refuse to share a server that rehearses faults: another's run must not suffer them unawares."""
    wait = "wait for its runs to end or stop it, or use another HPC_HOME"
    if connection.faults is not None:
        raise NotStartedError(f"the local server that runs now rehearses faults for another command: {wait}")
    if faults is not None:
        raise NotStartedError(
            f"--faults are for a server that this command hosts, another command hosts the one that runs now: {wait}"
        )


def _workload_of(overlay: str | Path | None) -> str:
    return f"the workload file {Path(overlay).name}" if overlay is not None else "no workload file"


def target_of(connection: Connection, state: Path, *, is_guest: bool = False) -> Target:
    """Return the stack of a server as something to call; ``state`` is the folder that it serves."""
    outputs = pipeline_outputs(connection.outputs, f"the cloud assembly {connection.assembly}")
    session = local_session(
        region=connection.region,
        access_key_id=connection.access_key_id,
        secret_access_key=connection.secret_access_key,
    )
    return Target(
        session,
        local_config(),
        connection.endpoint_url,
        outputs["StateMachineArn"],
        outputs["ResultsBucketName"],
        LOCAL_PACE,
        is_local=True,
        assembly=connection.assembly,
        is_guest=is_guest,
        outputs=outputs,
        state=state,
    )


def _wait_for_others(target: Target) -> None:
    """Keep serving until no execution runs, because another command's run would die with this server."""
    told = False
    while True:
        with explained(LostRunError, "looking for other runs on this server"):
            names = sorted(_running(target))
        if not names:
            return
        if not told:
            say(f"still serving {', '.join(names)} (Ctrl-C ends it)")
            told = True
        time.sleep(OTHERS_PAUSE_SECONDS)


def _running(target: Target) -> Iterator[str]:
    """Yield the names of running executions, up to 100 of each state machine."""
    for machine in target.stepfunctions.list_state_machines()["stateMachines"]:
        if machine["type"] == "STANDARD":  # the others' executions are not listed
            answer = target.stepfunctions.list_executions(
                stateMachineArn=machine["stateMachineArn"], statusFilter="RUNNING", maxResults=100
            )
            yield from (execution["name"] for execution in answer["executions"])
