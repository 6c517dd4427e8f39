"""An emulator of AWS on loopback, in an environment of its own: its pins are not the project's."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from side_environment import search_path

# Not the ones that AWS's examples and the emulator have by default: what is written into a template shows.
ACCOUNT = "111122223333"
REGION = "eu-central-1"
START_SECONDS = 60


@contextlib.contextmanager
def serve(installed: Path, folder: Path) -> Iterator[str]:
    """Run the emulator, which keeps what it makes in ``folder``; yield its endpoint."""
    port = _free_port()
    variables = {
        "PATH": search_path(),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        # Functions are processes, whether this machine has Docker or not.
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        "NODE_PATH": str(installed / "node_modules"),
    }
    log = folder / "emulator.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(installed / "python/bin/python"), "-m", "ministack"],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            endpoint_url = f"http://127.0.0.1:{port}"
            _wait_until_it_answers(endpoint_url, process, log)
            yield endpoint_url
        finally:
            # Its functions are processes of the same group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(endpoint_url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{endpoint_url}/_localstack/health", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(f"the emulator does not answer:\n{log.read_text(errors='replace')[-2_000:]}")
