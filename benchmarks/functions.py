"""Short items through `hpc.map` beside `ProcessPoolExecutor.map`: `python benchmarks/functions.py`.

Both compute 1,000 items of 10 ms, which keep a processor busy, from a warm interpreter; the best time counts.
"""

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import hpc

ITEM_COUNT = 1_000
SECONDS = 0.01
TIMES = 3


def busy(item: int) -> int:
    """Compute for 10 ms."""
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        pass
    return item


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    assert call() == list(range(ITEM_COUNT))
    return time.perf_counter() - began


def through_pool() -> list[int]:
    with ProcessPoolExecutor() as pool:
        return list(pool.map(busy, range(ITEM_COUNT)))


def through_runs() -> Any:
    return hpc.map(busy, size=ITEM_COUNT).wait(shows_progress=False).result


def main() -> None:
    _ = hpc.map(busy, size=1).result  # the server is there, as for every run but the first
    pool = min(timed(through_pool) for _ in range(TIMES))
    runs = min(timed(through_runs) for _ in range(TIMES))
    print(f"ProcessPoolExecutor.map {pool:.2f} s, hpc.map {runs:.2f} s: {100 * (runs / pool - 1):+.0f} %")


if __name__ == "__main__":
    main()
