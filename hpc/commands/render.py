"""Result of a run that has ended, as text for a person or JSON for a script."""

import json
from collections.abc import Callable
from typing import Any

from hpc.runs.failures import error_line
from hpc.runs.faults import fault_counts_line
from hpc.runs.watch import Ended
from hpc.terminal.durations import duration

SHOWN_DIGITS = 20
# Up to here a number is shown whole.
LONG_NUMBER_DIGITS = 60
LONG_TEXT_CHARACTERS = 200
# Suffix of the result file if the result is bytes, such as a picture.
BYTES_SUFFIX = ".bin"
# Names in Sum's output that the rows below speak of.
NAMED_FIELDS = (
    *("result", "total_sum", "complete", "count", "failed", "duplicates"),
    *("array", "result_file", "results_file", "failed_items"),
)


def shorten_number(digits: str, limit: int | None = None) -> str:
    """Return a long decimal number as its first and last digits and how many it has; ``limit`` are shown whole."""
    count = len(digits.removeprefix("-"))
    if count <= (LONG_NUMBER_DIGITS if limit is None else limit):
        return digits
    sign = "-" * digits.startswith("-")
    return f"{digits[: SHOWN_DIGITS + len(sign)]}...{digits[-SHOWN_DIGITS:]} ({count:,} digits)"


def render_json(ended: Ended, results: str, faults: dict[str, Any] | None = None) -> str:
    """Return the run as one JSON object on one line.

    Shape::

        {"status": str, "execution_arn": str, "output": object or null, "seconds": float,
         "map_run": {"total": int, "succeeded": int, ...} or null, "results": str, "error"?: str, "cause"?: str,
         "faults"?: {"specs": [object, ...], "injected": {<kind>: int, ...}}}

    ``map_run`` holds the ``itemCounts`` of DescribeMapRun; an item of the Map Run is a batch.  ``faults`` is there
    where some were made on request.
    """
    execution = ended.execution
    document = {
        "status": ended.status,
        "execution_arn": execution["executionArn"],
        "output": json.loads(execution["output"]) if "output" in execution else None,
        "seconds": round(ended.seconds, 3),
        "map_run": ended.map_run["itemCounts"] if ended.map_run else None,
        "results": results,
    }
    if ended.status != "SUCCEEDED":
        document |= {"error": execution.get("error"), "cause": execution.get("cause")}
    if faults is not None:
        document["faults"] = faults
    return json.dumps(document)


def render_text(
    ended: Ended,
    results: str,
    locate: Callable[[str], str],
    faults: dict[str, Any] | None = None,
    *,
    limit: int | None = None,
) -> list[str]:
    """Return the lines that a person reads of a run that succeeded.

    Parameters
    ----------
    results
        Where the run's files are.
    locate
        Turns ``s3://bucket/key`` into the place where a person finds the object.
    faults
        Injected faults, if there were any.
    limit
        Most characters of the result, None for as many as fit a few lines.
    """
    output = json.loads(ended.execution["output"])
    rows = (
        _output_rows(output, locate, limit) if isinstance(output, dict) else [("output", _shorten(json.dumps(output)))]
    )
    if ended.map_run:
        counts = ended.map_run["itemCounts"]
        rows.append(("batches", f"{counts['succeeded']:,} of {counts['total']:,} succeeded"))
    if faults is not None:
        rows.append(("rehearsed", f"with faults: {fault_counts_line(faults['injected'])}"))
    rows += [("seconds", f"{ended.seconds:.2f}"), ("results", results)]
    return [f"{name:<13} {value}" for name, value in rows]


def render_failure(ended: Ended) -> str:
    """Return one line for a run that did not succeed."""
    reason = error_line(ended.execution.get("error"), ended.execution.get("cause"))
    return f"{ended.execution['name']} {ended.status} after {duration(ended.seconds)}: {reason}"


def _output_rows(output: dict[str, Any], locate: Callable[[str], str], limit: int | None) -> list[tuple[str, str]]:
    rows = [_result_row(output, locate, limit)]
    if _has_more(output, rows[0][1]):
        rows.append(("in full", locate(output["result_file"])))
    if "array" in output and "result" in output:
        rows.append(("array", f"{output['array']}: {locate(output['result_file'])}"))
    if "results_file" in output:
        rows.append(("each item", locate(output["results_file"])))
    if "count" in output:
        counts = [f"{output['count']:,} computed"]
        counts += [f"{output[name]:,} {name}" for name in ("failed", "duplicates") if name in output]
        rows.append(("items", ", ".join(counts)))
    if "failed_items" in output:
        first = ", ".join(map(str, output["failed_items"]["first"]))
        rows.append(("failed", f"{first}{', ...' * (output['failed'] > len(output['failed_items']['first']))}"))
        rows.append(("errors", locate(output["failed_items"]["file"])))
    others = ((name, value) for name, value in output.items() if name not in NAMED_FIELDS)
    return rows + [(name, _shorten(value if isinstance(value, str) else json.dumps(value))) for name, value in others]


def _result_row(output: dict[str, Any], locate: Callable[[str], str], limit: int | None) -> tuple[str, str]:
    """A total that not every item is part of is never called the total."""
    partial = "partial " * (output.get("complete") is False)
    if "total_sum" in output:
        return f"{partial}total", shorten_number(output["total_sum"], limit)
    if "result" in output:
        return f"{partial}result", _shorten(output["result"], limit)
    file = output.get("result_file", "")
    if "array" in output:
        return f"{partial}result", f"array of {output['array']}"
    if file.endswith(BYTES_SUFFIX):
        return f"{partial}result", f"bytes: {locate(file)}"
    return f"{partial}result", "too long to be shown, or not JSON"


def _has_more(output: dict[str, Any], shown: str) -> bool:
    """Whether the file of the result has more than was shown, and was not named there."""
    file = output.get("result_file", "")
    is_named = file.endswith(BYTES_SUFFIX) or ("array" in output and "result" in output)
    return bool(file) and not is_named and ("result" not in output or "..." in shown)


def _shorten(text: str, limit: int | None = None) -> str:
    shown = LONG_TEXT_CHARACTERS if limit is None else limit
    return text if len(text) <= shown else f"{text[:shown]}... ({len(text):,} characters)"
