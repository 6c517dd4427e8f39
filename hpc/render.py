"""What a person or a script reads of a run that has ended."""

import json
from typing import Any

from hpc.failures import describe_error
from hpc.progress import duration
from hpc.watch import Ended

SHOWN_DIGITS = 20
# Up to here a number is shown whole.
LONG_NUMBER_DIGITS = 60
LONG_TEXT_CHARACTERS = 200
# Names in Sum's output that have a line of their own.
NAMED_FIELDS = ("result", "total_sum", "count", "failed", "duplicates")


def shorten_number(digits: str) -> str:
    """Return a long decimal number as its first and last digits and how many it has."""
    count = len(digits.removeprefix("-"))
    if count <= LONG_NUMBER_DIGITS:
        return digits
    sign = "-" * digits.startswith("-")
    return f"{digits[: SHOWN_DIGITS + len(sign)]}...{digits[-SHOWN_DIGITS:]} ({count:,} digits)"


def render_json(ended: Ended, results: str) -> str:
    """Return the run as one JSON object on one line.

    Shape::

        {"status": str, "execution_arn": str, "output": object or null, "seconds": float,
         "map_run": {"total": int, "succeeded": int, ...} or null, "results": str, "error"?: str, "cause"?: str}

    ``map_run`` holds the ``itemCounts`` of DescribeMapRun; an item of the Map Run is a batch.
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
    return json.dumps(document)


def render_text(ended: Ended, results: str) -> list[str]:
    """Return the lines that a person reads of a run that succeeded."""
    output = json.loads(ended.execution["output"])
    rows = _output_rows(output) if isinstance(output, dict) else [("output", _shorten_text(json.dumps(output)))]
    if ended.map_run:
        counts = ended.map_run["itemCounts"]
        rows.append(("batches", f"{counts['succeeded']:,} of {counts['total']:,} succeeded"))
    rows.append(("seconds", f"{ended.seconds:.2f}"))
    rows.append(("results", results))
    if any("..." in value for _, value in rows):
        rows.append(("in full", f"{results.rstrip('/')}/result.json"))
    return [f"{name:<10} {value}" for name, value in rows]


def render_failure(ended: Ended) -> str:
    """Return one line for a run that did not succeed."""
    reason = describe_error(ended.execution.get("error"), ended.execution.get("cause"))
    return f"{ended.execution['name']} {ended.status} after {duration(ended.seconds)}: {reason}"


def _output_rows(output: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if isinstance(output.get("total_sum"), str):
        rows.append(("total", shorten_number(output["total_sum"])))
    elif "result" in output:
        rows.append(("result", _shorten_text(str(output["result"]))))
    if "count" in output:
        counts = [f"{output['count']:,} computed"]
        counts += [f"{output[name]:,} {name}" for name in ("failed", "duplicates") if name in output]
        rows.append(("items", ", ".join(counts)))
    others = ((name, value) for name, value in output.items() if name not in NAMED_FIELDS)
    rows += [(name, _shorten_text(value if isinstance(value, str) else json.dumps(value))) for name, value in others]
    return rows


def _shorten_text(text: str) -> str:
    if len(text) <= LONG_TEXT_CHARACTERS:
        return text
    return f"{text[:LONG_TEXT_CHARACTERS]}... ({len(text):,} characters)"
