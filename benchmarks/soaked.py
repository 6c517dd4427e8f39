"""Workload of soak.py: squares; notes each item that it begins, and now and then raises, exits or hangs."""

import os
import random
import time
from typing import Any

_RANDOM = random.SystemRandom()
_LOGS: dict[str, int] = {}


def compute(item: int, params: dict[str, Any]) -> int:
    if params["log"] not in _LOGS:
        _LOGS[params["log"]] = os.open(params["log"], os.O_WRONLY | os.O_APPEND)
    os.write(_LOGS[params["log"]], b"%011d\n" % item)
    kind = int(_RANDOM.random() / params["faults"]) if params["faults"] else 3
    if kind == 0:
        raise ValueError("a fault")
    if kind == 1:
        os._exit(3)
    if kind == 2:
        time.sleep(60)
    return item * item


def combine(a: int, b: int) -> int:
    return a + b
