"""The processes that evaluate what isn't quick, from the side of those that wait for them.

A process serves one evaluation after the other.  One that takes too much is ended, and started again for the next.
"""

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from sfn_local.language.json_text import compact

Answer = tuple[Any, ...]
Request = tuple[str, str, Any]  # (language, text, value)

# The child searches where this process searches, whatever made it so.
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    " from sfn_local.language.evaluator import main; main(*map(int, sys.argv[2:]))"
)
_INHERITED_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
# Processor time ends an evaluation; this, one whose process gets none: it was stopped, or the machine is overloaded.
_WALL_SECONDS = 120.0
_START_SECONDS = 60.0


class EvaluatorEndedError(Exception):
    """The process ended before it had an answer; the text says of what."""

    def __init__(self, reason: str, *, is_out_of_time: bool = False) -> None:
        super().__init__(reason)
        self.is_out_of_time = is_out_of_time


class Evaluators:
    """A pool of processes, started when they are needed; for threads.

    Parameters
    ----------
    most : int
        How many evaluations there are at once at the most; others wait.
    niceness : int
        Niceness of the processes.  The server's own work goes first: by default they get a tenth of its
        share, which is little enough for requests not to notice, and enough to end beside a server that never rests.

    Attributes
    ----------
    interpreter : threading.Lock
        Held by the one of its threads that works itself, rather than wait for a process: more would only take the
        interpreter from the event loop for longer.
    is_closed : bool
        Whether nothing is evaluated any more.
    """

    def __init__(self, most: int | None = None, niceness: int = 10) -> None:
        self._niceness = niceness
        self.interpreter = threading.Lock()
        self._slots = threading.Semaphore(most or (os.cpu_count() or 1) + 2)
        self._lock = threading.Lock()
        self._idle: list[_Evaluator] = []
        self._all: set[_Evaluator] = set()
        self.is_closed = False

    def evaluate(self, request: Request, processor_seconds: float) -> tuple[Answer, float]:
        """Return the answer, and how much processor time it took in seconds.

        Raises
        ------
        EvaluatorEndedError
            If it took too much time or memory, or the pool was closed.
        """
        data = _packed(request, processor_seconds)
        with self._slots:
            evaluator = self._take()
            try:
                answer, used = evaluator.ask(data)
            except BaseException:
                self._end(evaluator)
                if self.is_closed:
                    raise EvaluatorEndedError("the server was stopped") from None
                raise
            with self._lock:
                self._idle.append(evaluator)
            return answer, used

    def close(self) -> None:
        """End every process; whoever waits for one is told so."""
        with self._lock:
            self.is_closed = True
            idle, self._idle = self._idle, []
            busy = self._all.difference(idle)
        for evaluator in idle:
            self._end(evaluator)
        for evaluator in busy:
            evaluator.kill()  # the thread that waits for it does the rest

    def _take(self) -> "_Evaluator":
        with self._lock:
            if self.is_closed:
                raise EvaluatorEndedError("the server was stopped")
            if self._idle:
                return self._idle.pop()
            evaluator = _Evaluator(self._niceness)
            self._all.add(evaluator)
        return evaluator

    def _end(self, evaluator: "_Evaluator") -> None:
        with self._lock:
            self._all.discard(evaluator)
        evaluator.end()


class JsonText(str):
    """A value as JSON text."""

    __slots__ = ()


def _packed(request: Request, processor_seconds: float) -> bytes:
    language, text, value = request
    try:
        return pickle.dumps((processor_seconds, (language, text, value)))
    except RecursionError:  # JSON, which can't share what is in several places, takes data twice as deep
        return pickle.dumps((processor_seconds, (language, text, JsonText(compact(value)))))


class _Evaluator:
    """One process."""

    def __init__(self, niceness: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            variables = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-c", _START, json.dumps(sys.path), str(theirs.fileno()), str(niceness)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=variables,
                # Ctrl-C on the terminal is for the server.  A session of its own would keep it from that, too, but
                # Linux shares processors fairly between sessions (autogroups): niceness counts only within one.
                process_group=0,
            )
        self._connection = Connection(ours.detach())
        self._is_ready = False

    def ask(self, data: bytes) -> tuple[Answer, float]:
        try:
            if not self._is_ready:
                self._receive(_START_SECONDS)
                self._is_ready = True
            self._connection.send_bytes(data)
            answer, used = self._receive(_WALL_SECONDS)
        except (EOFError, OSError):
            raise self._why_ended() from None
        if answer is None:
            raise EvaluatorEndedError("Evaluation takes more memory than it may")
        return answer, used

    def _receive(self, within_seconds: float) -> Any:
        if not self._connection.poll(within_seconds):
            raise EvaluatorEndedError("Evaluation got no processor time")
        return self._connection.recv()

    def _why_ended(self) -> EvaluatorEndedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_START_SECONDS)
            if code == -signal.SIGPROF:
                return EvaluatorEndedError("", is_out_of_time=True)
            if not self._is_ready:
                return EvaluatorEndedError(f"The process that evaluates can't be started (exit code {code})")
        return EvaluatorEndedError("Evaluation ended its process")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        self.kill()
        self._connection.close()
