"""`combine` or `finish` of a run called once more, in the process of `hpc replay`; nothing of the run changes."""

import copy
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

# Calls a function without arguments under the debugger, from the first line of the code on; None if that was left.
Debug = Callable[[Any, Callable[[], list[Any]]], list[Any] | None]


class LeftError(Exception):
    """The person left the debugger."""


class NothingToCallError(Exception):
    """The run has nothing to call a function with."""


@dataclass
class Calls:
    """Calls of a function, of which one may be made under the debugger."""

    function: Any
    debug: Debug | None = None
    debugged_number: int = 0
    count: int = 0
    is_left: bool = False
    last: Any = None

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.count += 1
        if self.debug is None or self.count != self.debugged_number:
            self.last = self.function(*arguments, **named)
            return self.last
        results = self.debug(self.function.call, lambda: [self.function(*arguments, **named)])
        if results is None:
            self.is_left = True
            raise LeftError
        [self.last] = results
        return self.last


def replayed(workload: Any, task: dict[str, Any], debug: Debug | None) -> list[Any] | None:
    """Return what the function of a task gives in a list, None if a person has left the debugger before.

    Raises
    ------
    NothingToCallError
        If items have no result yet, so that the function was never called.
    BaseException
        Whatever the function raises, as the handlers name it.
    """
    settings = _module("run_files.runs").settings_now(task["bucket"], task["run"])
    run = _Run(workload, task["bucket"], settings)
    return run.finished(debug) if task["function"] == "finish" else run.combined(debug)


def _module(name: str) -> Any:
    return importlib.import_module(f"lambdas.{name}")


@dataclass
class _Run:
    workload: Any
    bucket: str
    settings: Any

    def finished(self, debug: Debug | None) -> list[Any] | None:
        """Call ``finish`` with what all results come to."""
        chain = _module("results.chain")
        records = _module("results.record_files")
        if records.note_of_stopped(self.bucket, self.settings):
            raise NothingToCallError(f"{self.settings.name} did not come to its finish: items have no result yet")
        combining = self._combining(self.workload.combine) if self.workload.combine is not None else None
        links = self._links(combining)
        value = _module("results.reduction").loaded(chain.results(links)) if combining is None else combining.value

        def call() -> list[Any]:
            return [_whole(self.workload.finish(value, params=copy.deepcopy(self.settings.params)))]

        return call() if debug is None else debug(self.workload.finish.call, call)

    def combined(self, debug: Debug | None) -> list[Any] | None:
        """Call ``combine`` as Sum did or, if it raised in Compute, as that did for the first batch where it raised."""
        calls = Calls(self.workload.combine)
        if debug is not None:
            number = self._failing_call(calls)
            calls = Calls(self.workload.combine, debug, number)
        try:
            value = self._combine_all(calls)
        except Exception:
            if calls.is_left:
                return None
            raise
        return [value]

    def _failing_call(self, calls: Calls) -> int:
        """Return the number of the call that raises, 1 if none does."""
        try:
            self._combine_all(calls)
        except Exception:
            return calls.count
        return 1

    def _combine_all(self, combine: Calls) -> Any:
        links = self._links(None)
        batch = _failed_batch(links[-1])
        if batch is None:
            combining = self._combining(combine)
            self._links(combining)
            return combining.value
        self._compute(batch, combine)
        return combine.last

    def _combining(self, combine: Any) -> Any:
        return _module("results.reduction").Combining(self.bucket, combine, self.workload.file)

    def _links(self, combining: Any) -> list[Any]:
        chain = _module("results.chain")
        links: list[Any] = chain.read_links(self.bucket, chain.read_chain(self.bucket, self.settings), None, combining)
        return links

    def _compute(self, number: int, combine: Calls) -> None:
        """Compute a batch as Compute does; its results are kept nowhere."""
        batch = next(
            batch
            for batch in _module("results.batch_coverage").read_batches(self.bucket, self.settings.name)
            if batch.number == number
        )
        batch_items = _module("batch.batch_items")
        items = batch_items.BatchItems(
            self.bucket,
            batch,
            batch.first,
            batch_items.ReadPosition(batch.offset, 0),
            is_indexed=self.settings.redrive_of is not None,
        )
        parts = _module("batch.parts").PartWriter(
            bucket=self.bucket,
            run=self.settings.name,
            batch=batch.number,
            first=batch.first,
            combine=_module("results.combining").Combiner(combine, self.workload.file, is_tried=batch.number == 0),
            parts=[],
            index=items.index,
        )
        tolerant = replace(self.settings, tolerated_failure_percentage=100)
        time_limit = _module("batch.time_limit").TimeLimit(None)
        _module("batch.compute_batch").BatchRun(tolerant, self.workload, batch, items, parts, time_limit).compute()


def _failed_batch(link: Any) -> int | None:
    """Return the number of the first batch in which ``combine`` raised."""
    load_part = _module("results.part_reading").load_part
    for batch, state, place in link.coverage.batches():
        if state.name not in ("FAILED", "SOME_FAILED"):
            continue
        record = link.reader.record(place)
        failures = [record.failure.to_json()] if record.failure is not None else []
        for part in record.parts:
            failures += load_part(link.reader.bucket, link.settings.name, part).get("failed", ())
        if any(_is_of_combine(failure) for failure in failures):
            return int(batch.number)
    return None


def _is_of_combine(failure: dict[str, Any]) -> bool:
    named: str = failure["message"]
    return failure["error_type"] == "WorkloadError" and named.startswith(("combine", "what combine"))


def _whole(value: Any) -> Any:
    """Return what ``finish`` returned; the bytes that it yields are joined."""
    return b"".join(value) if isinstance(value, Iterator) else value
