"""Both wheels, built once for all processes of a test run, and environments with nothing else in them."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def uv(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([UV, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def wheels() -> Path:
    """Return the folder of both wheels; skip where the build requirements can't be had."""
    folder = Path(os.environ["TEST_RUN_FOLDER"], "wheels")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    unfinished = folder.with_suffix(".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    project = unfinished / "project"
    tracked = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in tracked.splitlines():
        if (PROJECT / name).exists():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, project / name, follow_symlinks=False)
    made = subprocess.run(
        [sys.executable, "-m", "hpc.targets.presynthesis", project / "build/assemblies"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    for package in (project, project / "packages/sfn-local"):
        built = uv("build", "--build-constraints", "constraints.txt", "--out-dir", unfinished / "dist", package)
        if built.returncode != 0 and _is_offline(built.stderr):
            pytest.skip(f"hatchling can't be had: {built.stderr.splitlines()[-1]}")
        assert built.returncode == 0, built.stderr
    (unfinished / "dist").rename(folder)


def _is_offline(text: str) -> bool:
    return any(sign in text for sign in ("error sending request", "Failed to fetch", "network connectivity"))


@pytest.fixture(scope="session")
def install(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what makes an environment with the wheels and extras, and gives the folder of its programs."""

    def installed(*extras: str, python: str = sys.executable) -> Path:
        folder = tmp_path_factory.mktemp("environment") / "venv"
        made = uv("venv", "--python", python, "--no-python-downloads", folder)
        assert made.returncode == 0, made.stderr
        [hpc] = wheels.glob("serverless_hpc-*.whl")
        [runner] = wheels.glob("sfn_local-*.whl")
        wanted = f"serverless-hpc[{','.join(extras)}] @ {hpc.as_uri()}" if extras else str(hpc)
        packages = [wanted, *([str(runner)] if "local" in extras else [])]
        done = uv("pip", "install", "--python", folder / "bin/python", "--constraints", "constraints.txt", *packages)
        if done.returncode != 0 and _is_offline(done.stderr):
            pytest.skip(f"no package registry answers: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr
        checked = uv("pip", "check", "--python", folder / "bin/python")
        assert checked.returncode == 0, checked.stderr
        return folder / "bin"

    return installed
