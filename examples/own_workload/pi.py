"""Pi, estimated from darts that are thrown at a square at random."""

import random
from typing import Any

DARTS = 100_000


def compute(item: int, params: dict[str, Any], seed: int) -> list[int]:
    """Throw the darts of one item; the seed belongs to the item, so the answer is the same on every machine."""
    if item < 0:
        raise ValueError(f"an item must be 0 or more, got {item}")
    darts = params.get("darts", DARTS)
    generator = random.Random(seed)
    hits = sum(generator.random() ** 2 + generator.random() ** 2 < 1 for _ in range(darts))
    return [hits, darts]


def combine(a: list[int], b: list[int]) -> list[int]:
    """Add two results; results arrive in any order."""
    return [a[0] + b[0], a[1] + b[1]]


def finish(result: list[int] | None) -> float | None:
    """Turn the hits of all items into pi."""
    return None if result is None else 4 * result[0] / result[1]
