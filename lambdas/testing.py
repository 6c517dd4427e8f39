"""What the tests of a workload use: its answer, computed in this process, and its ``combine`` tried out on samples."""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType
from typing import Any

from lambdas.batch.workload import Workload, read_workload
from lambdas.run_files import json_text

# Sums of floats depend on their order in the last digits.
RELATIVE_TOLERANCE = 1e-9
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
        Whatever the workload raises; TypeError and ValueError also of a result that is neither JSON nor bytes.
    """
    if (size is None) == (items is None):
        raise ValueError(f"give one of size and items, got size {size} and items {items}")
    given = {} if params is None else params
    workload = read_workload(module, module.__name__, "")
    if items is None:
        items = range(size or 0) if workload.items is None else _unweighted(workload.items(size, params=given))
    results = _batches(workload, [json_text.plain(item) for item in items], given, batch_size)
    value: Any = iter(itertools.chain.from_iterable(results))
    if workload.combine is not None:
        combined = [functools.reduce(_through_json(workload.combine), batch) for batch in results if batch]
        value = functools.reduce(_through_json(workload.combine), combined) if combined else None
    if workload.finish is not None:
        value = workload.finish(value, params=given)
    elif workload.combine is None:
        value = list(value)
    return b"".join(value) if isinstance(value, Iterator) else _plain_result(value)


def check_combine(
    combine: Callable[[Any, Any], Any], samples: Sequence[Any], *, relative_tolerance: float = RELATIVE_TOLERANCE
) -> None:
    """Check on samples that ``combine`` is associative and commutative: on AWS, results come in no certain order.

    Parameters
    ----------
    samples
        Two results or more, such as ``[compute(item) for item in range(5)]``; of many, 1,000 triples are tried.
    relative_tolerance
        Of floats, compared with the largest of them; everything else has to be equal.

    Raises
    ------
    AssertionError
        With results for which it is not.
    TypeError, ValueError
        If a sample, or what ``combine`` returns, is not JSON.
    """
    if len(samples) < 2:
        raise ValueError(f"samples must be two results or more, got {len(samples)}")
    texts = [json_text.checked_text(sample) for sample in samples]

    def combined(left: str, right: str) -> str:
        # Of copies each time: combine may change what it is given.
        return json_text.checked_text(combine(json_text.parse(left), json_text.parse(right)))

    for a, b, c in itertools.islice(itertools.product(texts, repeat=3), MAX_TRIPLES):
        _assert_same("commutative", (a, b), combined(a, b), combined(b, a), relative_tolerance)
        left, right = combined(combined(a, b), c), combined(a, combined(b, c))
        _assert_same("associative", (a, b, c), left, right, relative_tolerance)


def _unweighted(items: Iterable[Any]) -> Iterator[Any]:
    return (item[1] if isinstance(item, tuple) else item for item in items)


def _batches(workload: Workload, items: list[Any], params: dict[str, Any], batch_size: int | None) -> list[list[Any]]:
    step = batch_size or max(1, len(items))
    batches = []
    for first in range(0, len(items), step):
        batch = items[first : first + step]
        results = [_plain_result(value) for value in workload.results(batch, first, params)]
        if len(results) != len(batch):
            raise ValueError(f"compute_batch must yield one result an item, got {len(results)} for {len(batch)} items")
        batches.append(results)
    return batches


def _plain_result(value: Any) -> Any:
    return value if isinstance(value, bytes) else json_text.plain(value)


def _through_json(combine: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: json_text.plain(combine(a, b))


def _assert_same(law: str, samples: tuple[str, ...], left: str, right: str, relative_tolerance: float) -> None:
    values = [json_text.parse(text) for text in (left, right)]
    scale = max((abs(number) for value in values for number in _floats(value)), default=0.0)
    if not _is_same(*values, tolerance=relative_tolerance * scale):
        raise AssertionError(f"combine is not {law} for {', '.join(samples)}: {left} is not {right}")


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list | dict):
        for element in value.values() if isinstance(value, dict) else value:
            yield from _floats(element)


def _is_same(left: Any, right: Any, *, tolerance: float) -> bool:
    if isinstance(left, float) or isinstance(right, float):
        both_numbers = isinstance(left, float | int) and isinstance(right, float | int)
        return both_numbers and math.isclose(left, right, rel_tol=0, abs_tol=tolerance)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(
            _is_same(a, b, tolerance=tolerance) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_is_same(left[key], right[key], tolerance=tolerance) for key in left)
    return bool(left == right)
