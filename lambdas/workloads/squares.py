"""Sum of squares: the cheap workload; of ``range(n)`` it is (n - 1) n (2 n - 1) / 6."""

from typing import Any


def compute(item: int) -> int:
    if not isinstance(item, int) or isinstance(item, bool):
        raise TypeError(f"an item of squares must be an integer, got {item!r}")
    return item * item


def combine(a: int, b: int) -> int:
    return a + b


def finish(result: int | None) -> Any:
    return 0 if result is None else result
