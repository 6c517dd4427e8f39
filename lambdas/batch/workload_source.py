"""The source of a workload: its hash and the names that it binds, without importing it."""

import ast
import hashlib
import importlib.util
import io
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

# Either may bind any name.
ANY_NAME = "*"
MODULE_GETATTR = "__getattr__"


@dataclass(frozen=True)
class WorkloadSource:
    """A workload's file as it was read."""

    name: str
    path: str
    data: bytes
    # Checksum of the package with the file, if the workload was uploaded.
    package_sha256: str | None = None

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all that the run computes with: the package, or the file alone."""
        return self.package_sha256 or hashlib.sha256(self.data).hexdigest()

    @property
    def lines(self) -> list[str]:
        """The lines with their line ends; none of what is not text."""
        try:
            return io.StringIO(importlib.util.decode_source(self.data)).readlines()
        except (SyntaxError, UnicodeDecodeError):
            return []

    def may_define(self, *functions: str) -> bool:
        """Whether the module may have one of the functions.

        True also where only the import can tell: ``from x import *``, a module's ``__getattr__``, or a file that does
        not parse, whose import says why.
        """
        try:
            names = set(_bound_names(self.data, self.path))
        except (SyntaxError, ValueError, RecursionError):
            return True
        return not names.isdisjoint({*functions, ANY_NAME, MODULE_GETATTR})

    def defines(self, function: str) -> bool | None:
        """Whether the module has a function; None where only the import can tell, as of ``may_define``."""
        try:
            names = set(_bound_names(self.data, self.path))
        except (SyntaxError, ValueError, RecursionError):
            return None
        return True if function in names else None if names & {ANY_NAME, MODULE_GETATTR} else False


def _bound_names(source: bytes, path: str) -> Iterator[str]:
    """Yield the names that a module binds at its top, in blocks and through ``global`` too."""
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.ImportFrom) and any(alias.name == ANY_NAME for alias in node.names):
            yield ANY_NAME
    top = symtable.symtable(importlib.util.decode_source(source), path, "exec")
    yield from (symbol.get_name() for symbol in top.get_symbols() if symbol.is_assigned() or symbol.is_imported())
    yield from _through_global(top)


def _through_global(table: symtable.SymbolTable) -> Iterator[str]:
    for child in table.get_children():
        yield from (
            symbol.get_name()
            for symbol in child.get_symbols()
            if symbol.is_declared_global() and (symbol.is_assigned() or symbol.is_imported())
        )
        yield from _through_global(child)
