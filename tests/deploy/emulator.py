"""An emulator of AWS on loopback, in an environment of its own: its pins are not the project's."""

import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PINS = tuple(Path(__file__).with_name(name) for name in ("requirements.txt", "package.json"))
# Not the ones that AWS's examples and the emulator have by default: what is written into a template shows.
ACCOUNT = "111122223333"
REGION = "eu-central-1"
INSTALL_SECONDS = 300
START_SECONDS = 60


class NotInstalledError(Exception):
    """The emulator can't be installed; the text says why."""


def search_path() -> str:
    """Where uv, npm and node are: beside the Python that runs the tests, before all others."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def run_to_end(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run a command that asks nobody anything."""
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_seconds,
    )


def install(cache: Path) -> Path:
    """Return the emulator's environment, which is made once for its pins and this Python.

    Raises
    ------
    NotInstalledError
        If a tool is missing or a registry does not answer.
    """
    digest = hashlib.sha256(sys.version.encode() + b"".join(pin.read_bytes() for pin in PINS)).hexdigest()[:16]
    made = cache / f"emulator-{digest}"
    if made.is_dir():
        return made
    unfinished = Path(tempfile.mkdtemp(prefix="emulator-unfinished-", dir=cache))
    try:
        for pin in PINS:
            shutil.copy(pin, unfinished)
        _install(unfinished, "uv", "venv", "--quiet", "--python", sys.executable, "python")
        _install(unfinished, "uv", "pip", "install", "--quiet", "--python", "python", "--requirement", PINS[0].name)
        _install(unfinished, "npm", "install", "--quiet", "--no-audit", "--no-fund", "--no-package-lock")
        with contextlib.suppress(OSError):  # another process was faster
            unfinished.rename(made)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return made


def _install(folder: Path, *command: str) -> None:
    environment = {**os.environ, "PATH": search_path()}
    try:
        done = run_to_end(command, folder, environment, INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(str(error)) from error
    if done.returncode != 0:
        raise NotInstalledError(f"{' '.join(command[:2])}: {done.stderr.strip()[-500:]}")


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
