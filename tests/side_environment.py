"""Packages that only tests need and the project's pins do not allow, installed in an environment of their own."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

INSTALL_SECONDS = 300


class NotInstalledError(Exception):
    """It can't be installed; the text says why."""


def search_path() -> str:
    """Return the search path of uv, npm and node: beside the Python that runs the tests, before all others."""
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


def install(pins: Path, cache: Path) -> Path:
    """Return a folder with what ``requirements.txt`` and ``package.json`` in ``pins`` name.

    The packages of Python are in its ``python``, those of Node in its ``node_modules``.

    Raises
    ------
    NotInstalledError
        If a tool is missing or a registry does not answer.
    """
    files = [path for name in ("requirements.txt", "package.json") if (path := pins / name).is_file()]
    digest = hashlib.sha256(sys.version.encode() + b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    made = cache / f"{pins.name}-{digest}"
    if made.is_dir():
        return made
    unfinished = Path(tempfile.mkdtemp(prefix=f"{pins.name}-unfinished-", dir=cache))
    try:
        for path in files:
            shutil.copy(path, unfinished)
        _install(unfinished, "uv", "venv", "--quiet", "--python", sys.executable, "python")
        _install(unfinished, "uv", "pip", "install", "--quiet", "--python", "python", "--requirement", files[0].name)
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
