"""Reads the functions that a workload's file defines, without running it."""

import ast

from hpc.errors import NotStartedError
from hpc.targets.home import Home
from hpc.targets.workload_file import DEPLOYED_FOLDER, WorkloadFile, workload_name
from hpc.targets.workload_package import WorkloadPackage

DEFAULT_WORKLOAD = "utf8_keys"


def functions_of(workload: str | None, file: WorkloadFile | WorkloadPackage | None, home: Home) -> set[str] | None:
    """Return the names of the functions that a workload defines, None of one that this project does not have.

    Parameters
    ----------
    workload
        What ``--workload`` gives, None for the default one.
    file
        What it names, where that is a file or folder outside of the project.

    Raises
    ------
    NotStartedError
        If it is not Python.
    """
    path = home.project / DEPLOYED_FOLDER / f"{workload_name(workload) or DEFAULT_WORKLOAD}.py"
    if file is None and not path.is_file():
        return None
    try:
        tree = ast.parse(file.source if file is not None else path.read_bytes())
    except (OSError, SyntaxError, ValueError) as error:
        raise NotStartedError(f"the workload {path.stem} can't be read: {error}") from error
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
