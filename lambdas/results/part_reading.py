"""Reads parts that a record holds or points to, and checks that they account for every item."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from lambdas.run_files import checksums, json_text, storage
from lambdas.run_files.errors import ResultFileError
from lambdas.run_files.failures import Failure
from lambdas.run_files.json_text import shown
from lambdas.values import typed_json
from lambdas.values.blocks import BlockReader

# Stands for the result of an item that has none; a workload may return None.
NO_RESULT = object()
PART_FIELDS = frozenset({"first", "count", "result", "failed"})
# A list of numbers, true, false and null: every comma in it stands between two elements.
FLAT_LIST = re.compile(r"\[[-+.0-9A-Za-z,]+\]")
# Characters of a list that is parsed at once: its values take some megabytes for a moment.
LONGEST_FLAT_LIST = 131_072


class Listed(NamedTuple):
    """One of the results of a part: its text, and what that is parsed to, with tags still in it."""

    text: str
    tree: Any
    blocks: BlockReader

    @property
    def is_tagged(self) -> bool:
        return typed_json.MARK in self.text

    def load(self) -> Any:
        """Return the result as the workload returned it.

        Raises
        ------
        ResultFileError
            If that can't be had from the text, or from the objects that it points to.
        """
        if not self.is_tagged:
            return self.tree
        try:
            return typed_json.untagged(self.tree, self.blocks)
        except ValueError as error:
            raise ResultFileError(f"a result of run {self.blocks.run} is broken: {error}") from error


def check_digest(bucket: str, key: str, data: bytes, sha256: Any) -> None:
    """Refuse an object that is not the one that was written."""
    found = checksums.sha256(data)
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
        for failure in failed:
            Failure.from_json(failure)
    if ("result" in part) != (len(failed) < part["count"]):
        given = "a result" if "result" in part else "no result"
        raise ValueError(f"a part of {part['count']} items, {len(failed)} of them failed, has {given}")
    unknown = part.keys() - PART_FIELDS
    if unknown:
        raise ValueError(f"a part has {', '.join(sorted(PART_FIELDS))}, got {shown(min(unknown))}")


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


def part_result(bucket: str, run: str, part: dict[str, Any]) -> Any:
    """Return the value of a part's result.

    Raises
    ------
    ResultFileError
        If it is no text of a value.
    """
    try:
        return typed_json.decode(part["result"], BlockReader(bucket, run))
    except (TypeError, ValueError) as error:
        raise ResultFileError(f"the result of items {part['first']} and on is not JSON text: {error}") from error


def single_result(bucket: str, run: str, part: dict[str, Any]) -> Listed:
    """Return the result of a part of one item, which may have been written by another program."""
    try:
        tree = json_text.parse(part["result"])
    except (TypeError, ValueError) as error:
        raise ResultFileError(f"the result of item {part['first']} is not JSON text: {error}") from error
    return Listed(json_text.to_text(tree), tree, BlockReader(bucket, run))


def listed_results(bucket: str, run: str, part: dict[str, Any]) -> Iterator[Any]:
    """Yield the results of a part whose result is a list, as ``Listed``; ``NO_RESULT`` of a failed item.

    Raises
    ------
    ResultFileError
        If it lists more or fewer.
    """
    failed = {failure["index"] for failure in part.get("failed", ())}
    blocks = BlockReader(bucket, run)
    elements = _elements(part)
    for index in range(part["first"], part["first"] + part["count"]):
        if index in failed:
            yield NO_RESULT
            continue
        element = next(elements, None)
        if element is None:
            raise _not_listed(part)
        yield Listed(*element, blocks)
    if next(elements, None) is not None:
        raise _not_listed(part)


def _elements(part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield text and value of every element of a part's list, as ``PartWriter`` wrote it: without white space."""
    text = part.get("result", "[]")
    if not isinstance(text, str) or not text.startswith("["):
        raise _not_listed(part)
    if text == "[]":
        return
    if len(text) <= LONGEST_FLAT_LIST and FLAT_LIST.fullmatch(text):
        try:
            values = json_text.parse(text)
        except ValueError as error:
            raise _not_listed(part) from error
        yield from zip(text[1:-1].split(","), values, strict=True)
        return
    end, last = 0, len(text) - 1
    while end < last:
        begin = end + 1
        try:
            value, end = json_text.DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError) as error:
            raise _not_listed(part) from error
        if text[end : end + 1] != ("]" if end == last else ","):
            raise _not_listed(part)
        yield text[begin:end], value


def _not_listed(part: dict[str, Any]) -> ResultFileError:
    count = part["count"] - len(part.get("failed", ()))
    return ResultFileError(
        f"items {part['first']} and on must list {count} results as JSON text, got {shown(part.get('result'))}"
    )
