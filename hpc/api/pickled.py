"""Functions as cloudpickle writes them: what travels when the source can't."""

import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from hpc.errors import NotStartedError

# This project's own packages are where a workload runs.
PRESENT = frozenset({"hpc", "lambdas", "sfn_local", "hpc_stack"})
# What a workload begins with that unpickles: byte code of one minor version is not that of another.
CHECKED = """import pickle
import sys
from pathlib import Path

if sys.version_info[:2] != {version}:
    raise RuntimeError(
        "{name} was pickled by Python %d.%d, here is Python %d.%d: byte code of one is not that of the other. Use the "
        "same version (hpc:python), or define the function where its source can be read"
        % (*{version}, *sys.version_info[:2])
    )
"""


def checked(name: str) -> str:
    """Return the beginning of a workload that unpickles what this Python has pickled; ``name`` is that of it."""
    return CHECKED.format(version=tuple(sys.version_info[:2]), name=name)


def local_folder(top: str) -> Path | None:
    """Return the folder that has a module of the user's own, None of an installed or built-in one."""
    if top in sys.stdlib_module_names or top in PRESENT or top == "__main__":
        return None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin in (None, "built-in", "frozen"):
        return None
    file = Path(str(spec.origin)).resolve()
    if any(part in ("site-packages", "dist-packages") for part in file.parts) or not file.is_file():
        return None
    return file.parent.parent if file.name == "__init__.py" else file.parent


@contextmanager
def pickler(needed_for: str, *hints: str) -> Iterator[Callable[..., bytes]]:
    """Give ``cloudpickle.dumps``, which takes modules of the user's own along by value.

    Raises
    ------
    NotStartedError
        If it is not installed.
    """
    if find_spec("cloudpickle") is None:
        raise NotStartedError(needed_for, *hints)
    import cloudpickle  # noqa: PLC0415 - an extra

    local = [name for name, module in list(sys.modules.items()) if "." not in name and _is_brought(name, module)]
    for each in local:
        cloudpickle.register_pickle_by_value(sys.modules[each])
    try:
        yield cloudpickle.dumps
    finally:
        for each in local:
            cloudpickle.unregister_pickle_by_value(sys.modules[each])


def cloudpickle_files() -> dict[str, bytes]:
    """Return the files of cloudpickle, which travels with what it has written."""
    import cloudpickle  # noqa: PLC0415 - an extra

    folder = Path(cloudpickle.__file__).parent
    return {f"cloudpickle/{file.name}": file.read_bytes() for file in folder.glob("*.py")}


def _is_brought(name: str, module: types.ModuleType) -> bool:
    return name != "__main__" and getattr(module, "__file__", None) is not None and local_folder(name) is not None
