"""Workload of soak.py: squares; notes each item that it begins."""

import os
from typing import Any

_LOGS: dict[str, int] = {}


def compute(item: int, params: dict[str, Any]) -> int:
    if params["log"] not in _LOGS:
        _LOGS[params["log"]] = os.open(params["log"], os.O_WRONLY | os.O_APPEND)
    os.write(_LOGS[params["log"]], b"%011d\n" % item)
    return item * item


def combine(a: int, b: int) -> int:
    return a + b
