"""Helpers for the tests of a workload: compute its answer in this process, and check its ``combine`` on samples."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from lambdas.batch.workload import Workload, read_workload
from lambdas.results.combining import shown_result
from lambdas.run_files import json_text
from lambdas.values import typed_json
from lambdas.values.comparison import RELATIVE_TOLERANCE, is_close, largest_float

MAX_TRIPLES = 1_000


def answer(
    module: ModuleType,
    *,
    size: int | None = None,
    items: Iterable[Any] | None = None,
    params: dict[str, Any] | None = None,
    batch_size: int | None = None,
) -> Any:
    """Return what a run of the workload gives, computed batch by batch as the pipeline does it.

    Parameters
    ----------
    size, items
        One of them, as in the execution input.
    batch_size
        Items of a batch, all by default: the answer should not depend on it.

    Raises
    ------
    WorkloadError
        If the module does not keep the contract.
    Exception
        Whatever the workload raises; TypeError and ValueError also of a result that can't be kept as it is.
    """
    if (size is None) == (items is None):
        raise ValueError(f"give one of size and items, got size {size} and items {items}")
    given = {} if params is None else params
    workload = read_workload(module, module.__name__, "")
    if items is None:
        items = range(size or 0) if workload.items is None else workload.items(size, params=given)
    results = _batches(workload, [json_text.plain(item) for item in items], given, batch_size)
    value: Any = iter(itertools.chain.from_iterable(results))
    if workload.combine is not None:
        combine = _copying(workload.combine)
        combined = [functools.reduce(combine, batch) for batch in results if batch]
        value = functools.reduce(combine, combined) if combined else None
    if workload.finish is not None:
        value = workload.finish(value, params=given)
    elif workload.combine is None:
        value = list(value)
    return b"".join(value) if isinstance(value, Iterator) else typed_json.copied(value)


def check_combine(
    combine: Callable[[Any, Any], Any], samples: Sequence[Any], *, relative_tolerance: float = RELATIVE_TOLERANCE
) -> None:
    """Check on samples that ``combine`` is associative and commutative: on AWS, results come in no certain order.

    Parameters
    ----------
    samples
        Two results or more, such as ``[compute(item) for item in range(5)]``; of many, 1,000 triples are tried.
    relative_tolerance
        Tolerance for floats; everything else has to be equal.

    Raises
    ------
    AssertionError
        With results for which it is not.
    TypeError, ValueError
        If a sample, or what ``combine`` returns, can't be kept as it is.
    """
    if len(samples) < 2:
        raise ValueError(f"samples must be two results or more, got {len(samples)}")
    kept = [typed_json.copied(sample) for sample in samples]
    combined = _copying(combine)
    for a, b, c in itertools.islice(itertools.product(kept, repeat=3), MAX_TRIPLES):
        _assert_same("commutative", (a, b), combined(a, b), combined(b, a), relative_tolerance)
        left, right = combined(combined(a, b), c), combined(a, combined(b, c))
        _assert_same("associative", (a, b, c), left, right, relative_tolerance)


def _batches(workload: Workload, items: list[Any], params: dict[str, Any], batch_size: int | None) -> list[list[Any]]:
    step = batch_size or max(1, len(items))
    batches = []
    for first in range(0, len(items), step):
        batch = items[first : first + step]
        results = [typed_json.copied(value) for value in workload.results(batch, first, params)]
        if len(results) != len(batch):
            raise ValueError(f"compute_batch must yield one result an item, got {len(results)} for {len(batch)} items")
        batches.append(results)
    return batches


def _copying(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return ``combine`` for copies, since it may change what it is given, and with what it returns checked."""
    return lambda a, b: typed_json.copied(combine(typed_json.copied(a), typed_json.copied(b)))


def _assert_same(law: str, samples: tuple[Any, ...], left: Any, right: Any, relative_tolerance: float) -> None:
    largest = largest_float(left, right, *samples)
    if not is_close(left, right, relative=relative_tolerance, largest=largest if relative_tolerance else 0):
        of = ", ".join(map(shown_result, samples))
        raise AssertionError(f"combine is not {law} for {of}: {shown_result(left)} is not {shown_result(right)}")
