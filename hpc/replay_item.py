"""The process of `hpc replay`: loads the workload as the handlers do, and computes one item.

Run as a program, never imported; what it needs of the handlers it takes from the project's folder at run time.
"""

import importlib
import json
import os
import pdb
import sys
import traceback
from pathlib import Path
from typing import Any

# As after Ctrl-C: nothing was computed, and the person knows.
EXIT_LEFT = 130


def main(task_file: str, sha256: str) -> int:
    """Compute the item of a task; return the exit code."""
    task = json.loads(Path(task_file).read_text(encoding="utf-8"))
    # Not the folder of this file, whose modules are the command's.
    sys.path[0] = task["project"]
    if task["overlay"]:
        os.environ["HPC_WORKLOADS_OVERLAY"] = task["overlay"]
    try:
        workload = importlib.import_module("lambdas.workloads").load(task["workload"])
        json_text = importlib.import_module("lambdas.json_text")
    except Exception as error:
        sys.stderr.write(f"hpc replay: {type(error).__name__}: {error}\n")
        return 2
    if workload.sha256 != sha256:
        sys.stderr.write(f"workload {workload.name} has changed since the run\n")
    try:
        results = _compute(workload, task)
    except Exception:
        # Frames of this file and of the pipeline say nothing about the item.
        _print_own_traceback(workload)
        return 1
    if results is None:
        return EXIT_LEFT
    sys.stdout.write(f"{_shown(results, json_text)}\n")
    return 0


def _compute(workload: Any, task: dict[str, Any]) -> list[Any] | None:
    """Return the results; None if a person has left the debugger before."""
    items = [task["item"]]
    if not task["debug"]:
        return list(workload.results(items, task["index"], task["params"]))
    code = (workload.compute or workload.compute_batch).call.__code__
    debugger = pdb.Pdb()
    debugger.rcLines.extend([f"tbreak {code.co_filename}:{_first_line(code)}", "continue"])
    results: list[Any] | None = debugger.runcall(lambda: list(workload.results(items, task["index"], task["params"])))
    return results


def _first_line(code: Any) -> int:
    """Return the first line after the one that begins the function: there the arguments have their values."""
    return min((line for _, _, line in code.co_lines() if line is not None and line > code.co_firstlineno), default=1)


def _print_own_traceback(workload: Any) -> None:
    error = sys.exc_info()[1]
    assert error is not None
    own = (workload.compute or workload.compute_batch).call.__code__.co_filename
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != own:
        trace = trace.tb_next
    traceback.print_exception(type(error), error, trace or error.__traceback__)


def _shown(results: list[Any], json_text: Any) -> str:
    if len(results) != 1:
        return f"{len(results)} results for one item"
    [value] = results
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(json_text.checked_text(value))


if __name__ == "__main__":
    status = main(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter's own end would wait for threads that the workload left behind.
    os._exit(status)
