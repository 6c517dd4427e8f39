"""Results of a run as Python values: from its files to what the workload returned."""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from hpc.errors import LostRunError
from hpc.runs.result_files import intact
from hpc.runs.run import Run
from hpc.targets.client import explained
from lambdas.run_files import json_text
from lambdas.values import numpy_values, typed_json

BLOCK_BYTES = 1024 * 1024
# A longer array passes through a file: numpy reads it from there.
MAX_SPOOLED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class ItemResult:
    """One item of a run; ``result`` is None where it failed."""

    index: int
    item: Any
    result: Any
    failed: bool = False


@dataclass(frozen=True)
class CombinedResult:
    """What ``combine`` has made of ``count`` items of one batch; ``failed`` more have no result."""

    count: int
    failed: int
    result: Any


def read_result(run: Run, output: dict[str, Any]) -> Any:
    """Return the result that Sum's output tells of.

    Raises
    ------
    LostRunError
        If its file is broken or gone.
    """
    uri = str(output.get("result_file", ""))
    key = uri.partition("://")[2].partition("/")[2]
    if uri.endswith("/results.jsonl"):
        return [each.result for each in read_results(run, output)]
    if uri.endswith("/result.json"):
        return _of_result_json(run, output, key)
    with _open(run, key) as file:
        return numpy_values.read_npy(file) if uri.endswith(".npy") else file.read()


def _of_result_json(run: Run, output: dict[str, Any], key: str) -> Any:
    body = run.read("result.json")
    if body is None:
        raise LostRunError(f"s3://{run.target.bucket}/{key} is gone")
    with intact(run.target, key):
        kept = json_text.parse(body.decode())
        if "typed_result" in kept:
            return typed_json.decode(kept["typed_result"], block_loader(run))
        text = kept.get("result", "null")
        value = json_text.parse(text)
    if "results_file" not in output:
        return value
    if typed_json.MARK in text:  # of a list of all results, which alone may have both plain JSON and tags
        return [each.result for each in read_results(run, output)]
    if not isinstance(value, list):
        return value
    # Either what finish returned, or all results as JSON, whose types results.jsonl has.
    results = [each.result for each in read_results(run, output)]
    is_list_of_all = len(results) == len(value) and all(map(_is_same, results, value))
    return results if is_list_of_all else value


def _is_same(result: Any, value: Any) -> bool:
    """Whether ``value`` is the JSON of a result."""
    try:
        return bool(typed_json.as_json(result) == value)
    except ValueError:
        return not isinstance(value, int | float | str)


def read_results(run: Run, output: dict[str, Any]) -> Iterator[ItemResult]:
    """Yield what results.jsonl has, a line at a time.

    Raises
    ------
    LostRunError
        If there is none, because the workload combines, or it is broken.
    """
    uri = output.get("results_file")
    if uri is None:
        raise LostRunError(f"{run.name} keeps no results of single items: its workload has combine, see Run.result")
    return _lines(run, str(uri).partition("://")[2].partition("/")[2])


def _lines(run: Run, key: str) -> Iterator[ItemResult]:
    load = block_loader(run)
    with explained(LostRunError, f"reading {key}"):
        body = run.target.s3.get_object(Bucket=run.target.bucket, Key=key)["Body"]
        with intact(run.target, key):
            for line in body.iter_lines(chunk_size=BLOCK_BYTES):
                value = json_text.parse(line.decode())
                kept = value.get("typed_result", value.get("result"))
                yield ItemResult(
                    value["index"], value["item"], typed_json.untagged(kept, load), bool(value.get("failed", False))
                )


def block_loader(run: Run) -> typed_json.Load:
    """Return what reads the long bytes and arrays of a run's results."""

    def load(tag: str, pointer: Any) -> Any:
        with _open(run, str(pointer["key"])) as file:
            digest = hashlib.sha256()
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
            if digest.hexdigest() != pointer["sha256"]:
                raise LostRunError(f"s3://{run.target.bucket}/{pointer['key']} has changed")
            file.seek(0)
            return file.read() if tag == "$bytes" else numpy_values.read_npy(file)

    return load


def _open(run: Run, key: str) -> IO[bytes]:
    """Return an object as a file that can be read more than once."""
    file: IO[bytes] = tempfile.SpooledTemporaryFile(MAX_SPOOLED_BYTES)  # noqa: SIM115 - the caller closes it
    with explained(LostRunError, f"reading s3://{run.target.bucket}/{key}"):
        for block in run.target.s3.get_object(Bucket=run.target.bucket, Key=key)["Body"].iter_chunks(BLOCK_BYTES):
            file.write(block)
    file.seek(0)
    return file
