"""The task token of a job: sends heartbeats while the job works, then one answer; if the task ends, the job ends."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.run_files import json_text
from lambdas.run_files.errors import PipelineInterrupt

LOGGER = logging.getLogger(__name__)
# The task has ended without us: it timed out, its execution was stopped, or another job answered.
# Source: AWS Step Functions API reference, SendTaskHeartbeat and SendTaskSuccess, "Errors".
ENDED_CODES = frozenset({"TaskTimedOut", "InvalidToken", "TaskDoesNotExist"})
# Source: AWS Step Functions API reference, SendTaskFailure.
MAX_ERROR_CHARACTERS = 256
MAX_CAUSE_CHARACTERS = 32_768
CANCEL_INTERVAL_SECONDS = 1.0


class TaskCancelled(PipelineInterrupt):
    """Nobody waits for the answer any more; no Exception, so that no workload swallows it."""


class TaskCallback:
    """The task that a token stands for."""

    def __init__(self, client: Any, task_token: str, interval_seconds: float) -> None:
        self._client = client
        self._task_token = task_token
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()
        self._sending = threading.Lock()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Send nothing meanwhile: a process that is forked must not have a lock that the sending thread holds."""
        with self._sending:
            yield

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Send a heartbeat before anything else and then regularly; leaving it stops them.

        Raises
        ------
        TaskCancelled
            In the main thread, when the task has ended.
        """
        self._send("send_task_heartbeat")
        previous = signal.signal(signal.SIGUSR1, self._cancel)
        thread = threading.Thread(target=self._beat, name="heartbeats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
            signal.signal(signal.SIGUSR1, previous)

    def _beat(self) -> None:
        while not self._stopped.wait(self._interval_seconds):
            try:
                self._send("send_task_heartbeat")
            except TaskCancelled:
                self._interrupt_main_thread()
                return
            except (BotoCoreError, ClientError) as error:
                # The next one is soon enough: many go into the heartbeat time-out.
                LOGGER.warning("a heartbeat could not be sent: %s", error)

    def _interrupt_main_thread(self) -> None:
        """Interrupt the work until it has ended: once may be lost, in a destructor for example."""
        while True:
            # A signal to that very thread ends its waiting for the network as well.
            signal.pthread_kill(_main_thread_id(), signal.SIGUSR1)
            if self._stopped.wait(CANCEL_INTERVAL_SECONDS):
                return

    def _cancel(self, _signal_number: int, _frame: FrameType | None) -> None:
        if not self._stopped.is_set():
            raise TaskCancelled("a heartbeat was refused")

    def succeed(self, output: Any) -> None:
        """Answer with the task's output.

        Raises
        ------
        TaskCancelled
            If the task has ended.
        """
        self._send("send_task_success", output=json_text.to_text(output))

    def fail(self, error: str, cause: str) -> None:
        """Answer that the task failed.

        Raises
        ------
        TaskCancelled
            If the task has ended.
        """
        self._send("send_task_failure", error=error[:MAX_ERROR_CHARACTERS], cause=cause[:MAX_CAUSE_CHARACTERS])

    def _send(self, action: str, **answer: str) -> None:
        try:
            with self._sending:
                getattr(self._client, action)(taskToken=self._task_token, **answer)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ENDED_CODES:
                raise TaskCancelled(str(error)) from error
            raise


def _main_thread_id() -> int:
    ident = threading.main_thread().ident
    assert ident is not None
    return ident
