"""Computes the items of one batch until all are done or the time is up, and records failed items."""

import copy
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import isfinite
from typing import Any

from lambdas.batch.batch_items import BatchItems
from lambdas.batch.parts import PartWriter
from lambdas.batch.time_limit import TimeLimit, TimeUp
from lambdas.batch.workload import Workload, check_params
from lambdas.run_files.errors import (
    ItemFailedError,
    ItemTooLongError,
    PipelineInterrupt,
    StorageUnavailableError,
    WorkloadError,
)
from lambdas.run_files.failures import Failure, failure_of
from lambdas.run_files.runs import Batch, RunSettings

LOGGER = logging.getLogger(__name__)
LOGGER.setLevel(logging.INFO)
NO_RESULT = object()
# In the place of a value, where there is no time or room for another number.
STOPPED = object()
# Most computations give one of these an item: all that is to be checked is whether a float is finite.
NUMBERS = frozenset({type(None), bool, int, float})
# Numbers are kept until there are so many, or for so long: an integer may have millions of digits.
MAX_NUMBERS = 1_024
MAX_NUMBERS_SECONDS = 0.005
# Failures that one invocation logs.  The parts have all failures, and logs are billed by size.
MAX_LOGGED_FAILURES = 10


@dataclass
class BatchRun:
    """Computes a batch from ``parts.next`` on.

    A workload is asked for all remaining items at once.  After a failure it is asked for a single item, which of
    ``compute_batch`` shows whether that one is to blame, then for twice as many each time it goes well: so what is read
    and computed again is not more than a few times the whole.  ``limit`` is how many items to ask for, None for all.
    """

    settings: RunSettings
    workload: Workload
    batch: Batch
    items: BatchItems
    parts: PartWriter
    time_limit: TimeLimit
    limit: int | None = None
    has_progress: bool = False
    longest_seconds: float = 0
    logged_count: int = 0

    def __post_init__(self) -> None:
        self.params = copy.deepcopy(self.settings.params)

    def compute(self) -> bool:
        """Return whether all items of the batch are done; if not, ``parts.next`` is where to go on.

        Raises
        ------
        ItemFailedError
            At the first bad item, if the run tolerates none.
        ItemTooLongError
            At an item that does not fit into an invocation of its own, if the run tolerates no failure.
        WorkloadError
            If the workload breaks its contract.
        """
        with self.time_limit.enforced():
            while self.parts.next < self.batch.end:
                if not self._has_time():
                    return False
                is_time_left = self._compute_slice()
                check_params(self.workload, self._function, self.params, self.settings.params)
                if not is_time_left:
                    return False
        return True

    @property
    def _function(self) -> str:
        return "compute" if self.workload.computes_one_by_one else "compute_batch"

    def _has_time(self) -> bool:
        # The first item of an invocation is always tried: only so is each invocation a step forward.
        return not self.has_progress or self.time_limit.has(self.longest_seconds)

    def _compute_slice(self) -> bool:
        """Ask the workload for a slice; return False when time is up."""
        items = self.items.slice(self.parts.next, self.limit)
        end = self.parts.next + len(items)
        results: Iterator[Any] | None = None
        while self._has_time():
            numbers: list[Any] = []
            try:
                if results is None:
                    first_index = self.items.index(self.parts.next)
                    results = self._timed(self.workload.results, items, first_index, self.params)
                if self.parts.next < end:
                    value = self.time_limit.call(self._after_numbers, results, numbers, end - self.parts.next)
                else:
                    value = self._timed(next, results, NO_RESULT)
            except BaseException as error:
                self._add_numbers(numbers)
                return self._handle_error(error, end, len(items))
            # Outside of the try: an error of combine, or of S3 while a part is written, is no item's fault.
            self._add_numbers(numbers)
            if value is not STOPPED:
                if value is NO_RESULT or self.parts.next == end:
                    self._check_end(end, has_more=value is not NO_RESULT)
                    return True
                try:
                    value = self.parts.checked(value)
                except Exception as error:
                    return self._handle_error(error, end, len(items))
                self.parts.add(value)
                self.has_progress = True
            if self.parts.next == end and self.workload.computes_one_by_one:
                self._ask_for_more()
                return True
        return False

    def _after_numbers(self, results: Iterator[Any], numbers: list[Any], room: int) -> Any:
        """Append results to ``numbers`` while they are numbers; return the first value that is none.

        A timer may interrupt it between any two steps: what is in the list then was computed.
        """
        most = min(room, MAX_NUMBERS)
        clock, longest = time.monotonic, self.longest_seconds
        begin = clock()
        end = min(begin + MAX_NUMBERS_SECONDS, self.time_limit.end - longest)
        try:
            for value in islice(results, most):
                now = clock()
                if now - begin > longest and self.workload.computes_one_by_one:
                    longest = now - begin
                    end = min(end, self.time_limit.end - longest)
                kind = type(value)
                if kind not in NUMBERS or (kind is float and not isfinite(value)):
                    return value
                numbers.append(value)
                if now >= end:
                    return STOPPED
                begin = now
        finally:
            self.longest_seconds = longest
        return STOPPED if len(numbers) == most else NO_RESULT

    def _timed(self, function: Callable[..., Any], *arguments: Any) -> Any:
        begin = time.monotonic()
        value = self.time_limit.call(function, *arguments)
        if self.workload.computes_one_by_one:
            # What the next result of compute_batch takes is not known: all the work may be done before the first.
            self.longest_seconds = max(self.longest_seconds, time.monotonic() - begin)
        return value

    def _add_numbers(self, numbers: list[Any]) -> None:
        if numbers:
            self.parts.add_numbers(numbers)
            self.has_progress = True

    def _handle_error(self, error: BaseException, end: int, item_count: int) -> bool:
        """Take what a workload raised, or what is wrong with its result; return False when time is up."""
        is_alone = self.workload.computes_one_by_one or item_count == 1
        if isinstance(error, TimeUp):
            self._handle_time_up(is_alone=is_alone)
            return False
        # A workload that reads S3 may raise the second: a retry of the batch helps.
        if isinstance(error, WorkloadError | StorageUnavailableError | PipelineInterrupt):
            raise error
        # Whatever else it raises belongs to an item, while there is one to compute: SystemExit as well.
        if self.parts.next == end:
            raise WorkloadError.of(error, self.workload.file, "compute_batch raised after its last result") from error
        self._handle_failure(error, is_alone=is_alone)
        return True

    def _check_end(self, end: int, *, has_more: bool) -> None:
        if has_more or self.parts.next < end:
            given = "more results than items" if has_more else f"no result for item {self.items.index(self.parts.next)}"
            raise WorkloadError(f"workload {self.workload.name} must give one result an item, it gave {given}")
        self._ask_for_more()

    def _ask_for_more(self) -> None:
        self.limit = self.limit and 2 * self.limit

    def _handle_failure(self, error: BaseException, *, is_alone: bool) -> None:
        if not is_alone:
            self.limit = 1
            return
        index = self.items.index(self.parts.next)
        failure = failure_of(error, self.workload.file)
        if self.logged_count < MAX_LOGGED_FAILURES:
            # What Lambda itself logs of an error has the pipeline's frames only.
            self.logged_count += 1
            LOGGER.error("item %d failed: %s", index, failure.traceback or failure)
        if self.settings.tolerated_failure_percentage == 0:
            raise ItemFailedError(f"item {index} failed: {failure}", failure, index=index) from error
        self._fail(failure)

    def _handle_time_up(self, *, is_alone: bool) -> None:
        if self.has_progress:
            # The next invocation begins with what this one could not end.
            self.limit = self.limit and max(1, self.limit // 2)
            return
        if not is_alone:
            self.limit = 1
            return
        index = self.items.index(self.parts.next)
        sentence = (
            f"item {index} did not finish in the {self.time_limit.seconds:.1f} s that one invocation of Compute has "
            f"for it: items this long belong on AWS Batch (hpc redrive {self.settings.name} --back-end batch)"
        )
        failure = Failure(ItemTooLongError.__name__, sentence)
        if self.settings.tolerated_failure_percentage == 0:
            raise ItemTooLongError(sentence, failure, index=index)
        self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        self.parts.fail(failure)
        self.has_progress = True
        self.limit = 1
