"""Detects shared memory and semaphores, which a handler can't use on AWS: Lambda has no /dev/shm.

Source: "Parallel Processing in Python with AWS Lambda", AWS Compute Blog.
"""

import importlib
import sys
from typing import Any

# Begins the line in the log: a reader of the log finds the note by it.
NOTE = "NOTE /dev/shm:"


class SharedMemoryNotes:
    """Notes in the log, once an invocation, that a semaphore or shared memory was made."""

    def __init__(self) -> None:
        self._is_noted = False

    def forget(self) -> None:
        """Begin another invocation."""
        self._is_noted = False

    def watch(self) -> None:
        """Note from now on what multiprocessing makes in this process and those that it forks."""
        try:
            semaphores: Any = importlib.import_module("_multiprocessing")
            shared_memory: Any = importlib.import_module("_posixshmem")
        except ImportError:  # not every Python has them
            return
        note, open_shared_memory = self._note, shared_memory.shm_open

        class SemLock(semaphores.SemLock):  # type: ignore[misc] # it has no annotations
            def __new__(cls, *arguments: Any, **named: Any) -> Any:
                note("a semaphore")
                return super().__new__(cls, *arguments, **named)

        def shm_open(*arguments: Any, **named: Any) -> Any:
            note("shared memory")
            return open_shared_memory(*arguments, **named)

        semaphores.SemLock = SemLock
        shared_memory.shm_open = shm_open

    def _note(self, what: str) -> None:
        if self._is_noted:
            return
        self._is_noted = True
        sys.stderr.write(f"{NOTE} {what} was made, which fails on Lambda\n")
        sys.stderr.flush()
