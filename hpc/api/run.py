"""A run as an object: what the commands say about one, as values."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpc.api import saving
from hpc.api.card import card, keep_showing
from hpc.api.partial import partial_results
from hpc.api.places import Place
from hpc.api.redriving import redrive_options
from hpc.api.values import CombinedResult, ItemResult, read_result, read_results
from hpc.api.words import in_python_words
from hpc.commands.logs import log_lines
from hpc.commands.next_steps import first_failures
from hpc.commands.progress import open_view
from hpc.commands.redrive import given_to, redrive_run
from hpc.commands.render import render_failure
from hpc.commands.versions import choose_version
from hpc.contract.back_ends import JOB_BACK_ENDS
from hpc.errors import LostRunError, NotStartedError, RunFailedError, UnansweredError
from hpc.runs import run as runs
from hpc.runs.failed_items import FailedItem, FailedItems
from hpc.runs.failures import details_of, error_line, reported
from hpc.runs.overview import OverviewReader
from hpc.runs.watch import Counts, Ended, Seen, Watch
from hpc.targets.client import Target, explained

if TYPE_CHECKING:
    import pandas

ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


@dataclass(frozen=True)
class Progress:
    """How far a run is, in batches of items; all are 0 before the first batch is formed."""

    batches: int
    done: int
    failed: int
    running: int


@dataclass
class Run:
    """A run on this machine or on AWS; ``hpc.start``, ``hpc.map`` and ``hpc.get`` return one.

    Attributes
    ----------
    name : str
        By which ``hpc.get`` and the commands find it again.
    arn : str
        ARN of the run's execution.
    """

    name: str
    arn: str
    place: Place = field(repr=False)
    has_jobs: bool = field(default=False, repr=False)
    redrive_count: int = field(default=0, repr=False)
    is_new: bool = field(default=False, repr=False)
    _ended: Ended | None = field(default=None, repr=False)

    @property
    def status(self) -> str:
        """RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""
        return self._look().status

    def wait(self, timeout: float | None = None, *, shows_progress: bool = True) -> "Run":
        """Return the run when it has ended, whatever with.

        Parameters
        ----------
        timeout
            Seconds to wait at most, None for no limit.
        shows_progress
            Whether a line about it goes to stderr, or below the cell of a notebook.

        Raises
        ------
        TimeoutError
            If it has not ended by then; it goes on.
        """
        until = None if timeout is None else time.monotonic() + timeout

        def check(counts: Counts | None, seconds: float) -> None:
            if view is not None:
                view.show(counts, seconds)
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{self.name} has not ended after {timeout:g} s; it goes on")

        while self._ended is None:
            with open_view() if shows_progress else nullcontext() as view:
                try:
                    self._ended = self._watch().wait(check)
                except UnansweredError:
                    if not self._target().is_guest:
                        raise
        return self

    @property
    def result(self) -> Any:
        """The result as the workload returned it; waits for it.

        JSON values, arrays, tuples and bytes are what they were.  Without ``combine`` and ``finish`` it is the list
        of all results, None for an item that failed: ``results()`` yields them one by one.

        Raises
        ------
        RunFailedError
            If the run has no result, with the traceback of the workload.
        """
        return read_result(self._run(), self._output())

    def results(self) -> Iterator[ItemResult]:
        """Yield index, item and result of every item in their order, a line in memory at a time; waits.

        Raises
        ------
        RunFailedError
            If the run has no result.
        LostRunError
            If the workload has ``combine``, so that no results of single items are kept.
        """
        return read_results(self._run(), self._output())

    def partial(self) -> Iterator[ItemResult | CombinedResult]:
        """Yield what is computed so far, without waiting; in no order, and again at every call.

        Index, item and result of every item; where the workload has ``combine``, what that has made of each batch.
        Children of a map that are Express tell nothing before the map has ended.

        Raises
        ------
        LostRunError
            If the run's files are gone, or it is computed by one job (``batch_callback``).
        """
        return partial_results(self._run(), self._look())

    def progress(self) -> Progress:
        """Return how far the run is."""
        seen = self._look()
        counts = Counts.of(seen.map_run["itemCounts"]) if seen.map_run else Counts(0, 0, 0, 0)
        return Progress(counts.total, counts.done, counts.failed, counts.running)

    def _repr_html_(self) -> str:
        """Return the run as a notebook shows it that can't show it live."""
        return card(self.name, self._look())

    def _ipython_display_(self) -> None:
        """Show the run as a card that follows it to its end."""
        # IPython calls this, so that it is there; its functions have no types.
        shown: Any = import_module("IPython.display")
        handle = shown.display(shown.HTML(self._repr_html_()), display_id=True)
        if handle is not None:
            keep_showing(self.name, self._look, lambda html: handle.update(shown.HTML(html)))

    def stop(self) -> None:
        """Stop the run; one that has ended stays as it is."""
        target = self._target()
        with explained(LostRunError, f"stopping {self.name}"):
            if self._look().status == "RUNNING":
                target.stepfunctions.stop_execution(executionArn=self.arn, cause="stopped by Run.stop")

    @in_python_words
    def redrive(
        self,
        workload: str | Path | Callable[..., Any] | None = None,
        *,
        combine: Callable[..., Any] | None = None,
        finish: Callable[..., Any] | None = None,
        only_finish: bool = False,
        back_end: str | None = None,
        batch_size: int | None = None,
    ) -> "Run":
        """Go on with a run that has no result, or compute the failed items of one; return the run to wait for.

        Parameters
        ----------
        workload
            File or folder with the mended workload, or the mended function, for the items without a result.
        combine, finish
            Beside a function, as in ``hpc.start``: those of the run are not kept.
        only_finish
            Whether nothing is computed, and only ``combine`` and ``finish`` run again.
        back_end, batch_size
            Back end for the items without a result, and how many of them a batch has; those of the run if None.

        Raises
        ------
        NotStartedError
            If there is nothing to redrive, or it can't be.
        """
        args = redrive_options(
            self.place,
            workload,
            combine=combine,
            finish=finish,
            only_finish=only_finish,
            back_end=back_end,
            batch_size=batch_size,
        )
        has_jobs = self.has_jobs or back_end in JOB_BACK_ENDS
        run = runs.Run(self.place.target(has_jobs=has_jobs), self.arn)
        version = choose_version(args, self.place.home, run, run.settings or given_to(run))
        if version.overlay is not None and run.target.is_local:
            raise NotStartedError(
                f"{self.name} has a file that hpc run was given: hpc redrive {self.name} goes on with it"
            )
        followed = redrive_run(args, self.place.home, run, version)
        return Run(
            followed.name,
            followed.arn,
            self.place,
            has_jobs,
            redrive_count=followed.redrive_count,
            is_new=followed.redrive_count == 0,
        )

    def failures(self) -> Iterator[FailedItem]:
        """Yield every failed item: index, input, error, cause, traceback.

        Waits until the batches are formed. Of a run that goes on, the items that have failed so far: ``wait()`` first
        for all.
        """
        run = self._with_batches()
        return iter(FailedItems(run, self._look()))

    def logs(self, index: int | None = None) -> Iterator[str]:
        """Yield what was logged during the run, or while the batch of one item was computed.

        Waits until the batches are formed. Of a run that goes on, what was logged so far.

        Raises
        ------
        NotStartedError
            If the run has no such item, or its batch was not computed, or not yet.
        """
        if index is not None and (not isinstance(index, int) or isinstance(index, bool)):
            raise NotStartedError(f"index must be the number of an item, got {index!r:.100}")
        return log_lines(self._with_batches(), index)

    def to_pandas(self) -> "pandas.DataFrame":
        """Return the results as a frame, a row an item: ``index``, ``item`` and ``result``.

        An item or result that is a dict has a column for each of its keys instead.  Needs pandas.
        """
        return saving.to_pandas(self.results())

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the results to a file: .jsonl, .csv, .parquet or .npy; return its path.

        .csv and .parquet have the columns of ``to_pandas``, .npy the array of all results, or the result of the run
        where there is no result of single items.  All but .npy are streamed.

        Parameters
        ----------
        overwrite
            Whether a file of that name is replaced, once the new one is whole.

        Raises
        ------
        NotStartedError
            If the file is there and stays, has another suffix, or a result does not fit in it.
        """
        return saving.save(self, Path(path), overwrite=overwrite)

    @property
    def cost(self) -> float:
        """What the run has cost so far in USD; of a run on this machine, what it would have cost on AWS.

        Raises
        ------
        LostRunError
            If that can't be told.
        """
        overview = OverviewReader(self._run()).read(is_last=True)
        if overview.usd is None:
            raise LostRunError(f"the cost of {self.name} is not known: {overview.spent}")
        return overview.usd

    @in_python_words
    def report(self, path: str | Path = "report.html") -> Path:
        """Write the run's report, one HTML file; return its path."""
        from hpc.commands.report import write_report  # noqa: PLC0415 - most programs write none

        write_report(self._run(), str(path))
        return Path(path)

    def _target(self) -> Target:
        return self.place.target(has_jobs=self.has_jobs, only_looks=True)

    def _run(self) -> runs.Run:
        return runs.Run(self._target(), self.arn)

    def _with_batches(self) -> runs.Run:
        """Return the run when Start has formed its batches, or it has ended without."""
        began = time.monotonic()
        while True:
            has_ended = self._look().status != "RUNNING"
            run = self._run()
            if has_ended or run.settings is not None:
                return run
            time.sleep(run.target.pace.delay(time.monotonic() - began))

    def _watch(self) -> Watch:
        return Watch(
            self._target(),
            self.arn,
            redrive_count=self.redrive_count,
            is_new=self.is_new,
            stack_name=getattr(self.place, "stack_name", None),
        )

    def _look(self) -> Seen:
        if self._ended is not None:
            return self._ended
        try:
            seen = self._watch().look()
        except UnansweredError:
            seen = self._watch().look()
        if seen.status != "RUNNING":
            self._ended = Ended(seen.execution, seen.map_run)
        return seen

    def _output(self) -> dict[str, Any]:
        """Wait; return what Sum returned.

        Raises
        ------
        RunFailedError
            If it came to none.
        """
        self.wait()
        assert self._ended is not None
        if self._ended.status != "SUCCEEDED":
            raise self._failure(self._ended)
        output = json.loads(self._ended.execution["output"])
        return output if isinstance(output, dict) else {}

    def _failure(self, ended: Ended) -> RunFailedError:
        execution = ended.execution
        error, cause = execution.get("error"), execution.get("cause")
        items = first_failures(self._run(), ended)
        if items:
            first = items[0]
            summary = f"{render_failure(ended)}; item {first.index}: {error_line(first.error, first.cause)}"
            return RunFailedError(
                summary, error_type=first.error, message=first.cause, traceback=first.traceback, index=first.index
            )
        details = details_of(error, cause)
        name, message = reported(error or ended.status, cause or "")
        return RunFailedError(
            render_failure(ended),
            error_type=str(details.get("error_type", name)),
            message=str(details.get("message", message)),
            traceback=str(details.get("traceback", "")),
            index=details.get("index"),
        )
