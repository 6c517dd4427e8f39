"""Where a program's runs are: a deployed stack, or the local server, which is started if nobody has yet."""

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hpc.errors import NotStartedError
from hpc.targets.client import Target, aws_target
from hpc.targets.home import Home
from hpc.targets.synthesis import PIPELINE, WITH_JOBS

if TYPE_CHECKING:
    import boto3


class Place(Protocol):
    """Gives the stack that runs are started in, connected again where a server has ended."""

    home: Home
    is_local: bool

    def target(self, *, has_jobs: bool = False, only_looks: bool = False) -> Target: ...


@dataclass
class OnAws:
    """A deployed stack."""

    home: Home
    found: Target
    stack_name: str | None
    is_local: bool = False

    def target(self, *, has_jobs: bool = False, only_looks: bool = False) -> Target:  # noqa: ARG002 - the stack has what it has
        return self.found


@dataclass
class Local:
    """The server of a home; one that this process has started ends with it."""

    home: Home
    assembly: Path | None
    is_local: bool = True
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _host: "subprocess.Popen[bytes] | None" = None
    _found: Target | None = None
    _has_jobs: bool = False
    _process_id: int = 0

    def target(self, *, has_jobs: bool = False, only_looks: bool = False) -> Target:
        """Return the server's stack.

        Raises
        ------
        NotStartedError
            If it can't be served, or a server that another process hosts has not what is needed.
        """
        from sfn_local.server import attach  # noqa: PLC0415 - a run on AWS needs no local server

        with self._lock:
            if self._process_id != os.getpid():  # a forked child has its own
                self._host, self._found, self._process_id = None, None, os.getpid()
            is_served = attach(self.home.folder) is not None
            if self._found is not None and is_served and (self._has_jobs or not has_jobs):
                return self._found
            if self._host is not None and (not is_served or has_jobs):
                self.close()  # it has ended, or has no jobs
                is_served = False
            self._found = self._connect(has_jobs=has_jobs or self._has_jobs, only_looks=only_looks, is_served=is_served)
            self._has_jobs = has_jobs or self._has_jobs
            return self._found

    def _connect(self, *, has_jobs: bool, only_looks: bool, is_served: bool) -> Target:
        from hpc.targets.local import connect  # noqa: PLC0415 - as above
        from hpc.targets.looking import attached_target, last_assembly  # noqa: PLC0415 - as above

        if only_looks and is_served:
            return attached_target(self.home)
        assembly = self.assembly
        if only_looks and assembly is None:
            self.home.check_has_runs()
            assembly = last_assembly(self.home)
        if not is_served:
            self._start_host(assembly, has_jobs=has_jobs)
        with ExitStack() as hosting:
            variant = WITH_JOBS if has_jobs else PIPELINE
            return connect(hosting, self.home, assembly, variant=variant, may_host=False)

    def _start_host(self, assembly: Path | None, *, has_jobs: bool) -> None:
        named = [str(assembly)] if assembly is not None else []
        command = [sys.executable, "-m", "hpc.api.host", str(self.home.folder), "jobs" if has_jobs else "pipeline"]
        self._host = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [*command, *named],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            # The project may be no installed package, and the program may stand anywhere.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        atexit.register(self.close)
        assert self._host.stdout is not None
        refusal = json.loads(self._host.stdout.readline() or b'["the local server ended as it began"]')
        if refusal:
            self.close()
            raise NotStartedError(*refusal)

    def close(self) -> None:
        """End the server that this process has started, and the runs on it with it."""
        with self._lock:
            host, self._host, self._found = self._host, None, None
            if host is None or self._process_id != os.getpid():
                return
            for pipe in (host.stdin, host.stdout):
                assert pipe is not None
                pipe.close()
            host.wait()


_places: dict[tuple[Path, Path | None], Local] = {}
_places_lock = threading.Lock()


def find_place(
    aws: bool | str = False,
    session: "boto3.Session | None" = None,
    assembly: str | Path | None = None,
) -> Place:
    """Return where ``hpc.start`` and the like work.

    Parameters
    ----------
    aws
        True for the stack that cdk.json names, or the name of a stack; False for this machine.
    session
        boto3's, instead of one with the credentials and Region that boto3 finds.
    assembly
        Cloud assembly to serve on this machine, None for that of the project's present sources.
    """
    home = Home.from_environment()
    if aws or session is not None:
        name = aws if isinstance(aws, str) else None
        return OnAws(home, aws_target(name or home.default_stack_name(), session), name)
    named = Path(assembly).absolute() if assembly is not None else None
    with _places_lock:
        return _places.setdefault((home.folder, named), Local(home, named))
