"""Changes that the page may make: commands of the terminal, each in a process of its own.

A redrive on this machine hosts the server that it runs on, as `hpc redrive` always does, and goes on when the page is
closed.
"""

import subprocess
import sys
import threading

SAID_LINES = 20
COMMANDS = {"stop": (), "redrive": ("--output", "json")}


class Changes:
    """Starts `hpc stop` and `hpc redrive`, and keeps what they said.

    Parameters
    ----------
    place
        Options that say where the runs are.

    Attributes
    ----------
    count : int
        Commands that were started or have ended; another number means that something may have changed.
    """

    def __init__(self, place: list[str]) -> None:
        self._place = place
        self._running: set[str] = set()
        self._said: dict[str, list[str]] = {}
        self._lock = threading.Lock()
        self.count = 0

    def start(self, verb: str, arn: str) -> bool:
        """Start a command for a run; False where a redrive of it is under way, which may be stopped only."""
        with self._lock:
            if verb == "redrive":
                if arn in self._running:
                    return False
                self._running.add(arn)
            self.count += 1
        threading.Thread(target=self._run, args=(verb, arn), daemon=True).start()
        return True

    def said_of(self, arn: str) -> list[str]:
        """Return the last lines that the commands for a run said."""
        return self._said.get(arn, [])

    def _run(self, verb: str, arn: str) -> None:
        command = [sys.executable, "-m", "hpc", verb, arn, *COMMANDS[verb], *self._place]
        try:
            with subprocess.Popen(  # noqa: S603 - this program itself, with an ARN that the stack has
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C ends the page, not the run
            ) as process:
                assert process.stderr is not None
                for line in process.stderr:
                    self._said[arn] = [*self._said.get(arn, []), line.rstrip("\n")][-SAID_LINES:]
                    self.count += 1
        finally:
            with self._lock:
                if verb == "redrive":
                    self._running.discard(arn)
                self.count += 1
