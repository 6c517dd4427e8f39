"""Functions of a script or notebook as a workload: by their source where that can be had, else pickled.

By source travel the function, and what its names mean: imports, helper functions and classes of the same module,
constants, and modules beside the script.
"""

import ast
import builtins
import inspect
import symtable
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpc.api.pickled import checked, cloudpickle_files, local_folder, pickler
from hpc.errors import NotStartedError
from hpc.targets.workload_package import WorkloadPackage, modules_beside
from lambdas.batch.workload import read_workload
from lambdas.run_files.errors import WorkloadError

# Annotations are not evaluated: what they name need not travel.
HEADER = "from __future__ import annotations\n\n"
PLAIN = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis))
PICKLE = "functions.pickle"
FALLBACK_NAME = "function"
# Names that mean something in a workload.
PARTS = frozenset({"compute", "compute_batch", "items", "weight", "combine", "finish"})
HINTS = (
    "  give it what it needs by params or items, define it at the top of a module, or",
    "  pip install 'serverless-hpc[functions]', whose cloudpickle takes such functions along",
)


class UnreadableError(Exception):
    """A function can't travel by its source; the text says why."""


def package_of(
    compute: Callable[..., Any], combine: Callable[..., Any] | None, finish: Callable[..., Any] | None
) -> WorkloadPackage:
    """Return the workload of a function, and of those beside it; raises as ``package_functions``."""
    parts = {"compute": compute, "combine": combine, "finish": finish}
    return package_functions({part: each for part, each in parts.items() if each is not None})


def package_functions(functions: Mapping[str, Callable[..., Any]]) -> WorkloadPackage:
    """Return the workload that functions make up.

    Parameters
    ----------
    functions
        By their part in the workload: ``compute``, ``combine``, ``finish``, ``items``, ``weight``.

    Raises
    ------
    NotStartedError
        If one can't travel; it says which, and what to do.
    """
    for part, function in functions.items():
        if not callable(function):
            raise NotStartedError(f"{part} must be a function, got {type(function).__name__}")
    first = next(iter(functions.values()))
    name = _module_name(first)
    _check_contract(functions, name)
    origin = f"the function {getattr(first, '__name__', name)}"
    try:
        sources = _Sources(functions, getattr(first, "__module__", None))
        aliases = {part: sources.name_of(function) for part, function in functions.items()}
        text = sources.text(aliases)
    except UnreadableError as reason:
        return _pickled(functions, name, origin, str(reason))
    return WorkloadPackage(name, {**sources.files, f"{name}.py": text.encode()}, origin)


def _check_contract(functions: Mapping[str, Callable[..., Any]], name: str) -> None:
    """Refuse what the handlers would refuse.

    Raises
    ------
    NotStartedError
        Naming the part, and what is wrong with its arguments or its kind.
    """
    module: Any = types.SimpleNamespace(**{part: each for part, each in functions.items() if _has_signature(each)})
    if not hasattr(module, "compute"):
        module.compute = len  # of one argument, as what has no signature is called
    try:
        read_workload(module, name, "")
    except WorkloadError as error:
        raise NotStartedError(str(error)) from error


def _has_signature(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function)
    except ValueError:
        return False
    return True


def _bound(part: str, expression: str, function: Callable[..., Any]) -> str:
    """Return the lines that give a function its part; one of C may not tell its arguments."""
    if _has_signature(function):
        return f"{part} = {expression}"
    arguments = "a, b" if part == "combine" else "value"
    return f"def {part}({arguments}):\n    return {expression}({arguments})\n"


def _module_name(function: Any) -> str:
    name = str(getattr(function, "__name__", "")).lower()
    is_usable = name.isidentifier() and name.isascii() and name[0].isalpha() and name not in sys.stdlib_module_names
    return name if is_usable else FALLBACK_NAME


@dataclass
class _Sources:
    """The source of a module that defines functions and all that they need."""

    functions: Mapping[str, Callable[..., Any]]
    # Module of the first function, whose definitions are copied; other modules travel as files.
    root: str | None
    imports: dict[str, str] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    _meanings: dict[str, Any] = field(default_factory=dict)

    def text(self, aliases: Mapping[str, str]) -> str:
        bound = [_bound(part, name, self.functions[part]) for part, name in aliases.items() if part != name]
        blocks = ["\n".join(self.imports.values()), "\n".join(self.constants.values()), *self.definitions.values()]
        return HEADER + "\n\n".join(block for block in (*blocks, "\n".join(bound)) if block) + "\n"

    def name_of(self, value: Any) -> str:
        """Add a function; return the name by which the module has it."""
        name = getattr(value, "__name__", "")
        if name == "<lambda>" or not isinstance(name, str) or not name.isidentifier():
            raise UnreadableError(f"{name or type(value).__name__} has no name of its own")
        self.add(name, value)
        return name

    def add(self, name: str, value: Any) -> None:
        """Add what a name means.

        Raises
        ------
        UnreadableError
            If it can't be written down.
        """
        if name in self._meanings:
            if self._meanings[name] is not value and self._meanings[name] != value:
                raise UnreadableError(f"the name {name} means two things")
            return
        if name in PARTS and self.functions.get(name) is not value:
            raise UnreadableError(f"it uses {name}, which has a meaning of its own in a workload")
        self._meanings[name] = value
        if isinstance(value, types.ModuleType):
            self._add_module(name, value)
        elif isinstance(value, types.FunctionType) or inspect.isclass(value):
            self._add_definition(name, value)
        elif (home := _importable(name, value)) is not None:
            self._import(name, home, value)
        elif _is_plain(value):
            self.constants[name] = f"{name} = {value!r}"
        else:
            raise UnreadableError(f"it uses {name}, which is of type {type(value).__name__}")

    def _add_module(self, name: str, module: types.ModuleType) -> None:
        full = module.__name__
        self._bring(full)
        self.imports[name] = f"import {full}" if name == full else f"import {full} as {name}"
        if "." in full and name == full.partition(".")[0]:
            self.imports[name] = f"import {full}"

    def _import(self, name: str, home: str, value: Any) -> None:
        self._bring(home)
        original = getattr(value, "__name__", name)
        own = original if getattr(sys.modules[home], original, None) is value else name
        self.imports[name] = f"from {home} import {own}" + (f" as {name}" if own != name else "")

    def _bring(self, module: str) -> None:
        """Take the files of a module along that is no installed package, with what it imports beside it."""
        top = module.partition(".")[0]
        folder = local_folder(top)
        if folder is not None:
            self.files |= modules_beside(folder, [f"import {top}".encode()])

    def _is_copied(self, value: Any) -> bool:
        """Whether a definition is copied: one of the script, or of a module that can't be imported by its name."""
        module = sys.modules.get(value.__module__)
        if value.__module__ in ("__main__", self.root) or module is None:
            return value.__module__ not in sys.stdlib_module_names
        return getattr(module, value.__name__, None) is not value

    def _add_definition(self, name: str, value: Any) -> None:
        if not self._is_copied(value):
            self._import(name, value.__module__, value)
            return
        source, wanted = _source_of(value)
        own = value.__name__
        self.definitions[own] = ""  # recursion: the name is taken
        for each, meaning in _meanings(value, source):
            if meaning is not value:
                self.add(each, meaning)
        del self.definitions[own]  # after what it needs
        self.definitions[own] = source if wanted == name else f"{source}\n\n{name} = {wanted}"


def _importable(name: str, value: Any) -> str | None:
    """Return the module that has a value under its own name or this one, as of built-in functions and ufuncs."""
    candidates = [getattr(value, "__module__", None)]
    if type(value).__name__ == "ufunc":
        candidates.append("numpy")
    for home in candidates:
        module = sys.modules.get(home) if isinstance(home, str) else None
        if module is None or home == "__main__" or _is_plain(value):
            continue
        for each in (getattr(value, "__name__", name), name):
            if getattr(module, each, None) is value:
                return home
    return None


def _is_plain(value: Any) -> bool:
    """Whether ``repr`` writes a value that Python reads back as the same."""
    if type(value) in (list, tuple, set, frozenset):
        is_known = all(map(_is_plain, value)) and (type(value) in (list, tuple) or bool(value))
        return is_known and type(value) is not frozenset
    if type(value) is dict:
        return all(_is_plain(key) and _is_plain(each) for key, each in value.items())
    if type(value) is float:
        return value - value == 0  # neither infinite nor NaN, whose repr is a name
    return type(value) in PLAIN


def _source_of(value: Any) -> tuple[str, str]:
    """Return the source of a function or class, and the name that it defines."""
    if getattr(value, "__closure__", None):
        free = ", ".join(value.__code__.co_freevars)
        raise UnreadableError(f"it is defined within another function, whose {free} it uses")
    try:
        source = textwrap.dedent(inspect.getsource(value)).rstrip() + "\n"
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError, IndentationError) as error:
        raise UnreadableError("its source can't be read") from error
    [node] = tree.body if len(tree.body) == 1 else [None]
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name != value.__name__:
        raise UnreadableError("its source can't be told from what stands around it")
    if isinstance(value, types.FunctionType) and not _is_same_code(value, source):
        raise UnreadableError("its file has changed since it was imported")
    return source, node.name


def _is_same_code(function: types.FunctionType, source: str) -> bool:
    """Whether a source is that of a function: a file may have been edited meanwhile."""
    if "assert" in source or not inspect.isfunction(function) or hasattr(function, "__wrapped__"):
        return True  # test runners rewrite asserts
    module = compile(HEADER + source, "<function>", "exec", dont_inherit=True)
    codes = [
        each for each in module.co_consts if isinstance(each, types.CodeType) and each.co_name == function.__name__
    ]
    return not codes or any(_mentions(each) == _mentions(function.__code__) for each in codes)


def _mentions(code: types.CodeType) -> tuple[Any, ...]:
    """Return what a source says in its code; the instructions also depend on what stands around a function."""
    constants = [each for each in code.co_consts if not isinstance(each, types.CodeType)]
    return sorted(code.co_names), code.co_varnames, repr(constants), code.co_cellvars


def _meanings(value: Any, source: str) -> Iterator[tuple[str, Any]]:
    """Yield the global names that a source uses, with what they mean at the moment."""
    namespace = value.__globals__ if isinstance(value, types.FunctionType) else vars(sys.modules[value.__module__])
    for name in sorted(_global_names(source)):
        if name in namespace:
            meaning = namespace[name]
            if getattr(builtins, name, None) is not meaning:
                yield name, meaning


def _global_names(source: str) -> set[str]:
    def walk(table: symtable.SymbolTable, *, is_top: bool) -> Iterator[str]:
        for symbol in table.get_symbols():
            if (symbol.is_global() or is_top) and symbol.is_referenced():
                yield symbol.get_name()
        for child in table.get_children():
            yield from walk(child, is_top=False)

    return set(walk(symtable.symtable(HEADER + source, "<function>", "exec"), is_top=True))


def _pickled(functions: Mapping[str, Callable[..., Any]], name: str, origin: str, reason: str) -> WorkloadPackage:
    """Return functions as cloudpickle writes them, with cloudpickle itself, which reads them.

    Raises
    ------
    NotStartedError
        If it is not installed, or can't write them.
    """
    needed_for = f"{origin} can't travel by its source: {reason}"
    with pickler(needed_for, *HINTS) as dumps:
        try:
            data = dumps(dict(functions))
        except Exception as error:
            raise NotStartedError(f"{origin} can't travel: {reason}, and cloudpickle says {error}") from error
    text = f'{checked(origin)}_functions = pickle.loads((Path(__file__).parent / "{PICKLE}").read_bytes())\n'
    text += "".join(_bound(part, f"_functions[{part!r}]", each) + "\n" for part, each in functions.items())
    return WorkloadPackage(name, {**cloudpickle_files(), PICKLE: data, f"{name}.py": text.encode()}, origin)
