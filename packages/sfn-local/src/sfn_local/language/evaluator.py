"""The process that evaluates what isn't quick: each request within its processor time, all within a bound on memory.

The system ends the process when the time of a request is over (SIGPROF), whatever it is doing.

Differs from AWS: macOS doesn't enforce a bound on memory, so there only the time bounds it.
"""

import contextlib
import json
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from sfn_local.language.evaluators import Answer, JsonText
from sfn_local.language.jsonata_engine import evaluate_text, parse_text
from sfn_local.language.paths import evaluate_query

# Memory of evaluations, beyond that of the idle process.
MEMORY_BYTES = 256 * 1024 * 1024

LANGUAGES: Mapping[str, Callable[[str, Any], Answer]] = {
    "JSONata": evaluate_text,
    "JSONata syntax": parse_text,
    "JSONPath": evaluate_query,
}


def main(descriptor: int, niceness: int) -> None:
    """Answer requests until the other end of the socket is closed."""
    connection = Connection(descriptor)
    os.nice(niceness)
    _bound_memory()
    with contextlib.suppress(EOFError, OSError):
        connection.send(None)
        while True:
            connection.send(_answer(*connection.recv()))


def _bound_memory() -> None:
    with contextlib.suppress(OSError, ValueError):
        pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115, PTH123 - closed when it is read
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY_BYTES,) * 2)


def _answer(processor_seconds: float, request: tuple[str, str, Any]) -> tuple[Answer | None, float]:
    language, text, value = request
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, processor_seconds)
    try:
        answer = LANGUAGES[language](text, json.loads(value) if isinstance(value, JsonText) else value)
    except MemoryError:
        answer = None
    signal.setitimer(signal.ITIMER_PROF, 0)
    return answer, time.process_time() - began
