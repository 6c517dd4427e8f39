"""The process of `hpc replay`: loads the workload as the handlers do, and computes one item, or calls one function.

Run as a program, never imported; what it needs of the handlers it takes from the project's folder at run time.
"""

import importlib
import json
import os
import pdb
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# As after Ctrl-C: nothing was computed, and the person knows.
EXIT_LEFT = 130


def main(task_file: str, sha256: str) -> int:
    """Do the task; return the exit code."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    # Not the folder of this file, whose modules are the command's.
    sys.path[0] = task["project"]
    console: Any = importlib.import_module("hpc.terminal.console")
    functions: Any = importlib.import_module("hpc.commands.replay_function")
    if task["overlay"]:
        os.environ["HPC_WORKLOADS_OVERLAY"] = task["overlay"]
    if "bucket" in task:
        os.environ["RESULTS_BUCKET"] = task["bucket"]
    try:
        workload = importlib.import_module("lambdas.workloads").load(task["workload"], task.get("package"))
        _check_version(workload, sha256, console, may_have_changed=task["may_have_changed"])
        _check_has(workload, task["function"])
    except Exception as error:
        console.say(f"hpc replay: {type(error).__name__}: {error}")
        return 2
    typed_json = importlib.import_module("lambdas.values.typed_json")
    try:
        results = _compute(workload, task, functions)
        kept = None if results is None else [typed_json.copied(result) for result in results]
    except functions.NothingToCallError as error:
        console.say(f"hpc replay: {error}")
        return 2
    except BaseException as error:
        # SystemExit as well. Frames of this file and of the pipeline say nothing about the item.
        console.say(*_told(error, workload, console.printable))
        return 1
    return EXIT_LEFT if kept is None else _shown_on(console, _shown(kept, typed_json))


def _shown_on(console: Any, result: str) -> int:
    """Print the result; return the exit code."""
    try:
        console.emit(result, kept_in="the run's own results")
    except console.ReaderGoneError as error:
        return int(error.exit_code)
    except console.LostRunError as error:
        console.say(f"hpc replay: {error}")
        return int(error.exit_code)
    return 0


def _check_version(workload: Any, sha256: str, console: Any, *, may_have_changed: bool) -> None:
    """Refuse a file that the run was not computed with, unless a person has given it."""
    if workload.sha256 == sha256:
        return
    console.say(f"WorkloadChangedError: workload {workload.name} has changed since the run was started")
    if not may_have_changed:
        raise ValueError("put the file back, or give the changed one with --workload FILE")


def _check_has(workload: Any, function: str | None) -> None:
    """Refuse a function that the workload has not."""
    if function is not None and getattr(workload, function) is None:
        raise ValueError(f"workload {workload.name} has no {function}")


def _compute(workload: Any, task: dict[str, Any], functions: Any) -> list[Any] | None:
    """Return the results; None if a person has left the debugger before."""
    debug = _debugged if task["debug"] else None
    if task["function"] is not None:
        results: list[Any] | None = functions.replayed(workload, task, debug)
        return results
    items = [task["item"]]

    def compute() -> list[Any]:
        return list(workload.results(items, task["index"], task["params"]))

    return compute() if debug is None else debug((workload.compute or workload.compute_batch).call, compute)


def _debugged(function: Any, call: Callable[[], list[Any]]) -> list[Any] | None:
    """Return what ``call`` returns, None if a person has left the debugger that stops at ``function``'s first line."""
    debugger = pdb.Pdb()
    code = getattr(function, "__code__", None)
    if code is not None:
        debugger.rcLines.extend([f"tbreak {code.co_filename}:{_first_line(code)}", "continue"])
    results: list[Any] | None = debugger.runcall(call)
    return results


def _first_line(code: Any) -> int:
    """Return the first line after the one that begins the function: there the arguments have their values."""
    lines = [line for _, _, line in code.co_lines() if line is not None]
    first: int = code.co_firstlineno
    return min((line for line in lines if line > first), default=first)


def _told(error: BaseException, workload: Any, printable: Callable[[str], str]) -> Iterator[str]:
    """Yield the lines of an exception's traceback from the workload's file on.

    Messages and notes are one line each, so that they can't pass for lines of the traceback or of the command.
    """
    if type(error).__name__ == "WorkloadError" and error.__cause__ is not None:
        # The handlers' name for what the workload raised.
        error = error.__cause__
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != workload.file:
        trace = trace.tb_next
    if trace is None and type(error).__module__.startswith("lambdas."):
        yield printable(f"{type(error).__name__}: {error}")
        return
    for each in _chained(error):
        if hasattr(each, "__notes__"):
            each.__notes__ = [printable(str(note)) for note in each.__notes__]
    for part in traceback.format_exception(type(error), error, trace or error.__traceback__):
        is_frame = part.startswith("  File ")
        yield from part.splitlines() if is_frame else [printable(part.strip("\n"))]


def _chained(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that its traceback shows with it."""
    found = [error]
    for each in found:  # which grows
        yield each
        members = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        others = (each.__cause__, each.__context__, *members)
        found += [other for other in others if other is not None and other not in found]


def _shown(results: list[Any], typed_json: Any) -> str:
    if len(results) != 1:
        return f"{len(results)} results for one item"
    [value] = results
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(typed_json.shown_whole(value))


if __name__ == "__main__":
    status = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter's own end would wait for threads that the workload left behind.
    os._exit(status)
