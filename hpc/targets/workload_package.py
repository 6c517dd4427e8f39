"""Workloads that a run brings: from a file, a folder or sources to a zip at ``uploads/workloads/<sha256>/``.

The zip of the same files is the same one, byte for byte, and so has the same hash.
"""

import ast
import hashlib
import io
import os
import stat
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hpc import errors
from hpc.contract.limits import MAX_PACKAGE_FILES, MAX_PACKED_BYTES, MAX_UNPACKED_BYTES
from hpc.errors import NotStartedError
from hpc.files import is_file, is_folder

# A zip knows no earlier one.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)
MODE = stat.S_IFREG | 0o644
IMPORTING_CALLS = ("__import__", "import_module", "importlib.import_module")
STUB = b'''"""Stands for hpc where a workload runs: it may be imported, and not be used."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)

    def refuse(*_arguments, **_named):
        raise RuntimeError(f"hpc.{name} is for the program that starts runs, and was called where one computes")

    return refuse
'''
LEFT_OUT = frozenset({"__pycache__", ".git", ".hpc", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache"})


@dataclass(frozen=True)
class WorkloadPackage:
    """The files of a workload as they were when they were read; ``<name>.py`` is the workload."""

    name: str
    files: Mapping[str, bytes]
    # Its name in messages.
    origin: str
    # Where its file or folder is; a run notes it, so that a redrive sees whether it has changed.
    path: Path | None = None

    @property
    def source(self) -> bytes:
        """The workload's own file."""
        return self.files[f"{self.name}.py"]

    @cached_property
    def data(self) -> bytes:
        """The zip.

        Raises
        ------
        NotStartedError
            If it is too long, or has too many files.
        """
        files = {**self.files, **_stub(self.files)}
        size_bytes = sum(map(len, files.values()))
        if size_bytes > MAX_UNPACKED_BYTES:
            raise self._too_long(size_bytes, MAX_UNPACKED_BYTES, "unpacked")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as package:
            for name, content in sorted(files.items()):
                member = zipfile.ZipInfo(name, TIMESTAMP)
                member.compress_type = zipfile.ZIP_DEFLATED
                member.external_attr = MODE << 16
                member.create_system = 3  # Unix, whatever makes it
                package.writestr(member, content)
        data = buffer.getvalue()
        if len(data) > MAX_PACKED_BYTES:
            raise self._too_long(len(data), MAX_PACKED_BYTES, "packed")
        return data

    def _too_long(self, size_bytes: int, limit: int, how: str) -> NotStartedError:
        largest = max(self.files, key=lambda name: len(self.files[name]))
        return NotStartedError(
            f"{self.origin} may have {limit // 1024**2} MB {how}, it has {size_bytes / 1024**2:.1f} MB "
            f"(its largest file is {largest}): put large data in S3, and its keys in the items or params"
        )

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def _stub(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return what stands for ``hpc`` and ``hpc.errors`` for files that import them: a workload starts no runs."""
    sources = (content for name, content in files.items() if name.endswith(".py"))
    if any(name.startswith("hpc/") for name in files) or not any(map(imports_hpc, sources)):
        return {}
    return {"hpc/__init__.py": STUB, "hpc/errors.py": Path(errors.__file__).read_bytes()}


def package_of_file(path: Path, name: str, source: bytes, origin: str) -> WorkloadPackage:
    """Return a workload's file with the modules beside it that it imports, and those that they import."""
    files = {f"{name}.py": source, **modules_beside(path.parent, [source])}
    return WorkloadPackage(name, files, origin, path.resolve())


def package_of_folder(folder: Path, name: str, origin: str) -> WorkloadPackage:
    """Return all files below a folder, of which ``<name>.py`` is the workload.

    Raises
    ------
    NotStartedError
        If one can't be read, or is a link that leaves the folder.
    """
    files: dict[str, bytes] = {}
    size_bytes = 0
    for path in _files_below(folder, origin):
        key = path.relative_to(folder).as_posix()
        if not path.resolve().is_relative_to(folder.resolve()):
            raise NotStartedError(f"{origin} holds a link that leaves the folder: {path}")
        if not key.isprintable():  # bytes that are no UTF-8 as well
            raise NotStartedError(f"{origin} holds a file whose name is not printable UTF-8: {key!a}")
        if "\\" in key or ":" in key:
            raise NotStartedError(f"{origin} holds a file whose name has a \\ or a colon, which can't travel: {path}")
        try:
            size_bytes += path.stat().st_size
            files[key] = b"" if size_bytes > MAX_UNPACKED_BYTES else path.read_bytes()
        except OSError as error:
            raise NotStartedError(f"{origin} holds a file that can't be read: {error}") from error
        if size_bytes > MAX_UNPACKED_BYTES:
            limit = MAX_UNPACKED_BYTES // 1024**2
            raise NotStartedError(
                f"{origin} may have {limit} MB unpacked, it has more (seen at {key}): put large data in S3, and "
                "its keys in the items or params"
            )
    if len(files) > MAX_PACKAGE_FILES:
        raise NotStartedError(f"{origin} may have {MAX_PACKAGE_FILES:,} files, it has {len(files):,}")
    return WorkloadPackage(name, files, origin, folder.resolve())


def _files_below(folder: Path, origin: str) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise NotStartedError(f"{origin} holds a folder that can't be read: {error}") from error

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(each for each in folders if each not in LEFT_OUT)
        for each in folders:
            if Path(parent, each).is_symlink():
                raise NotStartedError(f"{origin} holds a link to a folder, which is not followed: {Path(parent, each)}")
        for name in sorted(names):
            path = Path(parent, name)
            if not path.is_file():
                raise NotStartedError(f"{origin} holds something that is not a file: {path}")
            if path.suffix != ".pyc":
                yield path


def modules_beside(folder: Path, sources: list[bytes]) -> dict[str, bytes]:
    """Return the modules and packages of a folder that sources import, and those that these import in turn."""
    found: dict[str, bytes] = {}
    waiting = [name for source in sources for name in imported_names(source)]
    while waiting:
        name = waiting.pop().partition(".")[0]
        for file in _module_files(folder, name):
            key = file.relative_to(folder).as_posix()
            if key not in found:
                found[key] = file.read_bytes()
                if file.suffix == ".py":
                    waiting += imported_names(found[key])
    return found


def _module_files(folder: Path, name: str) -> Iterator[Path]:
    if not name.isidentifier() or name in sys.stdlib_module_names:
        return
    if is_file(folder / f"{name}.py"):
        yield folder / f"{name}.py"
    elif has_modules(folder / name):
        yield from _files_below(folder / name, f"the package {folder / name}")


def has_modules(folder: Path) -> bool:
    """Whether a folder can be imported: as a package, or as one without ``__init__.py``."""
    return is_folder(folder) and next(folder.glob("*.py"), None) is not None


def imported_names(source: bytes) -> list[str]:
    """Return the dotted names that a source imports, wherever in it; none of what is not Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
        elif isinstance(node, ast.Call) and (called := imported_by_call(node)) is not None:
            names.append(called)
    return names


def imports_hpc(source: bytes) -> bool:
    """Whether a source imports this package, as one does that starts runs of its own functions."""
    return any(name.partition(".")[0] == "hpc" for name in imported_names(source))


def imported_by_call(node: ast.Call) -> str | None:
    """Return the module of ``importlib.import_module("name")`` and the like; None of another call."""
    match node:
        case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if (
            ast.unparse(function) in IMPORTING_CALLS
        ):
            return name
    return None
