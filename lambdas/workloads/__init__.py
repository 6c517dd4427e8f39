"""Workloads: one module each, loaded by name and checked against the workload contract.

::

    def compute(item, params): ...         # one item: JSON in, JSON out.  May also name `index` and `seed`
    def compute_batch(items, params): ...  # instead of compute, when a range is cheaper in one pass: one result an item
    def items(size, params): ...           # optional, default range(size); a tuple is (weight, item)
    def combine(a, b): ...                 # optional, associative and commutative
    def finish(result, params): ...        # optional, once, in Sum

``params`` may be left out everywhere.
"""

import functools
import hashlib
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lambdas import json_text
from lambdas.errors import InvalidInputError, WorkloadError

NAME = re.compile(r"[a-z][a-z0-9_]*")
# Function -> how many arguments come by position, and what it may name besides those.
CONTRACT = {
    "compute": (1, {"params", "index", "seed"}),
    "compute_batch": (1, {"params"}),
    "items": (1, {"params"}),
    "combine": (2, set()),
    "finish": (1, {"params"}),
}
SEED_BYTES = 8


@dataclass(frozen=True)
class Function:
    """A function of a workload, and which of the arguments on offer it names."""

    call: Callable[..., Any]
    named: frozenset[str]

    def __call__(self, *arguments: Any, **offered: Any) -> Any:
        return self.call(*arguments, **{name: offered[name] for name in self.named})


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A loaded workload; ``compute_batch`` is used where there are both."""

    name: str
    sha256: str
    compute: Function | None
    compute_batch: Function | None
    items: Function | None
    combine: Function | None
    finish: Function | None

    @property
    def computes_one_by_one(self) -> bool:
        """Whether an exception is the fault of the very item that was asked for."""
        return self.compute_batch is None

    def results(self, items: Sequence[Any], first: int, params: dict[str, Any]) -> Iterator[Any]:
        """Yield one result an item; ``first`` is the index of the first one."""
        if self.compute_batch is not None:
            return iter(self._results_of_batch(items, params))
        assert self.compute is not None
        if not self.compute.named & {"index", "seed"}:
            arguments = {"params": params} if self.compute.named else {}
            return map(functools.partial(self.compute.call, **arguments), items)
        return self._results_one_by_one(self.compute, items, first, params)

    def _results_of_batch(self, items: Sequence[Any], params: dict[str, Any]) -> Iterable[Any]:
        assert self.compute_batch is not None
        results: Any = self.compute_batch(items, params=params)
        if not isinstance(results, Iterable):
            raise WorkloadError(
                f"compute_batch of workload {self.name} must yield results, got {type(results).__name__}"
            )
        return results

    def _results_one_by_one(
        self, compute: Function, items: Sequence[Any], first: int, params: dict[str, Any]
    ) -> Iterator[Any]:
        seed = run_seed(self.name, params)
        for index, item in enumerate(items, first):
            yield compute(item, params=params, index=index, seed=item_seed(seed, index))


def run_seed(workload: str, params: dict[str, Any]) -> bytes:
    """Return the seed of a run: the same input gives the same numbers, another value in ``params`` gives others."""
    return hashlib.sha256(json.dumps([workload, params], sort_keys=True).encode()).digest()


def item_seed(seed: bytes, index: int) -> int:
    """Return an item's seed, 0 to 2**64 - 1: of the run's seed and the index only, so the same on every back end."""
    return int.from_bytes(hashlib.sha256(seed + str(index).encode()).digest()[:SEED_BYTES], "big")


def known_names() -> list[str]:
    """Names of all workloads, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if NAME.fullmatch(module.name))


@functools.cache
def load(name: str) -> Workload:
    """Import a workload and check it.

    Raises
    ------
    InvalidInputError
        If there is none of that name.
    WorkloadError
        If it can't be imported or does not keep the contract.
    """
    if not NAME.fullmatch(name) or name not in known_names():
        raise InvalidInputError(f"workload must be one of {', '.join(known_names())}, got {json_text.shown(name)}")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except Exception as error:
        raise WorkloadError(f"workload {name} can't be imported: {type(error).__name__}: {error}") from error
    functions = {function: _function(module, function) for function in CONTRACT}
    if functions["compute"] is None and functions["compute_batch"] is None:
        raise WorkloadError(f"workload {name} defines neither compute nor compute_batch")
    return Workload(name=name, sha256=_sha256(module), **functions)


def _function(module: ModuleType, name: str) -> Function | None:
    call = getattr(module, name, None)
    if call is None:
        return None
    place = f"{name} of workload {module.__name__.rpartition('.')[2]}"
    if not callable(call):
        raise WorkloadError(f"{place} must be a function, got {type(call).__name__}")
    positional_count, offered = CONTRACT[name]
    parameters = list(inspect.signature(call).parameters.values())
    positional, named = parameters[:positional_count], parameters[positional_count:]
    if len(positional) < positional_count or any(parameter.kind > parameter.VAR_POSITIONAL for parameter in positional):
        raise WorkloadError(
            f"{place} must take {positional_count} positional argument(s), got {inspect.signature(call)}"
        )
    for parameter in named:
        if parameter.name not in offered and parameter.default is parameter.empty:
            allowed = ", ".join(sorted(offered)) or "no other"
            raise WorkloadError(f"{place} names the argument {parameter.name}: allowed are {allowed}")
    return Function(call, frozenset(parameter.name for parameter in named) & frozenset(offered))


def _sha256(module: ModuleType) -> str:
    return hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()
