"""Adds to the wheel what hpc_stack finds in a checkout around it: the asset's sources, and synthesized assemblies."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA = ("constraints.txt", "requirements-uv.txt", "cdk.json")
# Written by `make dist`; a wheel without them needs the extra "cdk" for its first run.
ASSEMBLIES = "build/assemblies"


class DataHook(BuildHookInterface):  # type: ignore[misc] # hatchling is not installed where types are checked
    """Maps files of the project to their places below ``hpc_stack/``; an editable installation has the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        root = Path(self.root)
        files = [root / name for name in DATA] + sorted(_files(root / "lambdas"))
        included = {str(file): f"hpc_stack/asset/{file.relative_to(root).as_posix()}" for file in files}
        for file in sorted(_files(root / ASSEMBLIES)):
            included[str(file)] = f"hpc_stack/assemblies/{file.relative_to(root / ASSEMBLIES).as_posix()}"
        build_data["force_include"].update(included)


def _files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    ]
