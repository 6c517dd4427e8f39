"""Reads and writes S3 objects, a block at a time, with named errors."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from lambdas.run_files import json_text
from lambdas.run_files.errors import ResultFileError, StorageAccessError, StorageUnavailableError

BLOCK_BYTES = 4 * 1024 * 1024
# S3's own words for "try again"; everything of status 500 and over is one as well.
# Source: Amazon S3 API reference, "Error responses".
TRANSIENT_CODES = frozenset({"SlowDown", "RequestTimeout", "Throttling", "ThrottlingException", "OperationAborted"})
# S3 never answers with this status, the local server does: a retry would meet the same full disk.
INSUFFICIENT_STORAGE = 507


@functools.cache
def s3_client() -> Any:
    """Client of this execution environment, made at first use: credentials and endpoint are set by then."""
    return boto3.client(
        "s3", config=Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=60)
    )


@contextmanager
def named_errors(bucket: str, key: str) -> Iterator[None]:
    """Turn what botocore raises into an error that names the object and says whether a retry helps."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status == INSUFFICIENT_STORAGE:
            raise StorageAccessError(f"s3://{bucket}/{key} can't be written: this machine's disk is full") from error
        if status >= 500 or code in TRANSIENT_CODES:
            raise StorageUnavailableError(f"S3 answered {code} for s3://{bucket}/{key}") from error
        # 403 as well: without s3:ListBucket S3 answers that for a key that is not there.
        raise StorageAccessError(f"s3://{bucket}/{key} is missing, or access is denied: S3 answered {code}") from error
    except (UnicodeEncodeError, ParamValidationError) as error:
        raise StorageAccessError(f"bucket {bucket!r} and key {key!r} are no names of an object") from error
    except BotoCoreError as error:
        raise StorageUnavailableError(f"S3 could not be reached for s3://{bucket}/{key}: {error}") from error


def put(bucket: str, key: str, body: bytes) -> None:
    """Write a whole object that fits in memory."""
    with named_errors(bucket, key):
        s3_client().put_object(Bucket=bucket, Key=key, Body=body)


def put_json(bucket: str, key: str, value: Any) -> None:
    """Write a JSON object with a line end, as text tools like it."""
    put(bucket, key, f"{json_text.to_text(value)}\n".encode())


def get_json(bucket: str, key: str) -> Any:
    """Return the value of a JSON object that fits in memory.

    Raises
    ------
    ResultFileError
        If it is not JSON.
    """
    data = b"".join(read_blocks(bucket, key))
    try:
        return json_text.parse(data.decode())
    except ValueError as error:
        raise ResultFileError(f"s3://{bucket}/{key} is not JSON: {error}") from error


def read_range(bucket: str, key: str, first: int, count: int) -> tuple[bytes, int, str]:
    """Return up to ``count`` bytes from ``first`` on, the object's whole size in bytes, and its ETag.

    A range that begins at or past the end gives no bytes and, as S3 does not tell it there, size ``first``.
    """
    with named_errors(bucket, key):
        try:
            response = s3_client().get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{first + count - 1}")
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "InvalidRange":
                return b"", first, ""
            raise
        data: bytes = response["Body"].read()
    return data, int(response["ContentRange"].rpartition("/")[2]), response["ETag"]


def read_blocks(bucket: str, key: str, *, expected_bytes: int | None = None) -> Iterator[bytes]:
    """Yield an object's bytes in blocks, each a request of its own: slow readers hold no connection open.

    Raises
    ------
    ResultFileError
        If the object does not have ``expected_bytes``, or changes while it is read.
    """
    position, etag = 0, ""
    while True:
        data, total, block_etag = read_range(bucket, key, position, BLOCK_BYTES)
        if position == 0 and expected_bytes is not None and total != expected_bytes:
            raise ResultFileError(f"s3://{bucket}/{key} has {total} bytes, its manifest says {expected_bytes}")
        if etag and block_etag != etag:
            raise ResultFileError(f"s3://{bucket}/{key} changed while it was read")
        etag = block_etag
        if data:
            yield data
        position += len(data)
        if position >= total:
            return


def read_lines(bucket: str, key: str, *, max_line_bytes: int, expected_bytes: int | None = None) -> Iterator[bytes]:
    """Yield an object's lines with their line ends; the last one may lack it.

    Raises
    ------
    ResultFileError
        If a line is longer than ``max_line_bytes`` and does not end in the block in which it begins: what is held in
        memory has a bound, how long a line may be is for the caller to say.
    """
    rest = b""
    for block in read_blocks(bucket, key, expected_bytes=expected_bytes):
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > max_line_bytes:
            raise ResultFileError(f"s3://{bucket}/{key} has a line of more than {max_line_bytes} bytes")
    if rest:
        yield rest
