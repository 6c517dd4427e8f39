"""Finds the files with a run's records for its Sum, and notes them for runs that complete it."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from lambdas.contract.keys import run_key
from lambdas.results import job_results, result_files
from lambdas.results.result_files import ResultFile
from lambdas.run_files import checksums, json_text, storage
from lambdas.run_files.errors import InvalidEventError, InvalidInputError, ResultFileError, StorageAccessError
from lambdas.run_files.runs import RunSettings

FILE_NAME = "records.json"
# Fields of Sum's input that lead to records.
KEPT_KEYS = ("map_run", "callback")
# Below the folder of a Map Run; each redrive of it writes a manifest of its own, which names all that succeeded.
MANIFEST = re.compile(r"[^/]+/(?:Redrive-(?P<redrive>\d+)/)?manifest\.json")


class Records(NamedTuple):
    """What holds the records of a run: of every batch if it is ``whole``, else of some."""

    files: list[ResultFile]
    whole: bool = True


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
    storage.put_json(bucket, run_key(run, FILE_NAME), checksums.with_checksum(kept))


def find_earlier(bucket: str, settings: RunSettings, later: RunSettings) -> Records:
    """Return what holds the records of the run that ``later`` completes."""
    return find_noted(bucket, settings, later.earlier_records)


def find_kept(bucket: str, settings: RunSettings) -> Records:
    """Return what holds the records of a run that came to its Sum, with failed items.

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
        return Records(find_files(bucket, settings, checksums.without_checksum(kept)))
    except (ValueError, InvalidEventError) as error:
        raise ResultFileError(f"s3://{bucket}/{key} is broken: {error}") from error


def _came_to_sum(bucket: str, settings: RunSettings) -> bool:
    """Whether the Sum of a run noted where its records are."""
    try:
        storage.get_json(bucket, run_key(settings.name, FILE_NAME))
    except StorageAccessError:
        return False
    return True


def note_of_stopped(bucket: str, settings: RunSettings) -> dict[str, Any]:
    """Return where the records are of a run that ended before its Sum; nothing of one that came to it.

    A run that a job with a task token computed has none: its part counts only if Step Functions accepted it.

    Raises
    ------
    InvalidInputError
        If the Map Run left no manifest: it may go on.
    ResultFileError
        If the manifest is broken.
    """
    if _came_to_sum(bucket, settings):
        return {}
    if settings.back_end != "lambda":
        keys = {key for key, _ in _listed(bucket, run_key(settings.name, "batch/"))}
        return {"children": job_results.present_children(settings, keys)}
    prefix = run_key(settings.name, "map/")
    found = [MANIFEST.fullmatch(key, len(prefix)) for key, _ in _listed(bucket, prefix)]
    manifests = [match for match in found if match is not None]
    if not manifests:
        raise InvalidInputError(
            f"redrive_of must be a run that came to Sum, or whose Map Run has ended, got {settings.name}: it left no "
            f"manifest under s3://{bucket}/{prefix}"
        )
    key = max(manifests, key=lambda match: int(match["redrive"] or 0)).string
    manifest = storage.get_json(bucket, key)
    arn = manifest.get("MapRunArn") if isinstance(manifest, dict) else None
    return {"map_run": {"MapRunArn": arn, "ResultWriterDetails": {"Bucket": bucket, "Key": key}}}


def find_noted(bucket: str, settings: RunSettings, note: dict[str, Any]) -> Records:
    """Return what holds the records of a run, as ``note_of_stopped`` returned of it.

    Raises
    ------
    ResultFileError
        If the note does not lead to records of that run.
    """
    if not note:
        return find_kept(bucket, settings)
    if "children" in note:
        return Records(job_results.parts_of(settings, note["children"]), whole=False)
    try:
        return Records(find_files(bucket, settings, note), whole=False)
    except InvalidEventError as error:
        raise ResultFileError(f"the records of run {settings.name} can't be found: {error}") from error


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
