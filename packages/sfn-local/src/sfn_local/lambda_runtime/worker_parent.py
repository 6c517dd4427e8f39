"""Starts the process that workers are forked from, also before the server that commands it is imported.

It imports boto3 for the workers, which takes as long as a command takes to import what it needs itself: a command that
will host a server starts it first.  Nothing here may import more than the standard library.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

# The child searches where this process searches, whatever made it so: an installation, a checkout, user packages.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from sfn_local.lambda_runtime.worker import main; main()"
)
# Where Python itself may need the user's variable: builds whose libraries are not where the system looks.
_INHERITED_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")


class WorkerParent(NamedTuple):
    """The process, and the end of the socket that commands it."""

    process: "subprocess.Popen[bytes]"
    channel: socket.socket


# Below a home: the folder of the functions' logs, the log of the process there, and the file of a server that runs.
LOGS = "logs"
WORKERS_LOG = "workers.log"
CONNECTION = "server.json"

# Started early and not taken yet, by the path of its log.
_early: dict[Path, WorkerParent] = {}


@contextmanager
def started_early(home: Path) -> Iterator[None]:
    """Have a process ready for a server of ``home``; end it if no server takes it.

    Does nothing for a home that no server has had yet, or has now, or where the process can't be started.
    """
    log = home.absolute() / LOGS / WORKERS_LOG
    with suppress(OSError):  # who needs it tries again, and says why it fails
        if log.parent.is_dir() and not (home / CONNECTION).exists():
            _early[log] = start(log)
    try:
        yield
    finally:
        parent = _early.pop(log, None)
        if parent is not None:
            parent.process.kill()
            parent.process.wait()
            parent.channel.close()


def take(log: Path) -> WorkerParent:
    """Return the process that was started early, or a new one.

    Raises
    ------
    OSError
        If it can't be started.
    """
    return _early.pop(log, None) or start(log)


def start(log: Path) -> WorkerParent:
    """Start the process; what it writes goes to ``log``.

    Raises
    ------
    OSError
        If it can't be started.
    """
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            return WorkerParent(_start_process(theirs, log), ours)
    except BaseException:
        ours.close()
        raise


def _start_process(channel: socket.socket, log_path: Path) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
    with log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - this Python, fixed code
            [sys.executable, "-I", "-X", "utf8", "-c", _START, json.dumps([*filter(None, sys.path)])],
            stdin=channel.fileno(),
            stdout=log,
            stderr=log,
            # macOS kills a process that forks with Objective-C loaded, as Python's proxy look-up does there.
            env={"PATH": os.defpath, "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES", **environment},
            start_new_session=True,  # Ctrl-C in a terminal is for the command, which stops this process
        )
