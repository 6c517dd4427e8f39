"""Workloads that tests run: their sources, as a person would write them to a file."""

# Items are numbers, the result is their sum.
_ADDED_UP = """

def combine(a, b):
    return a + b


def finish(result):
    return result or 0
"""

REHEARSAL = (
    '''
"""Fails and waits as its params say."""

import os
import time


def compute(item, params):
    if item in params.get("raise", []):
        raise ValueError(f"{item} is bad")
    if item in params.get("exit", []):
        os._exit(3)
    time.sleep(params.get("seconds", 0))
    return item
'''
    + _ADDED_UP
)

ENDING = (
    '''
"""Tells its process id, then waits, or kills its process the first time or always, as its params say."""

import os
import signal
import time
from pathlib import Path


def compute(item, params):
    folder = Path(params["folder"])
    if item == params.get("at"):
        first = not (folder / "killed").exists()
        (folder / "killed").touch()
        if first or params.get("always"):
            os.kill(os.getpid(), signal.SIGKILL)
    if params.get("seconds"):
        (folder / f"{os.getpid()}.pid").touch()
        time.sleep(params["seconds"])
    return item
'''
    + _ADDED_UP
)

SENSITIVE = (
    '''
"""Prints each item, which may be an object with a value, and fails at those that its params call bad."""


def compute(item, params):
    value = item["value"] if isinstance(item, dict) else item
    print("computing", value)
    if value in params["bad"]:
        raise ValueError(f"{value} is bad")
    return value
'''
    + _ADDED_UP
)
