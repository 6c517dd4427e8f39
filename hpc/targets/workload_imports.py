"""Checks before a run that a worker on this machine has the modules that a workload imports.

Modules beside a file that it imports by name travel with it: :mod:`hpc.targets.workload_package`.
"""

import ast
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from hpc.errors import NotStartedError
from hpc.targets.home import Home
from hpc.targets.workload_package import has_modules, imported_by_call

# Functions that the handlers call; see lambdas/workloads.
CONTRACT = ("compute", "compute_batch", "items", "weight", "combine", "finish")
# The package that workers load a workload into.
PACKAGE = ("lambdas", "workloads")
# Blocks that a worker never runs.
NEVER_RUN = ("__name__ == '__main__'", "TYPE_CHECKING", "typing.TYPE_CHECKING")
IMPORT_ERRORS = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")


@dataclass(frozen=True)
class Import:
    """A module that code imports, by its name from the top on.

    Attributes
    ----------
    is_certain
        Whether the code can't go on without it; False inside ``if``.
    is_relative
        Whether it is looked for among the project's workloads.
    """

    name: str
    line: int
    is_certain: bool = True
    is_relative: bool = False


def check_imports(
    named: str, path: Path, source: bytes, search_path: Sequence[str], brought: Collection[str] = ()
) -> None:
    """Refuse a workload that imports what a worker has not.

    Parameters
    ----------
    named
        The option, for the message.
    path
        The file, beside which other modules may stand.
    search_path
        Where a worker looks for installed modules.
    brought
        Names of modules that travel with the file.

    Raises
    ------
    NotStartedError
        Naming the first such module.
    """
    for each in _imports(ast.parse(source)):
        top = each.name.partition(".")[0]
        if (top in brought and not each.is_relative) or _is_there(each, top, search_path):
            continue
        place = f"{named} imports {top} in line {each.line}"
        beside = _beside(path.parent, top)
        if beside is not None and each.is_relative:
            raise NotStartedError(
                f"{place} relative to a package, and a workload is in none: import {top}, which stands beside it "
                f"({beside}), without the dot"
            )
        if each.is_certain:
            raise NotStartedError(
                f"{place}, which is not installed here: name the package in lambdas/requirements.txt and run make, or "
                "pip install it"
            )


def _is_there(imported: Import, top: str, search_path: Sequence[str]) -> bool:
    if imported.is_relative:
        return PathFinder.find_spec(top, [str(Home.from_environment().project.joinpath(*PACKAGE))]) is not None
    if top in sys.stdlib_module_names or top == PACKAGE[0] or PathFinder.find_spec(top, search_path) is not None:
        return True
    # Editable installations may have a finder of their own.
    finders = (finder for finder in sys.meta_path if type(finder).__module__.startswith("__editable__"))
    return any(finder.find_spec(top, None) is not None for finder in finders)


def _beside(folder: Path, name: str) -> str | None:
    """Return the file or the folder with modules that has a name in a folder."""
    if (folder / f"{name}.py").is_file():
        return f"{name}.py"
    return f"{name}/" if has_modules(folder / name) else None


def _imports(module: ast.Module) -> Iterator[Import]:
    """Yield what is imported by the code that workers run: the module itself, and what the contract's functions use."""
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used = [name for name in CONTRACT if name in functions]
    for name in used:  # which grows
        named = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
        used += sorted(each for each in named & functions.keys() if each not in used)
    for statement in module.body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef) or statement.name in used:
            yield from _in_node(statement, is_certain=True)


def _in_node(node: ast.AST, *, is_certain: bool) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            yield from (Import(each.name, node.lineno, is_certain) for each in names)
        case ast.ImportFrom(module=str(name), level=0):
            yield Import(name, node.lineno, is_certain)
        case ast.ImportFrom(module=name, level=1, names=names):
            modules = [name] if name else [each.name for each in names]
            yield from (Import(each, node.lineno, is_certain, is_relative=True) for each in modules)
        case ast.Call() if (called := imported_by_call(node)) is not None:
            yield Import(called, node.lineno, is_certain)
        case ast.If(test=test, body=body, orelse=others):
            yield from _in_all(others if ast.unparse(test) in NEVER_RUN else [*body, *others], is_certain=False)
        case ast.Try(handlers=handlers, body=body, orelse=others, finalbody=last):
            is_optional = any(_catches_import(handler) for handler in handlers)
            yield from _in_all([*others, *last] if is_optional else [*body, *others, *last], is_certain=is_certain)
        case _:
            yield from _in_all(ast.iter_child_nodes(node), is_certain=is_certain)


def _in_all(nodes: "Iterator[ast.AST] | list[ast.stmt]", *, is_certain: bool) -> Iterator[Import]:
    for node in nodes:
        yield from _in_node(node, is_certain=is_certain)


def _catches_import(handler: ast.ExceptHandler) -> bool:
    """Whether an import that fails is caught, and not only to be raised again."""
    if any(isinstance(node, ast.Raise) for node in ast.walk(handler)):
        return False
    names = ast.unparse(handler.type) if handler.type is not None else IMPORT_ERRORS[0]
    return any(name in names for name in IMPORT_ERRORS)
