"""A checkout runs in a folder of any name: an archive unpacks to `serverless-hpc-0.1.0`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCES = ("Makefile", "app.py", "cdk.json", "*requirements*.txt", "constraints.txt", "package.json", "pyproject.toml")
FOLDERS = ("hpc", "hpc_stack", "lambdas", "packages")


def copied(folder: Path) -> Path:
    """Copy what `make run` needs, with this environment's packages."""
    folder.mkdir()
    for pattern in SOURCES:
        for file in PROJECT.glob(pattern):
            shutil.copy2(file, folder)
    for name in FOLDERS:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.mark.parametrize(("name", "umask"), [("serverless-hpc-0.1.0", 0o077), ("-ü $HOME 'a' \"b\" #%d .0", 0o022)])
def test_make_run_computes_in_a_folder_of_this_name(tmp_path: Path, name: str, umask: int) -> None:
    project = copied(tmp_path / name)
    (tmp_path / "link").symlink_to(project)
    # `hpc` of the environment imports the packages of this copy.
    environment = {key: value for key, value in os.environ.items() if key not in ("HPC_HOME", "MAKEFLAGS")}
    run = subprocess.run(
        ["make", "run", "SIZE=4"],
        cwd=tmp_path / "link",
        env={**environment, "PYTHONPATH": f"{project}{os.pathsep}{project}/packages/sfn-local/src"},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "total         2634907" in run.stdout
    assert (project / ".hpc/report.html").is_file()
