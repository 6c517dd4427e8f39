"""Streams the records of the files that ResultWriter wrote, with one block in memory at a time."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import InvalidEventError, ResultFileError
from lambdas.run_files.json_text import shown

# Order matters to Sum: after a redrive, a batch may stand under SUCCEEDED and, from before, under FAILED.
STATUSES = ("SUCCEEDED", "FAILED", "PENDING")
# Input and output of a child have 256 KiB each, a cause 32 KiB; escaped as text inside text up to six times that.
MAX_RECORD_BYTES = 16 * 1024 * 1024
WHITESPACE = " \t\r\n"
DELIMITERS = tuple(",]" + WHITESPACE)


class Place(NamedTuple):
    """Where a record's JSON text stands."""

    file_number: int
    offset: int
    size_bytes: int


@dataclass(frozen=True)
class ResultFile:
    """An object of records that all have one status; its size where a manifest says it."""

    status: str
    key: str
    size_bytes: int | None


def read_manifest(bucket: str, prefix: str, map_run: Any) -> list[ResultFile]:
    r"""Return the result files of a Map Run, those of succeeded children first.

    Parameters
    ----------
    prefix
        What the keys of the run's result files begin with.
    map_run
        What the Map state returned: ``{"MapRunArn", "ResultWriterDetails": {"Bucket", "Key"}}``.

    Raises
    ------
    InvalidEventError
        If that is not its shape.
    ResultFileError
        If the manifest is not one, or of another Map Run.
    """
    try:
        arn, details = map_run["MapRunArn"], map_run["ResultWriterDetails"]
        manifest_bucket, key = details["Bucket"], details["Key"]
    except (TypeError, KeyError) as error:
        raise InvalidEventError(
            f'map_run must be {{"MapRunArn", "ResultWriterDetails": {{"Bucket", "Key"}}}}, got {shown(map_run)}'
        ) from error
    if manifest_bucket != bucket:
        raise ResultFileError(f"the manifest must be in the results bucket {bucket}, got {shown(manifest_bucket)}")
    if not isinstance(key, str) or not key.startswith(prefix):
        raise ResultFileError(f"the manifest must be under {prefix}, got {shown(key)}")
    files = _result_files(storage.get_json(bucket, key), arn, bucket, f"manifest s3://{bucket}/{key}")
    foreign = [file.key for file in files if not file.key.startswith(prefix)]
    if foreign:
        raise ResultFileError(f"manifest s3://{bucket}/{key} lists {shown(foreign[0])}, which is not under {prefix}")
    return files


def _result_files(manifest: Any, arn: str, bucket: str, place: str) -> list[ResultFile]:
    try:
        named_arn, named_bucket = manifest["MapRunArn"], manifest["DestinationBucket"]
        files = [
            ResultFile(status, str(entry["Key"]), int(entry["Size"]))
            for status in STATUSES
            for entry in manifest["ResultFiles"][status]
        ]
        unknown = set(manifest["ResultFiles"]) - set(STATUSES)
    except (TypeError, ValueError, KeyError) as error:
        raise ResultFileError(f"{place} does not have the shape of a manifest: {error!r}") from error
    if unknown:
        raise ResultFileError(f"{place} lists files of the unknown status {shown(min(unknown))}")
    if named_arn != arn or named_bucket != bucket:
        raise ResultFileError(f"{place} belongs to {shown(named_arn)} and bucket {shown(named_bucket)}, not to {arn}")
    if len({file.key for file in files}) < len(files):
        raise ResultFileError(f"{place} lists a file twice")
    return files


def stream_records(bucket: str, file: ResultFile, file_number: int) -> Iterator[tuple[Place, Any]]:
    """Yield every record of a result file with its place.

    Raises
    ------
    ResultFileError
        If the file is not the one that the manifest describes, or is broken anywhere.
    """
    if file.key.endswith(".jsonl"):
        yield from _stream_lines(bucket, file, file_number)
        return
    scanner = ArrayScanner(storage.read_blocks(bucket, file.key, expected_bytes=file.size_bytes))
    try:
        for offset, size_bytes, value in scanner.elements():
            yield Place(file_number, offset, size_bytes), value
    except ValueError as error:
        raise ResultFileError(f"s3://{bucket}/{file.key} is not a JSON array: {error}") from error


def _stream_lines(bucket: str, file: ResultFile, file_number: int) -> Iterator[tuple[Place, Any]]:
    offset = 0
    lines = storage.read_lines(bucket, file.key, max_line_bytes=MAX_RECORD_BYTES, expected_bytes=file.size_bytes)
    for line in lines:
        try:
            value = json_text.parse(line.decode())
        except ValueError as error:
            raise ResultFileError(f"s3://{bucket}/{file.key} is not JSON at byte {offset}: {error}") from error
        yield Place(file_number, offset, len(line)), value
        offset += len(line)


class ArrayScanner:
    """A JSON array that arrives in blocks, element by element.

    ``json`` can only read it whole, and a result file has up to 5 GB.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._text = ""
        self._position = 0
        self._offset = 0
        self._is_whole = False

    def elements(self) -> Iterator[tuple[int, int, Any]]:
        """Yield offset and length in bytes, and value, of every element.

        Raises
        ------
        ValueError
            With the offset, if the bytes are not one JSON array in UTF-8.
        """
        self._expect("[")
        if self._next_character() == "]":
            self._expect("]")
        else:
            while True:
                yield self._element()
                if self._expect(",]") == "]":
                    break
        if self._next_character():
            raise ValueError(f"text after its end at byte {self._offset}")

    def _fill(self) -> bool:
        """Append a block to the text that is not read yet."""
        if self._is_whole:
            return False
        block = next(self._blocks, None)
        self._is_whole = block is None
        decoded = self._decoder.decode(block or b"", final=self._is_whole)
        self._text = self._text[self._position :] + decoded
        self._position = 0
        return True

    def _advance(self, end: int) -> int:
        """Move to ``end`` and return how many bytes were passed."""
        passed = self._text[self._position : end]
        size_bytes = len(passed) if passed.isascii() else len(passed.encode())
        self._position = end
        self._offset += size_bytes
        return size_bytes

    def _next_character(self) -> str:
        """Skip white space; return the character after it, "" at the end."""
        while True:
            end = self._position
            while end < len(self._text) and self._text[end] in WHITESPACE:
                end += 1
            self._advance(end)
            if end < len(self._text):
                return self._text[end]
            if not self._fill():
                return ""

    def _expect(self, characters: str) -> str:
        character = self._next_character()
        if not character or character not in characters:
            found = shown(character) if character else "the end"
            raise ValueError(f"expected one of {characters} at byte {self._offset}, got {found}")
        self._advance(self._position + 1)
        return character

    def _element(self) -> tuple[int, int, Any]:
        self._next_character()
        while True:
            is_last = len(self._text) - self._position > MAX_RECORD_BYTES
            try:
                value, end = json_text.DECODER.raw_decode(self._text, self._position)
            except RecursionError as error:
                raise ValueError(f"nested too deeply at byte {self._offset}") from error
            except ValueError:
                if is_last or not self._fill():
                    raise
                continue
            # "0" may be the beginning of "0.5", which the next block goes on with.
            if self._text[end : end + 1] in DELIMITERS or is_last or not self._fill():
                offset = self._offset
                return offset, self._advance(end), value
