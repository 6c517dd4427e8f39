"""Number of ways to put ``size`` queens on a board of that size so that none attacks another (OEIS A000170).

An item is the beginning of a board: the columns of the queens in its first rows. Boards come in mirrored pairs, so only
those are counted whose first queen is in the left half, or in the middle.

Example: ``hpc run --size 12 --workload n_queens``
"""

from collections.abc import Iterator
from typing import Any

DEFAULT_DEPTH = 3
MAX_SIZE = 30


def items(size: int, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every beginning of ``params["depth"]`` rows (3), as ``{"size": int, "columns": [int, ...]}``."""
    depth = params.get("depth", DEFAULT_DEPTH)
    if unknown := params.keys() - {"depth"}:
        raise ValueError(f"params of n_queens may have depth, got {', '.join(sorted(unknown))}")
    if not isinstance(depth, int) or depth < 1:
        raise ValueError(f"depth must be an integer of 1 or more, got {depth!r}")
    if size > MAX_SIZE:
        raise ValueError(f"size must be 0 to {MAX_SIZE}, got {size}")
    half = range((size + 1) // 2)
    beginnings: Iterator[list[int]] = iter([[]] if size == 0 else [[column] for column in half])
    for _ in range(min(depth, size) - 1):
        beginnings = extended(beginnings, size)
    return ({"size": size, "columns": columns} for columns in beginnings)


def extended(beginnings: Iterator[list[int]], size: int) -> Iterator[list[int]]:
    """Yield each beginning with every queen that the next row may have."""
    for columns in beginnings:
        for column in range(size):
            if all(column != other and abs(column - other) != distance for distance, other in above(columns)):
                yield [*columns, column]


def above(columns: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the queens above the next row, each with how many rows it is above."""
    return ((len(columns) - row, column) for row, column in enumerate(columns))


def compute(item: dict[str, Any]) -> int:
    """Count the boards that begin with the item's queens, mirrored ones included."""
    size, columns = item["size"], item["columns"]
    taken = left = right = 0
    for column in columns:
        queen = 1 << column
        taken, left, right = taken | queen, (left | queen) << 1, (right | queen) >> 1
    is_its_own_mirror = size == 0 or (size % 2 == 1 and columns[0] == size // 2)
    return count((1 << size) - 1, taken, left, right) * (1 if is_its_own_mirror else 2)


def count(board: int, taken: int, left: int, right: int) -> int:
    """Count the ways to fill the remaining rows.

    Parameters
    ----------
    board
        A bit for each column.
    taken, left, right
        The columns that queens attack in the next row: straight down, and along either diagonal.
    """
    if taken == board:
        return 1
    ways = 0
    free = board & ~(taken | left | right)
    while free:
        queen = free & -free
        free ^= queen
        ways += count(board, taken | queen, (left | queen) << 1, (right | queen) >> 1)
    return ways


def combine(a: int, b: int) -> int:
    return a + b


def finish(result: int | None) -> int:
    return 0 if result is None else result
