"""Where the records of a run are: found for its own Sum, and kept for the runs that compute what failed in it."""

from collections.abc import Iterator
from typing import Any

from lambdas.results import job_results, result_files
from lambdas.results.result_files import ResultFile
from lambdas.run_files import checksums as seals
from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import InvalidEventError, ResultFileError
from lambdas.run_files.runs import RunSettings, run_key

FILE_NAME = "records.json"
# Of what Sum is given, that which leads to records.
KEPT_KEYS = ("map_run", "callback")


def find_files(bucket: str, settings: RunSettings, event: dict[str, Any]) -> list[ResultFile]:
    """Return what holds the records of a run: result files of its map, or parts that its jobs wrote."""
    match settings.back_end:
        case "batch":
            return job_results.array_parts(settings)
        case "batch_callback":
            return job_results.callback_parts(settings, event.get("callback"))
        case _:
            return result_files.read_manifest(bucket, run_key(settings.name, "map/"), event.get("map_run"))


def keep(bucket: str, run: str, event: dict[str, Any]) -> None:
    """Write down what Sum was given."""
    kept = {key: event[key] for key in KEPT_KEYS if key in event}
    storage.put_json(bucket, run_key(run, FILE_NAME), seals.sealed(kept))


def find_kept_files(bucket: str, settings: RunSettings) -> list[ResultFile]:
    """Return what holds the records of an earlier run, which came to Sum with failed items.

    Raises
    ------
    ResultFileError
        If what was kept does not lead to records of that run.
    StorageAccessError
        If nothing was kept.
    """
    key = run_key(settings.name, FILE_NAME)
    kept = storage.get_json(bucket, key)
    if not isinstance(kept, dict):
        raise ResultFileError(f"s3://{bucket}/{key} is broken: expected an object, got {json_text.shown(kept)}")
    try:
        return find_files(bucket, settings, seals.unsealed(kept))
    except (ValueError, InvalidEventError) as error:
        raise ResultFileError(f"s3://{bucket}/{key} is broken: {error}") from error


def check_present(bucket: str, settings: RunSettings, files: list[ResultFile]) -> None:
    """Refuse records that are gone: what is computed to complete them would be of no use.

    Raises
    ------
    ResultFileError
        With the first file that is missing, or has another size than the manifest says.
    """
    missing = {file.key: file.size_bytes for file in files}
    folder = {"batch": "batch/", "batch_callback": "batch_callback/"}.get(settings.back_end, "map/")
    for key, size_bytes in _listed(bucket, run_key(settings.name, folder)):
        expected = missing.pop(key, size_bytes)
        if expected not in (None, size_bytes):
            raise ResultFileError(f"s3://{bucket}/{key} has {size_bytes} bytes, its manifest says {expected}")
    if missing:
        raise ResultFileError(
            f"{len(missing)} of {len(files)} result files of run {settings.name} are gone, the first of them "
            f"s3://{bucket}/{min(missing)}"
        )


def _listed(bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    with storage.named_errors(bucket, prefix):
        for page in storage.s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", ()):
                yield entry["Key"], entry["Size"]
