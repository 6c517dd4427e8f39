"""Interprets the records that AWS writes about child executions."""

import contextlib
from dataclasses import dataclass
from typing import Any

from lambdas.contract.limits import MAX_ERROR_MESSAGE_CHARACTERS, MAX_ERROR_TYPE_CHARACTERS
from lambdas.results.part_reading import check_content
from lambdas.run_files import checksums, json_text
from lambdas.run_files.errors import InvalidEventError, ResultFileError
from lambdas.run_files.failures import Failure
from lambdas.run_files.json_text import shown
from lambdas.run_files.runs import Batch


@dataclass(frozen=True)
class Record:
    """Items ``first`` to ``first + count - 1``: their parts, or the failure that all of them share."""

    first: int
    count: int
    parts: list[dict[str, Any]]
    failure: Failure | None = None
    # Its one part has a bare result, whether the workload combines or not.
    is_single: bool = False

    @property
    def failed_count(self) -> int:
        if self.failure is not None:
            return self.count
        return sum(part.get("failed_count", len(part.get("failed", ()))) for part in self.parts)


def interpret(value: Any, run: str, status: str) -> Record:
    r"""Read one record of a result file of ``status``.

    With Transformation NONE that is ``{"Status", "Input": "<JSON text>", "Output": "<JSON text>", ...}``, and always so
    of a child that did not succeed; with COMPACT and FLATTEN it is the child's output.  An output is what Compute
    returns, or ``{"index", "result"}``, each also as ``Payload`` of a Lambda invocation's response.

    Raises
    ------
    ResultFileError
        If it is none of these, or of another run.
    """
    is_whole = isinstance(value, dict) and "Status" in value and ("Input" in value or "Output" in value)
    try:
        if status != "SUCCEEDED":
            if not is_whole:
                raise ResultFileError(f"a {status} record needs Status and Input, got {shown(value)}")
            return _failed(value, run)
        return _succeeded(_nested(value, "Output") if is_whole else value, run)
    except (AttributeError, KeyError, TypeError, ValueError, InvalidEventError) as error:
        raise ResultFileError(f"a {status} record is not of this pipeline: {error}; got {shown(value)}") from error


def _nested(record: dict[str, Any], field: str) -> Any:
    """Return the value of a field that holds JSON text."""
    if not record.get(f"{field}Details", {"Included": True})["Included"]:
        raise ResultFileError(f"{field} is not included in the record of {shown(record.get('Name'))}")
    return json_text.parse(record[field])


def _succeeded(output: Any, run: str) -> Record:
    payload = output["Payload"] if isinstance(output, dict) and "Payload" in output else output
    if "done" not in payload:
        return _of_index(payload)
    if payload["run"] != run:
        raise ResultFileError(f"a record belongs to the run {shown(payload['run'])}, not to {run}")
    if payload["done"] is not True:
        raise ResultFileError(f"batch {shown(payload['batch'])} ended before it was done")
    batch = Batch(payload["batch"], payload["first"], payload["count"])
    check_parts(batch, payload["parts"])
    checksums.without_checksum(payload)
    return Record(batch.first, batch.count, payload["parts"])


def _of_index(payload: dict[str, Any]) -> Record:
    """Read ``{"index": int, "result": number, or JSON text}``: one item a child, as the original program has it."""
    index, result = payload["index"], payload["result"]
    text = result if isinstance(result, str) else json_text.to_text(result)
    return Record(_count(index), 1, [{"first": index, "count": 1, "result": text}], is_single=True)


def _failed(record: dict[str, Any], run: str) -> Record:
    child_input = _nested(record, "Input")
    failure = _failure(record)
    if "batch" not in child_input:
        return Record(_count(child_input["index"]), 1, [], failure)
    if child_input["run"] != run:
        raise ResultFileError(f"a record belongs to the run {shown(child_input['run'])}, not to {run}")
    batch = Batch.from_json(child_input["batch"])
    return Record(batch.first, batch.count, [], failure)


def _failure(record: dict[str, Any]) -> Failure:
    """Return error and message; aborted children have no Error, pending ones no Cause either."""
    cause, traceback = record.get("Cause", ""), ""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        # Lambda's cause is JSON text of its own.
        cause = json_text.parse(cause)["errorMessage"]
    # The errors of handlers end in a line of JSON with what the workload raised.
    sentence, _, details = str(cause).rpartition("\n")
    with contextlib.suppress(ValueError, TypeError, KeyError):
        cause, traceback = sentence, Failure.from_json(json_text.parse(details)).traceback
    return Failure(
        json_text.shortened(str(record.get("Error", record["Status"])), MAX_ERROR_TYPE_CHARACTERS),
        json_text.shortened(str(cause), MAX_ERROR_MESSAGE_CHARACTERS),
        traceback,
    )


def _count(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"expected an integer of 0 or more, got {shown(number)}")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {shown(value)}")
    return value


def check_parts(batch: Batch, parts: Any) -> None:
    """Refuse parts that do not cover their batch item by item.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError
        With what does not add up.
    """
    next_index = _count(batch.first)
    for part in parts:
        if part["first"] != next_index:
            raise ValueError(f"a part begins at item {shown(part['first'])}, expected {next_index}")
        next_index += _count(part["count"])
        if "key" in part:
            _count(part["failed_count"])
            _text(part["sha256"])
        else:
            check_content(part)
    if next_index != batch.first + _count(batch.count):
        raise ValueError(f"its parts end at item {next_index}, expected {batch.end}")
