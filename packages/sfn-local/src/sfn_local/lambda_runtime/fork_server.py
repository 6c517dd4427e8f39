"""The parent's end of the process that workers are forked from (`sfn_local.lambda_runtime.worker` is the other end)."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sfn_local.lambda_runtime import worker_parent
from sfn_local.lambda_runtime.memory_watch import MemoryWatch

LOGGER = logging.getLogger(__name__)

_STOP_SECONDS = 0.5
_MIB = 1024 * 1024

Program = Mapping[str, str | Sequence[str]]
"""Program of a worker: ``{"handler": str}`` under the Lambda runtime client, or ``{"command": [str, ...]}``."""


class Listener(Protocol):
    """Is told when a worker exits or fails."""

    def worker_exited(self, identity: str, exit_code: int) -> None: ...

    def worker_failed(self, identity: str, reason: str) -> None: ...

    def memory_exceeded(self, identity: str, used_mib: int) -> None:
        """A worker used more memory than it was given, and is being killed."""

    def server_lost(self, reason: str | None) -> None:
        """All workers are gone; `reason` says why not even the server could be started, None if it had been running."""


class ForkServer:
    """Starts the process on first use, and again after its death; all calls in one running asyncio loop."""

    def __init__(self, *, listener: Listener, log: Path) -> None:
        self._listener = listener
        self._log = log
        self._life: asyncio.Task[None] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._unsent: list[bytes] = []
        self._process_ids: dict[str, int] = {}
        self._memory = MemoryWatch(self._process_ids.get, self._end_large)
        self._ready = False
        self._stopping = False

    def start(self) -> None:
        if self._life is None and not self._stopping:
            self._life = asyncio.get_running_loop().create_task(self._live())

    def spawn(
        self,
        identity: str,
        *,
        program: Program,
        code: Path,
        environment: dict[str, str],
        log: Path,
        memory_mib: int | None,
    ) -> None:
        """Start a worker; it and its children may use ``memory_mib`` together, with None as much as there is."""
        self.start()
        if memory_mib is not None:
            self._memory.add(identity, memory_mib)
        self._send(spawn=identity, **program, code=str(code), environment=environment, log=str(log))

    def _end_large(self, identity: str, used_bytes: int) -> None:
        with _logged():
            self._listener.memory_exceeded(identity, used_bytes // _MIB)
        self.kill(identity)

    def kill(self, identity: str) -> None:
        """End a worker and what it started, at once."""
        if self._life is not None:  # else the process is gone already
            self._send(kill=identity)

    def terminate(self, identity: str) -> None:
        """Ask a worker to end."""
        if self._life is not None:
            self._send(terminate=identity)

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    async def stop(self) -> None:
        """Kill and reap every worker, then the server."""
        self._stopping = True
        life = self._life
        if life is None:
            return
        if self._ready and self._writer is not None:
            self._writer.write_eof()
        elif self._process is not None:
            self._process.kill()  # it is still importing and has no worker
        _, late = await asyncio.wait([life], timeout=_STOP_SECONDS)
        if late and self._process is not None:
            self._process.kill()
        await life

    def _send(self, **command: Any) -> None:
        line = json.dumps(command).encode() + b"\n"
        if self._writer is None:
            self._unsent.append(line)
        else:
            self._writer.write(line)

    async def _live(self) -> None:
        """One life of the process: from its start to its reaping."""
        if self._stopping:
            return
        reason = f"see {self._log}"
        try:
            reader = await self._launch()
            with contextlib.suppress(ConnectionError):  # a way of reading its death
                async for line in reader:
                    self._receive(json.loads(line))
        except OSError as error:
            reason = str(error)
        except Exception:
            LOGGER.exception("the process that workers are forked from is given up")
        finally:
            self._bury()
        was_ready, self._ready, self._life = self._ready, False, None
        if not self._stopping:
            with _logged():
                self._listener.server_lost(None if was_ready else reason)

    async def _launch(self) -> asyncio.StreamReader:
        self._process, channel = worker_parent.take(self._log)
        try:
            reader, self._writer = await asyncio.open_connection(sock=channel)
        except BaseException:
            channel.close()
            raise
        self._writer.writelines(self._unsent)
        self._unsent.clear()
        return reader

    def _receive(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            self._ready = True
        elif "started" in message:
            self._process_ids[message["started"]] = message["pid"]
        elif "exited" in message:
            self._process_ids.pop(message["exited"], None)
            self._memory.remove(message["exited"])
            with _logged():
                self._listener.worker_exited(message["exited"], message["exit_code"])
        else:
            self._memory.remove(message["failed"])
            with _logged():
                self._listener.worker_failed(message["failed"], message["reason"])

    def _bury(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._unsent.clear()
        for process_id in self._process_ids.values():  # none is left unless the process was killed from outside
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process_id, signal.SIGKILL)
        for identity in list(self._process_ids):
            self._memory.remove(identity)
        self._process_ids.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Tell the log what a listener failed with: the other workers live on, and it hears of their ends."""
    try:
        yield
    except Exception:
        # Without the identity, which may be a token.
        LOGGER.exception("the end of a worker was not taken")
