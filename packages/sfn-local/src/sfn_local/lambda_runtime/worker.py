"""Workers: a process that has imported once what every handler and job needs, and forks a worker a request.

The forking process takes commands as JSON lines on a socket, its standard input, and reports on the same socket::

    {"spawn": id, "handler": "lambdas.compute.handler", "code": folder, "environment": {...}, "log": file}
    {"spawn": id, "command": ["python", "-m", "lambdas.job"], "code": folder, "environment": {...}, "log": file}
    {"kill": id} | {"terminate": id}

    {"ready": true} | {"started": id, "pid": n} | {"failed": id, "reason": str} | {"exited": id, "exit_code": n}

The end of its input is the end of whoever commands it, by whatever death: it kills its workers and exits.  It has one
thread and opens no connection, so that forking is safe.  A worker runs AWS's own runtime client over the handler, or a
command: ``python -m`` in the forked process itself, which takes 50 ms of processor time until a job computes where a
new one takes 500; another program in its place.

**Differs from AWS:**

- No read-only file system, no user of its own; `/tmp` and the processors are shared.
- Elsewhere than on Linux, a process that a handler starts in a session of its own is not ended with the worker, and
  its memory is not counted.
- Third-party packages come from this Python environment (on AWS from a layer), and so does the Python version.
- A module is imported once even when that fails; Lambda imports it a second time for the first invocation.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from sfn_local.lambda_runtime import runtime_client as stand_in
from sfn_local.lambda_runtime.invocation_log import InvocationLog
from sfn_local.lambda_runtime.shared_memory import SharedMemoryNotes
from sfn_local.lambda_runtime.worker_imports import compile_folder, isolate_imports

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
_NOT_STARTED = 127  # as shells say it

# Modules that every worker imports, and that don't read the environment on import.  Not here: the handlers,
# and awslambdaric's bootstrap, lambda_runtime_client and runtime_client, which read the worker's variables.
_PRELOADED = (
    "awslambdaric.lambda_context",
    "awslambdaric.lambda_literals",
    "awslambdaric.lambda_runtime_log_utils",
    "awslambdaric.lambda_runtime_marshaller",
    "boto3.s3.inject",
    "decimal",
    "fractions",
    "http.client",
    "traceback",
    "uuid",
)


def main() -> None:
    channel = socket.socket(fileno=os.dup(0))
    _redirect(os.devnull, os.O_RDONLY, 0)
    _preload()
    _adopt_orphans()
    task = _Forker(channel).serve()
    if task is None:
        os._exit(0)  # whoever stops this process waits for its end: no module is taken down one by one
    _run_worker(task)


def _preload() -> None:
    """Import the shared modules and read S3's service model; a client made later in a worker finds both."""
    import boto3  # noqa: PLC0415 - only this process pays for it, not the parent that imports this module's protocol
    import botocore.session  # noqa: PLC0415 - as above

    for name in _PRELOADED:
        importlib.import_module(name)
    warm, default = botocore.session.Session(), botocore.session.Session()
    default.register_component("data_loader", warm.get_component("data_loader"))
    warm.set_credentials("-", "-")
    warm.create_client("s3", region_name="us-east-1")
    # Only the loader is shared: `default` has not looked for credentials or settings, each worker's own session does.
    boto3.setup_default_session(botocore_session=default)
    gc.collect()
    gc.freeze()  # what is here now stays, and stays shared: no collection in a worker touches it


class _Forker:
    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._identities: dict[int, str] = {}  # by process id
        self._process_id = os.getpid()
        self._input = b""
        self._child_ended, wakeup = socket.socketpair()
        self._child_ended.setblocking(False)
        wakeup.setblocking(False)
        self._wakeup = wakeup
        signal.signal(signal.SIGCHLD, lambda *_: None)  # a handler, so that the wake-up socket is written
        signal.set_wakeup_fd(wakeup.fileno())

    def serve(self) -> dict[str, Any] | None:
        """Serve until the input ends; in a worker, return what it is to run."""
        self._report(ready=True)
        while True:
            readable, _, _ = select.select([self._channel, self._child_ended], [], [])
            if self._child_ended in readable:
                with contextlib.suppress(BlockingIOError):
                    self._child_ended.recv(4096)
                self._reap()
            if self._channel in readable:
                commands = self._receive()
                if commands is None:
                    self._end()
                    return None
                for command in commands:
                    if "kill" in command:
                        self._kill(command["kill"])
                    elif "terminate" in command:
                        self._terminate(command["terminate"])
                    elif self._fork(command):
                        return {**command, "parent": self._process_id}

    def _receive(self) -> list[Any] | None:
        """Take the complete lines that have arrived; None at the end of the input."""
        try:
            received = self._channel.recv(65_536)
        except ConnectionError:
            return None
        if not received:
            return None
        *lines, self._input = (self._input + received).split(b"\n")
        return [json.loads(line) for line in lines]

    def _fork(self, command: dict[str, Any]) -> bool:
        """Return True in the new worker."""
        identity = command["spawn"]
        compile_folder(command["code"])
        try:
            process_id = os.fork()
        except OSError as error:
            self._report(failed=identity, reason=str(error))
            return False
        if process_id == 0:
            self._detach()
            return True
        _lead_group(process_id)
        self._identities[process_id] = identity
        self._report(started=identity, pid=process_id)
        return False

    def _detach(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._channel, self._child_ended, self._wakeup):
            end.close()

    def _kill(self, identity: str) -> None:
        for process_id, other in self._identities.items():
            if other == identity:
                _kill_group(process_id)

    def _terminate(self, identity: str) -> None:
        for process_id, other in self._identities.items():
            if other == identity:
                os.kill(process_id, signal.SIGTERM)  # it has not been reaped: its id is still its own

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # none is left
            while True:
                process_id, status = os.waitpid(-1, os.WNOHANG)
                if process_id == 0:
                    return
                identity = self._identities.pop(process_id, None)
                if identity is not None:
                    _kill_group(process_id)  # what the handler started and left behind
                self._kill_orphans()
                if identity is not None:
                    self._report(exited=identity, exit_code=os.waitstatus_to_exitcode(status))

    def _kill_orphans(self) -> None:
        """Kill what workers that have ended left behind, in whatever session."""
        for process_id in _children(self._process_id):
            if process_id not in self._identities:
                with contextlib.suppress(OSError):  # it has ended, or is another user's
                    os.kill(process_id, signal.SIGKILL)

    def _end(self) -> None:
        for process_id in self._identities:
            _kill_group(process_id)
        self._identities.clear()
        with contextlib.suppress(ChildProcessError):
            while True:
                self._kill_orphans()
                os.waitpid(-1, 0)

    def _report(self, **message: Any) -> None:
        with contextlib.suppress(ConnectionError):  # nobody listens any more: the next read says so
            self._channel.sendall(json.dumps(message).encode() + b"\n")


def _lead_group(process_id: int) -> None:
    """Put a worker at the head of a process group of its own; done on both sides of the fork, whoever runs first."""
    with contextlib.suppress(OSError):
        os.setpgid(process_id, process_id)


def _children(process_id: int) -> list[int]:
    """Return the children of a process; none where the system does not tell."""
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]
    return []


def _kill_group(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(process_id, signal.SIGKILL)


def _run_worker(task: dict[str, Any]) -> None:
    """Become the worker: returns never, or raises what ends the process, as the handler's own interpreter would."""
    _lead_group(0)
    _die_with(task["parent"])
    _adopt_orphans()  # whose memory is the worker's
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the native client crashes when its server is gone
    _redirect(task["log"], os.O_RDWR | os.O_APPEND | os.O_CREAT, 1)
    os.dup2(1, 2)
    os.environ.clear()
    os.environ.update(task["environment"])
    time.tzset()
    os.chdir(task["code"])
    isolate_imports(task["code"])
    if "command" in task:
        _run_command(task["command"])
    else:
        _run_handler(task["handler"])


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when the forking one dies; elsewhere than on Linux the failing poll ends it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(1)


def _adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends, as the first process of a sandbox does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _redirect(path: str, flags: int, descriptor: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def _run_handler(handler: str) -> None:
    log = InvocationLog(1, memory_mib=int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]))
    shared_memory = SharedMemoryNotes()
    shared_memory.watch()
    _choose_runtime_client()
    from awslambdaric import bootstrap  # noqa: PLC0415 - it reads the worker's environment
    from awslambdaric.lambda_runtime_client import LambdaRuntimeClient  # noqa: PLC0415 - as above

    address, _, token = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")

    class _Client(LambdaRuntimeClient):  # type: ignore[misc] # awslambdaric has no annotations
        """The native client puts the token into each path, as part of the address; this one's http.client can't."""

        is_initialized = False

        def call_rapid(self, http_method: str, endpoint: str, *rest: Any, **named: Any) -> None:
            super().call_rapid(http_method, f"/{token}{endpoint}", *rest, **named)

        def wait_next_invocation(self) -> Any:
            if not self.is_initialized:
                self.is_initialized = True
                log.initialized()
            request = super().wait_next_invocation()
            log.begin(request.invoke_id)
            shared_memory.forget()
            return request

        def post_invocation_result(self, invoke_id: str, *rest: Any, **named: Any) -> None:
            log.end(invoke_id)
            super().post_invocation_result(invoke_id, *rest, **named)

        def post_invocation_error(self, invoke_id: str, *rest: Any, **named: Any) -> None:
            log.end(invoke_id)
            super().post_invocation_error(invoke_id, *rest, **named)

    bootstrap.run(handler, _Client(address))


def _run_command(command: list[str]) -> None:
    # A line is in the log when it is written, as in a container.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a text file, whatever its type says
    if command[:2] == ["python", "-m"] and len(command) > 2:
        sys.argv = command[2:]  # run_module puts the module's file in the first place
        runpy.run_module(command[2], run_name="__main__", alter_sys=True)
        return
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - the job definition's command, without a shell
    except OSError as error:
        os.write(2, f"{command[0]} can't be started: {error}\n".encode())
        sys.exit(_NOT_STARTED)


def _choose_runtime_client() -> None:
    if os.environ.pop("SFN_LOCAL_PURE_RUNTIME_CLIENT", None) is None:
        with contextlib.suppress(ImportError):
            importlib.import_module("runtime_client")
            return
    sys.modules["runtime_client"] = stand_in
