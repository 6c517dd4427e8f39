"""Files of a run: each handler writes those that its role may write, which nothing on this machine asks for."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import pytest

from hpc_stack import run_keys

ONE_FAILS = """
def compute(item):
    return 6 // item
"""
IN_BYTES = """
def compute(item):
    return bytes(item)

def finish(results):
    yield from results
"""
IN_ARRAYS = """
import numpy as np

def compute(item):
    return np.full(item, item)

def finish(results):
    return np.concatenate(list(results))
"""


@pytest.fixture
def keys_written(s3: Any) -> Callable[[Callable[[], object]], set[str]]:
    """Do one step of a run, and return the keys of the objects that it wrote."""

    def keys_of(step: Callable[[], object]) -> set[str]:
        keys = set()

        def note(params: dict[str, Any], **_others: Any) -> None:
            keys.add(params["Key"])

        events = [f"provide-client-params.s3.{action}" for action in ("PutObject", "CreateMultipartUpload")]
        for event in events:
            s3.meta.events.register(event, note)
        try:
            step()
        finally:
            for event in events:
                s3.meta.events.unregister(event, note)
        return keys

    return keys_of


def test_handlers_write_what_their_roles_may_and_roles_may_write_nothing_else(
    pipeline: Any, make_workload: Any, keys_written: Callable[[Callable[[], object]], set[str]]
) -> None:
    written: dict[str, set[str]] = {"start": set(), "map": set(), "sum": set()}
    for run in (
        pipeline(items=[1, 0, 3], workload=make_workload(ONE_FAILS), tolerated_failure_percentage=50),
        pipeline(size=3, workload=make_workload(IN_BYTES)),
        pipeline(size=3, workload=make_workload(IN_ARRAYS)),
    ):
        written["start"] |= keys_written(run.start)
        written["map"] |= keys_written(run.map)
        run.write_results()
        written["sum"] |= keys_written(run.sum)
    for step, allowed in (("start", run_keys.START), ("map", run_keys.COMPUTE), ("sum", run_keys.SUM)):
        used = {next((pattern for pattern in allowed if fnmatchcase(key, pattern)), key) for key in written[step]}
        assert used == set(allowed)
