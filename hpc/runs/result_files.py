"""Reads ResultWriter's records of child executions as a stream, with one line in memory at a time."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from hpc.contract.keys import MAP_FOLDER, run_key
from hpc.errors import LostRunError
from hpc.targets.client import MISSING_CODES, Target, has_code


class NoManifestError(LostRunError):
    """A Map Run has not written its result files, or not yet."""


def manifest_key(run_name: str, map_run: dict[str, Any]) -> str:
    """Return the key of a Map Run's last manifest: each redrive writes to a folder of its own.

    Parameters
    ----------
    map_run
        The answer of DescribeMapRun.
    """
    count = map_run.get("redriveCount", 0)
    generation = f"Redrive-{count}/" if count else ""
    return f"{run_key(run_name, MAP_FOLDER)}/{map_run['mapRunArn'].rpartition(':')[2]}/{generation}manifest.json"


def read_records(target: Target, manifest: str, statuses: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a Map Run's result files.

    Parameters
    ----------
    statuses
        Of SUCCEEDED, FAILED (which has timed out and aborted children as well) and PENDING.

    Raises
    ------
    NoManifestError
        If there is no manifest.
    LostRunError
        If it or a file that it names is broken or missing.
    """
    for key in _keys(target, manifest, statuses):
        if not key.endswith(".jsonl"):
            raise LostRunError(f"the batches are in s3://{target.bucket}/{key}, which is not JSON Lines")
        body = target.s3.get_object(Bucket=target.bucket, Key=key)["Body"]
        with intact(target, key):
            for line in body.iter_lines(chunk_size=65_536):
                yield dict(json.loads(line))


def _keys(target: Target, manifest: str, statuses: Sequence[str]) -> list[str]:
    try:
        body = target.s3.get_object(Bucket=target.bucket, Key=manifest)["Body"]
    except ClientError as error:
        if has_code(error, MISSING_CODES):
            raise NoManifestError(f"the Map Run left no manifest at s3://{target.bucket}/{manifest}") from error
        raise
    with intact(target, manifest):
        files = json.load(body)["ResultFiles"]
        return [file["Key"] for status in statuses for file in files[status]]


@contextmanager
def intact(target: Target, key: str) -> Iterator[None]:
    """Name the object that does not hold what it should."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise LostRunError(f"s3://{target.bucket}/{key} is broken: {type(error).__name__}: {error}") from error
