"""Verified payload streams: lengths, SHA-256 and the aws-chunked encoding."""

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given
from hypothesis import strategies as st
from sfn_local.protocol import ServiceError
from sfn_local.protocol.payload import open_payload

CHUNKED = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(headers: dict[str, str], data: bytes, size: int = 7) -> tuple[bytes, dict[str, str]]:
    async def run() -> tuple[bytes, dict[str, str]]:
        payload = open_payload(headers, in_pieces(data, size))
        return b"".join([chunk async for chunk in payload]), dict(payload.trailers)

    return asyncio.run(run())


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@given(data=st.binary(max_size=200), piece=st.integers(1, 50), chunk=st.integers(1, 60))
def test_what_the_client_encodes_is_decoded_however_it_arrives(data: bytes, piece: int, chunk: int) -> None:
    encoded = AwsChunkedWrapper(
        io.BytesIO(data), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=chunk
    ).read()
    checksum = Crc32Checksum()
    checksum.update(data)
    headers = CHUNKED | {"x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": "x-amz-checksum-crc32"}
    assert read(headers, encoded, piece) == (data, {"x-amz-checksum-crc32": checksum.b64digest()})


@given(data=st.binary(max_size=200), piece=st.integers(1, 50))
def test_payload_with_its_sha256_is_read_whole(data: bytes, piece: int) -> None:
    headers = {"x-amz-content-sha256": sha256(data), "content-length": str(len(data))}
    assert read(headers, data, piece) == (data, {})


def chunked(length: int, trailer: str = "") -> dict[str, str]:
    return CHUNKED | {"x-amz-decoded-content-length": str(length)} | ({"x-amz-trailer": trailer} if trailer else {})


@pytest.mark.parametrize(
    ("headers", "data", "code"),
    [
        ({"x-amz-content-sha256": sha256(b"other")}, b"data", "XAmzContentSHA256Mismatch"),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "content-length": "5"}, b"data", "IncompleteBody"),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "content-length": "3"}, b"data", "IncompleteBody"),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "content-length": "-3"}, b"data", "InvalidArgument"),
        ({"x-amz-content-sha256": "abc"}, b"data", "InvalidArgument"),
        ({"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, b"data", "NotImplemented"),
        (CHUNKED, b"0\r\n\r\n", "MissingContentLength"),
        (chunked(5), b"4\r\ndata\r\n0\r\n\r\n", "IncompleteBody"),
        (chunked(4), b"4\r\ndata\r\n", "IncompleteBody"),
        (chunked(4), b"4\r\nda", "IncompleteBody"),
        (chunked(4), b"4\r\ndata!\r\n0\r\n\r\n", "InvalidRequest"),
        (chunked(4), b"+4\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
        (chunked(4), b"four\r\ndata\r\n0\r\n\r\n", "InvalidRequest"),
        (chunked(4), b"4\r\ndata\r\n0\r\n\r\nmore", "InvalidRequest"),
        (chunked(4), b"4" * 10_000, "InvalidRequest"),
        (chunked(4), b"4\r\ndata\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "MalformedTrailerError"),
        (chunked(4, "x-amz-checksum-crc32"), b"4\r\ndata\r\n0\r\n\r\n", "MalformedTrailerError"),
        (chunked(4, "a"), b"4\r\ndata\r\n0\r\na:1\r\na:2\r\n\r\n", "MalformedTrailerError"),
    ],
)
def test_payload_that_is_not_what_was_announced_is_refused(headers: dict[str, str], data: bytes, code: str) -> None:
    with pytest.raises(ServiceError) as raised:
        read(headers, data)
    assert raised.value.code == code


def test_a_payload_of_many_small_chunks_is_read_in_linear_time() -> None:
    """700 kB that arrive at once; cutting each of 200,000 lines off the rest would copy 70 GB."""
    count = 100_000
    assert read(chunked(count), b"1\r\na\r\n" * count + b"0\r\n\r\n", 1_000_000) == (b"a" * count, {})
