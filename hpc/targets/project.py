"""The project that is run: a checkout, or what the distribution installed."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Below the folder of both packages: the sources of lambdas/, cdk.json and the pins, as they are in a checkout.
PACKAGED = Path("hpc_stack", "asset")
ASSEMBLIES = Path("hpc_stack", "assemblies")


def find_project() -> Path:
    """Return the folder that holds ``lambdas/`` and ``cdk.json``."""
    packaged = ROOT / PACKAGED
    return packaged if packaged.is_dir() else ROOT


def is_installed(project: Path) -> bool:
    """Whether a project is what the distribution installed."""
    return project.parts[-2:] == PACKAGED.parts


def stack_folder(project: Path) -> Path:
    """Return the folder of the package hpc_stack."""
    return project.parent if is_installed(project) else project / "hpc_stack"


def app_command(project: Path) -> list[str]:
    """Return the command that synthesizes."""
    if is_installed(project):
        return [sys.executable, "-P", "-m", "hpc_stack.app"]  # -P: nothing of the current folder is imported
    return [sys.executable, "app.py"]


def shipped_assembly(project: Path, suffix: str) -> Path | None:
    """Return the cloud assembly that the distribution brings along; None if it has none, or in a checkout."""
    folder = project.parents[1] / ASSEMBLIES / f"pipeline{suffix}"
    return folder if is_installed(project) and folder.is_dir() else None
