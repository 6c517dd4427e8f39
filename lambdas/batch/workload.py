"""The workload contract: the functions that a workload's file may define, and what is checked when it is loaded.

Each protocol has all that its function may take. What stands before the ``/`` comes by position, under any name; of the
rest a function names what it wants, and gets that by name. It may have more arguments if they have defaults.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any, Protocol

from lambdas.batch.seeds import item_seed, run_seed
from lambdas.run_files.errors import WorkloadError
from lambdas.run_files.json_text import counted


class Compute(Protocol):
    """One item to its result: JSON, bytes, tuples, arrays and scalars of numpy, and lists and dicts of them.

    ``index`` is the item's number in the run; ``seed`` an integer of 64 bits, another one for each item and the same
    one whenever and wherever the item is computed.
    """

    def __call__(self, item: Any, /, *, params: dict[str, Any], index: int, seed: int) -> Any: ...


class ComputeBatch(Protocol):
    """Neighbouring items to one result each, in their order; instead of ``compute``, where one pass is cheaper."""

    def __call__(self, items: Sequence[Any], /, *, params: dict[str, Any]) -> Iterable[Any]: ...


class Items(Protocol):
    """The items of a run of ``size``, as JSON."""

    def __call__(self, size: int, /, *, params: dict[str, Any]) -> Iterable[Any]: ...


class Weight(Protocol):
    """Return the relative cost of an item, a number over 0: batches are formed to weigh the same."""

    def __call__(self, item: Any, /, *, params: dict[str, Any]) -> float: ...


class Combine(Protocol):
    """Combines two results, or results of ``combine``; associative and commutative: their order is not known."""

    def __call__(self, a: Any, b: Any, /) -> Any: ...


class Finish(Protocol):
    """Return the result of all items.

    ``result`` is what ``combine`` made of them, None of none; without ``combine`` it is an iterator of the results in
    the order of their items, None for an item without one. It returns what may be a result, or yields bytes.
    """

    def __call__(self, result: Any, /, *, params: dict[str, Any]) -> Any: ...


PROTOCOLS: dict[str, type] = {
    "compute": Compute,
    "compute_batch": ComputeBatch,
    "items": Items,
    "weight": Weight,
    "combine": Combine,
    "finish": Finish,
}
# A function that yields gives back an iterator: here that is no mistake.
MAY_YIELD = frozenset({"compute_batch", "items", "finish"})
NOT_RESULTS = (str, bytes, dict)


@dataclass(frozen=True)
class Function:
    """A function of a workload, and which of the arguments on offer it names."""

    call: Callable[..., Any]
    named: frozenset[str]

    def __call__(self, *arguments: Any, **offered: Any) -> Any:
        return self.call(*arguments, **{name: offered[name] for name in self.named})


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A loaded workload: ``compute`` or ``compute_batch``, and of the others those that it has."""

    name: str
    sha256: str
    # Path by which tracebacks name it.
    file: str
    compute: Function | None = None
    compute_batch: Function | None = None
    items: Function | None = None
    weight: Function | None = None
    combine: Function | None = None
    finish: Function | None = None

    @property
    def computes_one_by_one(self) -> bool:
        """Whether an exception is the fault of the very item that was asked for."""
        return self.compute_batch is None

    def results(self, items: Sequence[Any], first: int, params: dict[str, Any]) -> Iterator[Any]:
        """Yield one result an item; ``first`` is the index of the first one."""
        if self.compute_batch is not None:
            return iter(self._results_of_batch(self.compute_batch, items, params))
        assert self.compute is not None
        return self._results_one_by_one(self.compute, items, first, params)

    def _results_of_batch(self, compute_batch: Function, items: Sequence[Any], params: dict[str, Any]) -> Iterable[Any]:
        results: Any = compute_batch(items, params=params)
        if not isinstance(results, Iterable) or isinstance(results, NOT_RESULTS):
            raise WorkloadError(
                f"compute_batch of workload {self.name} must yield one result an item, got {type(results).__name__}"
            )
        return results

    def _results_one_by_one(
        self, compute: Function, items: Sequence[Any], first: int, params: dict[str, Any]
    ) -> Iterator[Any]:
        call, arguments = self._call_of(compute, items, first, params)
        for given in arguments:
            try:
                result = call(given)
            except StopIteration as error:  # it would be taken for the end of the items
                raise RuntimeError("compute raised StopIteration") from error
            yield result

    def _call_of(
        self, compute: Function, items: Sequence[Any], first: int, params: dict[str, Any]
    ) -> tuple[Callable[[Any], Any], Iterable[Any]]:
        """Return how to compute an item, and what to call that with; seeds are made for those who ask for them."""
        if compute.named & {"index", "seed"}:
            seed = run_seed(self.name, params)
            return (
                lambda given: compute(given[1], params=params, index=given[0], seed=item_seed(seed, given[0])),
                enumerate(items, first),
            )
        return (partial(compute.call, params=params) if compute.named else compute.call), items


def check_params(workload: Workload, function: str, params: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuse params that are not what they were: what an item gives would depend on what was computed before it.

    Raises
    ------
    WorkloadError
        Naming the function that was called with them.
    """
    if params != given:
        raise WorkloadError(
            f"{function} of workload {workload.name} changed its params, which are those of all items: "
            "it must change a copy"
        )


def read_workload(module: ModuleType, name: str, sha256: str) -> Workload:
    """Return the workload that a module defines.

    Raises
    ------
    WorkloadError
        If it does not keep the contract; names the function and what is wrong with it.
    """
    functions = {function: _function(module, name, function) for function in PROTOCOLS}
    given = [function for function in ("compute", "compute_batch") if functions[function] is not None]
    if len(given) != 1:
        defined = " and ".join(given) or "neither"
        raise WorkloadError(f"workload {name} must define either compute or compute_batch, it defines {defined}")
    return Workload(name=name, sha256=sha256, file=getattr(module, "__file__", None) or "", **functions)


def _function(module: ModuleType, workload: str, name: str) -> Function | None:
    call = getattr(module, name, None)
    if call is None:
        return None
    place = f"{name} of workload {workload}"
    if not callable(call):
        raise WorkloadError(f"{place} must be a function, got {type(call).__name__}")
    if inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call):
        raise WorkloadError(f"{place} must be a plain function, got one that is async")
    if inspect.isgeneratorfunction(call) and name not in MAY_YIELD:
        hint = ": what yields one result an item is called compute_batch" if name == "compute" else ""
        raise WorkloadError(f"{place} must return one value, got a function that yields{hint}")
    return Function(call, _named_arguments(place, call, *_arguments(PROTOCOLS[name])))


def _arguments(protocol: type) -> tuple[int, frozenset[str]]:
    """Return how many arguments a protocol's function gets by position, and the names of the others."""
    parameters = list(inspect.signature(protocol.__call__).parameters.values())[1:]
    named = frozenset(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)
    return len(parameters) - len(named), named


def _named_arguments(
    place: str, call: Callable[..., Any], positional_count: int, offered: frozenset[str]
) -> frozenset[str]:
    """Return which of the arguments on offer a function names, after checking that it can be called."""
    try:
        signature = inspect.signature(call)
    except ValueError:
        raise WorkloadError(f"{place} must be a function whose arguments Python knows, got {call!r}") from None
    parameters = list(signature.parameters.values())
    positional, named = parameters[:positional_count], parameters[positional_count:]
    if len(positional) < positional_count or any(parameter.kind > parameter.VAR_POSITIONAL for parameter in positional):
        raise WorkloadError(f"{place} must take {counted(positional_count, 'positional argument')}, got {signature}")
    for parameter in named:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name not in offered and parameter.default is parameter.empty:
            allowed = ", ".join(sorted(offered)) or "no other"
            raise WorkloadError(f"{place} names the argument {parameter.name}: allowed are {allowed}")
        if parameter.name in offered and parameter.kind is parameter.POSITIONAL_ONLY:
            raise WorkloadError(f"{place} gets {parameter.name} by name, it must not stand before the /")
    return frozenset(parameter.name for parameter in named) & offered
