"""Result files and manifest of a Map Run, as the service's ResultWriter writes them to S3.

Source: recorded result files (keys, field order, statuses); Step Functions developer guide, "ResultWriter"; recorded
redrives.

**Differs from AWS:** records stand in the order in which children ended (the service documents no order); a redrive in
which nothing succeeds adds no file of succeeded children (the service: an empty one).
"""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sfn_local.language import Json
from sfn_local.language.json_text import compact

# Source: Step Functions developer guide: a new file starts when one exceeds 5 GB.
MAX_FILE_BYTES = 5 * 1024**3

# Which file a child's status belongs to.
FILE_OF_STATUS = {
    "SUCCEEDED": "SUCCEEDED",
    "FAILED": "FAILED",
    "TIMED_OUT": "FAILED",
    "ABORTED": "FAILED",
    "PENDING": "PENDING",
}


class ObjectWriter(Protocol):
    """An object that is being written; it appears under its key when the context ends without an exception."""

    def write(self, data: bytes) -> object: ...


OpenWriter = Callable[[str, str, str], AbstractContextManager[ObjectWriter]]
"""``(bucket, key, content type)`` to a writer."""


@dataclass(frozen=True, kw_only=True)
class WriterSettings:
    """``ResultWriter`` with its paths resolved; ``bucket`` is None where only the state output is formatted."""

    bucket: str | None
    prefix: str
    transformation: str
    output_type: str


@dataclass(frozen=True, slots=True)
class Result:
    """One child as the files describe it; ``record`` is what NONE writes, ``output`` the JSON text of its output."""

    status: str
    record: dict[str, Json]
    output: str | None


def formatted(result: Result, transformation: str) -> Iterable[str]:
    """Yield the JSON texts that one child contributes; failed and pending children are always written as with NONE."""
    if transformation == "NONE" or result.output is None:
        yield compact(result.record)
    elif transformation == "FLATTEN":
        value = json.loads(result.output)
        yield from (compact(element) for element in value) if isinstance(value, list) else (result.output,)
    else:
        yield result.output


class _ResultFiles:
    """The files of one status: opened with the first record, rolled over past 5 GB; they appear together."""

    def __init__(self, folder: str, status: str, settings: WriterSettings, open_writer: OpenWriter) -> None:
        self._base = f"{folder}/{status}" if folder else status
        self._settings = settings
        self._open = open_writer
        self._stack = ExitStack()
        self._writer: ObjectWriter | None = None
        self._is_lines = settings.output_type == "JSONL"
        self._size = 0
        self.files: list[dict[str, Json]] = []

    def write(self, text: str) -> None:
        if self._writer is None:
            extension = "jsonl" if self._is_lines else "json"
            key = f"{self._base}_{len(self.files)}.{extension}"
            assert self._settings.bucket is not None
            self._writer = self._stack.enter_context(self._open(self._settings.bucket, key, "binary/octet-stream"))
            self.files.append({"Key": key, "Size": 0})
            self._size = 0
        opening = "" if self._is_lines else "[" if not self._size else ","
        self._put(opening + text + ("\n" if self._is_lines else ""))
        if self._size > MAX_FILE_BYTES:
            self._end_file()

    def finish(self) -> None:
        self._end_file()
        self._stack.close()

    def abandon(self, error: BaseException) -> None:
        """Leave no file behind: the writer learns of the error and publishes nothing."""
        self._stack.__exit__(type(error), error, error.__traceback__)

    def _end_file(self) -> None:
        if self._writer is not None:
            if not self._is_lines:
                self._put("]")
            self.files[-1]["Size"] = self._size
            self._writer = None

    def _put(self, text: str) -> None:
        assert self._writer is not None
        data = text.encode()
        self._writer.write(data)
        self._size += len(data)


class Attempt(NamedTuple):
    """The Map Run, and its attempt, that results belong to.

    Attributes
    ----------
    redrive_count : int
        0 for the first attempt.
    success_files : list
        Entries of the last manifest for children that succeeded in earlier attempts.
    """

    map_run_arn: str
    redrive_count: int = 0
    success_files: Sequence[dict[str, Json]] = ()


class Written(NamedTuple):
    """The manifest's key, its entries for children that succeeded, and how many results this attempt wrote."""

    key: str
    success_files: list[dict[str, Json]]
    results_written: int


def results_folder(settings: WriterSettings, map_run_arn: str) -> str:
    """Return the prefix of a Map Run's files: that of the state, and the Map Run's id."""
    return "/".join(part for part in (settings.prefix.removesuffix("/"), map_run_arn.rsplit(":", 1)[-1]) if part)


def write_results(
    settings: WriterSettings, attempt: Attempt, results: Iterable[Result], open_writer: OpenWriter
) -> Written:
    """Write result files and ``manifest.json``.

    As recorded, each redrive writes to a folder of its own, and its manifest names the files of children that
    succeeded in earlier attempts too.  Time and disk are linear in the results, memory is constant.
    """
    generation = f"Redrive-{attempt.redrive_count}" if attempt.redrive_count else ""
    folder = "/".join(part for part in (results_folder(settings, attempt.map_run_arn), generation) if part)
    files = {
        status: _ResultFiles(folder, status, settings, open_writer) for status in ("FAILED", "PENDING", "SUCCEEDED")
    }
    count = 0
    try:
        for result in results:
            for text in formatted(result, settings.transformation):
                files[FILE_OF_STATUS[result.status]].write(text)
            count += 1
        for file in files.values():
            file.finish()
    except BaseException as error:
        for file in files.values():
            file.abandon(error)
        raise
    manifest: dict[str, Any] = {
        "DestinationBucket": settings.bucket,
        "MapRunArn": attempt.map_run_arn,
        "ResultFiles": {
            "FAILED": files["FAILED"].files,
            "PENDING": files["PENDING"].files,
            "SUCCEEDED": [*attempt.success_files, *files["SUCCEEDED"].files],
        },
    }
    key = f"{folder}/manifest.json"
    assert settings.bucket is not None
    with open_writer(settings.bucket, key, "application/octet-stream") as writer:
        writer.write(compact(manifest).encode())
    return Written(key, manifest["ResultFiles"]["SUCCEEDED"], count)
