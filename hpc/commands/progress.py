"""Progress of a run: one live line on a terminal or in a notebook, now and then a plain line elsewhere."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from hpc.terminal.console import say
from hpc.terminal.counter import counted
from hpc.terminal.durations import duration

if TYPE_CHECKING:
    from rich.progress import TaskID

    from hpc.runs.watch import Counts

PLAIN_EVERY_SECONDS = 5.0
NOTEBOOK_EVERY_SECONDS = 0.5


class View(Protocol):
    """Shows counts as they come in."""

    def show(self, counts: "Counts | None", seconds: float) -> None: ...


class Meter:
    """Rate and time to the end, from the first counts that were seen: before them nothing was computed."""

    def __init__(self) -> None:
        self._first: tuple[int, float] | None = None

    def line(self, counts: "Counts", seconds: float) -> str:
        """Return e.g. ``512/1,000 batches done, 2 failed, 340/s, 1 s left``."""
        if self._first is None:
            self._first = (counts.done, seconds)
        done, since = self._first
        parts = [f"{counts.done:,}/{counted(counts.total, 'batch')} done", counts.unsuccessful]
        if counts.done > done and seconds > since:
            rate = (counts.done - done) / (seconds - since)
            left = (counts.total - counts.done) / rate
            parts += [f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s", f"{duration(left)} left"]
        return ", ".join(parts)


class PlainView:
    """A line every few seconds, and only when something has changed: for files, pipes and CI logs."""

    def __init__(self) -> None:
        self._meter = Meter()
        self._shown_at = 0.0
        self._shown: Counts | None = None

    def show(self, counts: "Counts | None", seconds: float) -> None:
        if counts is None or counts == self._shown:
            return
        line = self._meter.line(counts, seconds)
        if seconds - self._shown_at >= PLAIN_EVERY_SECONDS:
            say(line)
            self._shown_at, self._shown = seconds, counts


class TerminalView:
    """A bar that moves."""

    def __init__(self) -> None:
        from rich.console import Console  # noqa: PLC0415 - a run without a terminal need not wait for it
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - as above

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(complete_style="green", finished_style="green"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,  # each refresh takes time from the workers
        )
        self._meter = Meter()
        self._task: TaskID = self._progress.add_task("starting", total=None)

    def __enter__(self) -> "TerminalView":
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def show(self, counts: "Counts | None", seconds: float) -> None:
        if counts is not None:
            description = self._meter.line(counts, seconds)
            self._progress.update(self._task, description=description, total=counts.total, completed=counts.done)


class NotebookView:
    """A line below the cell of a notebook, which is written over."""

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._meter = Meter()
        self._shown_at = 0.0
        self._handle: Any = None

    def show(self, counts: "Counts | None", seconds: float) -> None:
        if counts is None or (counts.done < counts.total and seconds - self._shown_at < NOTEBOOK_EVERY_SECONDS):
            return
        line = {"text/plain": self._meter.line(counts, seconds)}
        self._shown_at = seconds
        if self._handle is None:
            self._handle = self._display(line, raw=True, display_id=True)
        else:
            self._handle.update(line, raw=True)


def _notebook_display() -> Callable[..., Any] | None:
    """Return what shows something below a notebook's cell; None where no notebook runs this."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[..., Any] = sys.modules["IPython.display"].display
    return display


def open_view() -> AbstractContextManager[View]:
    """Return the view that fits stderr, or the notebook that this runs in."""
    display = _notebook_display()
    if display is not None:
        return nullcontext(NotebookView(display))
    return TerminalView() if sys.stderr.isatty() else nullcontext(PlainView())
