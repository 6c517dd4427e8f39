"""Logs on this machine: files of functions, one for each worker that runs at once, and of jobs."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from hpc.runs.history import read_history
from hpc.runs.log_lines import batch_lines, begins_invocation
from hpc.runs.log_window import Window
from hpc.runs.run import Run

STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NUMBER = re.compile(r"\d+")


def local_lines(folder: Path, run: Run, window: Window, batch: int | None) -> Iterator[str]:
    """Yield, file by file, what was written in the window, or while a batch was computed.

    Raises
    ------
    ClientError
        If the service does not tell which jobs the run started.
    """
    for path in (path for name in window.functions for path in sorted(folder.glob(f"{name}.*log"))):
        lines = _in_window(path, window) if batch is None else batch_lines(_read(path), run.name, batch)
        yield from _titled(path, lines)
    for path in _job_files(folder, run) if window.has_jobs else ():
        lines = _read(path) if batch is None else batch_lines(_read(path), run.name, batch)
        yield from _titled(path, lines)


def _titled(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == 0:
            yield f"==> {path} <=="
        yield line


def _read(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield line.decode(errors="replace").rstrip("\n")


def _job_files(folder: Path, run: Run) -> Iterator[Path]:
    """Yield the files of the run's jobs: of a job by itself, and of the children of an array job in their order."""
    described = run.target.stepfunctions.describe_execution(executionArn=run.arn)
    for job in read_history(run.target, described).jobs:
        own = folder / "jobs" / f"{job.job_id}.log"
        children = own.with_suffix("").glob("*.log")
        yield from (path for path in (own,) if path.is_file())
        yield from sorted(children, key=lambda path: int(path.stem) if NUMBER.fullmatch(path.stem) else -1)


def _in_window(path: Path, window: Window) -> Iterator[str]:
    """Yield what may have been written in the window: what a handler prints has no time of its own.

    Such a line belongs to the time between the stamps of its invocation, and is shown if that touches the window.
    """
    begin, end = _places(path, window)
    with path.open("rb") as file:
        file.seek(begin)
        for line in file:
            if file.tell() > end:
                break
            yield line.decode(errors="replace").rstrip("\n")


def _places(path: Path, window: Window) -> tuple[int, int]:
    """Return the bytes after the last invocation before the window, and before the first stamp after it."""
    begin = end = 0
    is_before = False
    with path.open("rb") as file:
        for line in file:
            stamp = STAMP.search(line)
            moment = datetime.fromisoformat(stamp[0].decode()) if stamp else None
            if moment is not None and moment > window.end:
                break
            if is_before and begins_invocation(line.decode(errors="replace")):
                begin, is_before = end, False
            end += len(line)
            if moment is not None:
                is_before = moment < window.begin
                begin = end if is_before else begin
    return begin, end
