"""Parts read back: from what a record holds or points to, to results that are seen to account for every item."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lambdas.run_files import checksums as seals
from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import ResultFileError
from lambdas.run_files.json_text import shown

# Stands for the result of an item that has none; a workload may return None.
NO_RESULT = object()


@dataclass(frozen=True)
class StoredBytes:
    """A result that is bytes, in an object of its own."""

    bucket: str
    key: str
    size_bytes: int
    sha256: str

    def describe(self) -> dict[str, Any]:
        """Return the pointer that stands for it where results are listed."""
        return {"key": self.key, "bytes": self.size_bytes, "sha256": self.sha256}

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        ResultFileError
            If they are not those that were written.
        """
        data = b"".join(storage.read_blocks(self.bucket, self.key, expected_bytes=self.size_bytes))
        check_digest(self.bucket, self.key, data, self.sha256)
        return data


def check_digest(bucket: str, key: str, data: bytes, sha256: Any) -> None:
    """Refuse an object that is not the one that was written."""
    found = seals.digest(data)
    if found != sha256:
        raise ResultFileError(
            f"s3://{bucket}/{key} has changed: its sha256 is {found}, its record says {shown(sha256)}"
        )


def check_content(part: dict[str, Any]) -> None:
    """Refuse a part whose result and failures do not account for its items.

    Raises
    ------
    AttributeError, KeyError, TypeError, ValueError
        With what does not add up.
    """
    first, end = part["first"], part["first"] + part["count"]
    failed = part.get("failed", ())
    if failed:
        _check_indexes("failed items", [failure["index"] for failure in failed], first, end)
        if not all(isinstance(failure["error"], str) for failure in failed):
            raise ValueError(f"a failed item needs its error as text, got {shown(failed)}")
    if ("result" in part) != (len(failed) < part["count"]):
        given = "a result" if "result" in part else "no result"
        raise ValueError(f"a part of {part['count']} items, {len(failed)} of them failed, has {given}")
    _check_indexes("items with bytes", part.get("objects", []), first, end)


def _check_indexes(what: str, indexes: list[int], first: int, end: int) -> None:
    if any(not before < after for before, after in pairwise([first - 1, *indexes, end])):
        raise ValueError(f"{what} must be of {first} to {end - 1} and rise, got {shown(indexes)}")


def load_part(bucket: str, run: str, part: dict[str, Any]) -> dict[str, Any]:
    """Return a part with its content, read from S3 if it is there.

    Raises
    ------
    ResultFileError
        If the object is not the part that the record describes.
    """
    if "key" not in part:
        return part
    key = part["key"]
    if not isinstance(key, str) or not key.startswith(f"runs/{run}/parts/"):
        raise ResultFileError(f"a part of run {run} must be under runs/{run}/parts/, got {shown(key)}")
    data = b"".join(storage.read_blocks(bucket, key))
    check_digest(bucket, key, data, part["sha256"])
    try:
        loaded: dict[str, Any] = json_text.parse(data.decode())
        check_content(loaded)
        described = {"first": loaded["first"], "count": loaded["count"], "failed_count": len(loaded.get("failed", ()))}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultFileError(f"s3://{bucket}/{key} is not a part: {error!r}") from error
    if any(part[field] != value for field, value in described.items()):
        raise ResultFileError(f"s3://{bucket}/{key} is another part than its record says: it has {shown(described)}")
    return loaded


def part_result(part: dict[str, Any]) -> Any:
    """Return the value of a part's result.

    Raises
    ------
    ResultFileError
        If it is not JSON text.
    """
    try:
        return json_text.parse(part["result"])
    except (TypeError, ValueError) as error:
        raise ResultFileError(f"the result of items {part['first']} and on is not JSON text: {error}") from error


def listed_results(bucket: str, run: str, part: dict[str, Any]) -> Iterator[Any]:
    """Yield the results of a part whose result is a list: ``NO_RESULT`` of a failed item, ``StoredBytes`` for bytes.

    Raises
    ------
    ResultFileError
        If it lists more or fewer, or points elsewhere.
    """
    failed = {failure["index"] for failure in part.get("failed", ())}
    objects = frozenset(part.get("objects", ()))
    values = part_result(part) if "result" in part else []
    if not isinstance(values, list) or len(values) + len(failed) != part["count"]:
        raise ResultFileError(
            f"items {part['first']} and on must list {part['count'] - len(failed)} results, got {shown(values)}"
        )
    remaining = iter(values)
    for index in range(part["first"], part["first"] + part["count"]):
        value = NO_RESULT if index in failed else next(remaining)
        yield _stored_bytes(bucket, run, value) if index in objects else value


def _stored_bytes(bucket: str, run: str, pointer: Any) -> StoredBytes:
    match pointer:
        case {"key": str(key), "bytes": int(size_bytes), "sha256": str(sha256)} if key.startswith(f"runs/{run}/parts/"):
            return StoredBytes(bucket, key, size_bytes, sha256)
    raise ResultFileError(f"bytes of run {run} must be under runs/{run}/parts/, got {shown(pointer)}")
