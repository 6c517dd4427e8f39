"""Adds to the distribution what hpc_stack finds in a checkout around it: the asset's sources, and assemblies."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

DATA = ("constraints.txt", "requirements-uv.txt", "cdk.json")
# Written by `make dist`; a wheel without them needs the extra "cdk" for its first run.
ASSEMBLIES = "build/assemblies"
CONTRACTS = ("lambdas/contract", "hpc/contract", "hpc_stack/contract")


class DataHook(BuildHookInterface):  # type: ignore[misc] # hatchling is not installed where types are checked
    """Maps files of the project to their places; an editable installation has the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        # hatchling enters a folder once, and two of these are links to the third.
        for place in CONTRACTS[1:] if self.target_name == "wheel" else CONTRACTS:
            build_data["force_include"].update(self._placed(place, place))
        if self.target_name == "wheel":
            for name in DATA:
                build_data["force_include"][str(Path(self.root, name))] = f"hpc_stack/asset/{name}"
            build_data["force_include"].update(self._placed("lambdas", "hpc_stack/asset/lambdas"))
            build_data["force_include"].update(self._placed(ASSEMBLIES, "hpc_stack/assemblies"))

    def _placed(self, folder: str, place: str) -> dict[str, str]:
        root = Path(self.root, folder)
        return {
            str(path): f"{place}/{path.relative_to(root).as_posix()}"
            for path in sorted(root.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
        }
