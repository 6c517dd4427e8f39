"""Seeds depend only on the run's params and an item's index, so that every back end draws the same random numbers."""

import hashlib
import json
from typing import Any

SEED_BYTES = 8


def run_seed(workload: str, params: dict[str, Any]) -> bytes:
    """Return the seed of a run.

    Where ``params`` has a ``seed`` (any JSON value), that alone decides: runs that differ in other params can share
    their random numbers. Otherwise workload and params do: the same input gives the same numbers, another one others.
    """
    chosen_by = {"seed": params["seed"]} if "seed" in params else [workload, params]
    return hashlib.sha256(json.dumps(chosen_by, sort_keys=True).encode()).digest()


def item_seed(seed: bytes, index: int) -> int:
    """Return an item's seed, 0 to 2**64 - 1."""
    return int.from_bytes(hashlib.sha256(seed + str(index).encode()).digest()[:SEED_BYTES], "big")
