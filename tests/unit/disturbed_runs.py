"""Runs of which items fail, and the runs that complete them."""

import json
import re
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lambdas.run_files import errors

# Fails at the indexes that a file names, so that runs with the same params fail at others.
FAILING = """
import json
from pathlib import Path

def check(index, params):
    if index in json.loads(Path(params["bad"]).read_text()):
        raise ValueError(f"{index} is bad")
"""
ONE_BY_ONE = (
    FAILING
    + """
def compute(item, params, index, seed):
    check(index, params)
    return [index, seed, item]
"""
)
IN_PASSES = (
    FAILING
    + """
def compute_batch(items, params):
    first = items.start if isinstance(items, range) else json.loads(items[0]["n"])
    for index, item in enumerate(items, first):
        check(index, params)
        yield [index, len(items) > 0, item]
"""
)
STORED = (
    FAILING
    + """
def compute(item, params, index):
    check(index, params)
    return None if index % 3 == 0 else b"x" * index
"""
)
COMBINED = """
def combine(a, b):
    return sorted(a + b, key=repr)
"""
FINISHED = """
def finish(results):
    return [len(list(results) if results is not None else []), repr(results)[:0]]
"""
SOURCES = {
    "one by one": ONE_BY_ONE,
    "combined": ONE_BY_ONE + COMBINED,
    "combined and finished": ONE_BY_ONE + COMBINED + FINISHED,
    "finished": ONE_BY_ONE + FINISHED,
    "in passes": IN_PASSES,
    "in passes, combined": IN_PASSES + COMBINED,
    "stored": STORED,
}


class Disturbed:
    """Runs of one workload, the first with items that fail, each later one on what failed in the one before."""

    def __init__(self, pipeline: Callable[..., Any], folder: Path, **execution_input: Any) -> None:
        self.bad = folder / f"bad-{uuid.uuid4().hex}.json"
        self.pipeline = pipeline
        self.input = execution_input | {"params": {"bad": str(self.bad)}}

    def first(self, bad: set[int], lost_batches: Collection[int] = (), **changes: Any) -> Any:
        return self._run(self.pipeline(**(self.input | changes)), bad, lost_batches)

    def next(self, run: Any, bad: set[int], lost_batches: Collection[int] = (), **changes: Any) -> Any:
        return self._run(self.pipeline(redrive_of=run.name, **changes), bad, lost_batches)

    def stopped(
        self,
        bad: set[int],
        lost: Collection[int] = (),
        never_begun: Collection[int] = (),
        *,
        of: Any = None,
        **changes: Any,
    ) -> Any:
        """Return a run that ended before its Sum: some batches failed, of others there is no record."""
        run = self.pipeline(**(self.input | changes)) if of is None else self.pipeline(redrive_of=of.name, **changes)
        self._compute(run, bad, lost)
        run.children = [child for number, child in enumerate(run.children) if number not in never_begun]
        run.write_results()
        return run

    def _run(self, run: Any, bad: set[int], lost_batches: Collection[int]) -> Any:
        self._compute(run, bad, lost_batches)
        run.write_results()
        run.output = None
        try:
            run.output = run.sum()
        except errors.FailureToleranceExceededError as error:
            run.error = str(error)
        return run

    def _compute(self, run: Any, bad: set[int], lost_batches: Collection[int]) -> None:
        self.bad.write_text(json.dumps(sorted(bad)))
        run.start()
        run.map()
        for number in lost_batches:
            if number < len(run.children):
                run.children[number].error = "States.Timeout"


def whole(run: Any) -> Any:
    """Return the result of a run, without the names of the runs that have its files."""
    results = run.text("results.jsonl") if "results_file" in run.output else ""
    fields = {name: run.output.get(name) for name in ("result", "complete", "count", "failed")}
    return re.sub("run-[0-9a-f]{32}", "run", f"{fields} {results}")
