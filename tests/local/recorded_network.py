"""The command under a Python that records every name and address that it, or a Python process of its, asks for."""

import ipaddress
import json
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpc_commands import HPC

# Audit events can't be got round by whoever makes a socket.  Source: Python library reference, "Audit events table".
RECORDER = """\
import json
import os
import sys

EVENTS = {{
    "socket.getaddrinfo": lambda given: given[0],
    "socket.gethostbyname": lambda given: given[0],
    "socket.gethostbyaddr": lambda given: given[0],
    "socket.connect": lambda given: given[1],
    "socket.sendto": lambda given: given[1],
}}
LOG = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def record(event, given):
    if event in EVENTS:
        asked = EVENTS[event](given)
        if isinstance(asked, tuple):  # of an IP socket; that of a Unix socket is a path
            asked = asked[0]
        elif event in ("socket.connect", "socket.sendto"):
            return
        name = asked if isinstance(asked, str) else repr(asked)
        os.write(LOG, (json.dumps([sys.argv[1:3], event, name]) + "\\n").encode())


sys.addaudithook(record)
"""


class RecordedPython:
    """A virtual environment with the packages of the tests' own: child processes inherit it through sys.executable."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "network.jsonl"
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        [packages] = (folder / "venv").glob("lib/python*/site-packages")
        (packages / "recorder.py").write_text(RECORDER.format(log=str(self._log)))
        own = sysconfig.get_path("purelib")
        (packages / "recorder.pth").write_text(f"import recorder\nimport site; site.addsitedir({own!r})\n")

    def hpc(self, environment: dict[str, str], *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [self.python, HPC, *arguments],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    @contextmanager
    def started(self, environment: dict[str, str], *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """Run a command as long as the context lasts."""
        command = [self.python, HPC, *arguments]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()

    @property
    def asked(self) -> list[tuple[list[str], str, str]]:
        """Connections that were asked for so far: arguments of the process, event, name or address."""
        return [tuple(json.loads(line)) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    @property
    def foreign(self) -> list[tuple[list[str], str, str]]:
        """Connections that are not to loopback."""
        return [each for each in self.asked if not is_loopback(each[2])]


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "None", "")
