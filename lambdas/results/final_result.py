"""Writes the result of a run to its file, and returns the fields that a state can hold."""

from dataclasses import dataclass, field
from typing import Any

from lambdas.contract.limits import MAX_OUTPUT_BYTES
from lambdas.run_files import json_text
from lambdas.run_files.object_writer import ObjectWriter
from lambdas.values import numpy_values, typed_json
from lambdas.values.blocks import Blocks


@dataclass(frozen=True)
class FinalResult:
    """What is said of a result.

    Attributes
    ----------
    file
        The one of the run's files that has it.
    fields
        Of Sum's output and of result.json: ``result`` and ``total_sum``, where JSON has them, and ``array``.
    kept
        Fields of result.json only: ``typed_result``, if ``result`` lost types.
    """

    file: str
    fields: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)


def kept(value: Any, npy: ObjectWriter) -> FinalResult:
    """Keep a result whatever its length: an array in the object ``npy``, any other value in what is returned.

    Raises
    ------
    TypeError, ValueError
        If it holds what can't be kept.
    """
    return _with_array(value, npy) if numpy_values.is_of_array_type(value) else _with_value(value)


def _with_array(array: Any, npy: ObjectWriter) -> FinalResult:
    numpy_values.is_array(array)
    with npy:
        numpy_values.write_npy(array, npy.write)
    fields = {"array": f"{array.dtype}, shape {array.shape}"}
    return FinalResult("result.npy", fields | (_as_json(array) if array.nbytes <= MAX_OUTPUT_BYTES else {}))


def _with_value(value: Any) -> FinalResult:
    text = typed_json.encode(value, Blocks())
    if typed_json.MARK not in text:
        return FinalResult("result.json", _with_total(text))
    fields = _as_json(value) if len(text) <= MAX_OUTPUT_BYTES else {}
    return FinalResult("result.json", fields, {"typed_result": text})


def of_texts(text: str | None) -> FinalResult:
    """Return results that nobody finished: as text where they are short, else by their file."""
    return FinalResult("results.jsonl") if text is None else FinalResult("result.json", {"result": text})


def _as_json(value: Any) -> dict[str, str]:
    try:
        return _with_total(json_text.to_text(typed_json.as_json(value)))
    except ValueError:
        return {}


def _with_total(text: str) -> dict[str, str]:
    return {"result": text, **({"total_sum": text} if text.lstrip("-").isdigit() else {})}
