"""Import path of a worker: its own code, then installed packages; it writes no bytecode beside the code.

Bytecode in the code's folder would be uploaded with the asset, under a hash that does not cover it.  Instead the
process that forks the workers compiles the folder once, and they inherit the result.
"""

import contextlib
import sys
import sysconfig
from collections.abc import Callable, Iterable
from importlib import machinery
from importlib.abc import PathEntryFinder
from itertools import islice
from pathlib import Path
from types import CodeType
from typing import Any

# Beyond that the folder holds packages of which a worker needs a few.
_MAX_COMPILED_FILES = 200
# Folders of installed packages, by their names on all systems.
_PACKAGES = frozenset({"site-packages", "dist-packages"})
_LIBRARIES = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
_ZIPPED_LIBRARY = f"python{sys.version_info.major}{sys.version_info.minor}.zip"

# Source and code by path.
_COMPILED: dict[str, tuple[bytes, CodeType]] = {}
_COMPILED_FOLDERS: set[str] = set()


def compile_folder(code: str) -> None:
    """Compile what is in a folder, for the workers that are forked from now on; what can't be is left to them."""
    if code in _COMPILED_FOLDERS:
        return
    _COMPILED_FOLDERS.add(code)
    for path in islice(Path(code).rglob("*.py"), _MAX_COMPILED_FILES):
        with contextlib.suppress(OSError, SyntaxError, ValueError):
            source = path.read_bytes()
            _COMPILED[str(path)] = source, compile(source, str(path), "exec", dont_inherit=True)


def isolate_imports(code: str) -> None:
    """Let this process import what it would have on AWS: its own code first, then what is installed."""
    sys.path[:] = [code, *installed_paths(sys.path)]
    own = __name__.partition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == own]:
        del sys.modules[name]
    sys.path_hooks.insert(0, _find_code(code))


def installed_paths(search_path: Iterable[str]) -> list[str]:
    """Return the folders of a search path that hold the standard library or installed packages.

    A checkout, the current folder and a folder of modules that ``PYTHONPATH`` names are not there on AWS.
    """
    return [path for path in search_path if _is_installed(Path(path))]


def _is_installed(path: Path) -> bool:
    return (
        not _PACKAGES.isdisjoint(path.parts)
        or path.name == _ZIPPED_LIBRARY
        or any(path.is_relative_to(library) for library in _LIBRARIES)
    )


def _find_code(code: str) -> Callable[[str], PathEntryFinder]:
    """Import from the code folder by the loader below; caches are worth having everywhere else."""
    find = machinery.FileFinder.path_hook(
        (machinery.ExtensionFileLoader, machinery.EXTENSION_SUFFIXES),
        (_CompiledLoader, machinery.SOURCE_SUFFIXES),
    )

    def find_code(path: str) -> PathEntryFinder:
        if not Path(path).is_relative_to(code):
            raise ImportError(f"{path} is not the function's code")
        return find(path)

    return find_code


class _CompiledLoader(machinery.SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, *, _optimization: int = -1) -> CodeType:  # type: ignore[override]  # typeshed leaves the last one out
        """Take what was compiled before the fork, if it is the same source."""
        source, compiled = _COMPILED.get(str(path), (None, None))
        if compiled is not None and source == data:
            return compiled
        return super().source_to_code(data, path)

    def set_data(self, path: str, data: object, *, _mode: int = 0) -> None:
        """Write no bytecode."""
