"""Request payloads as verified streams: the signed SHA-256, and S3's ``aws-chunked`` encoding with trailers."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping

from sfn_local.protocol import ServiceError
from sfn_local.protocol.messages import RequestBody

_UNSIGNED = "UNSIGNED-PAYLOAD"
_CHUNKED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
_MAX_LINE_BYTES = 4096


def open_payload(headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> RequestBody:
    """Open the payload of an S3 request by what its ``x-amz-content-sha256`` header says of it.

    Raises
    ------
    ServiceError
        For a header that is missing, not understood or contradicts another; from the stream, if the payload
        differs from what was announced.
    """
    digest = headers.get("x-amz-content-sha256", _UNSIGNED)  # a presigned URL, which else would not have been let in
    if digest == _CHUNKED:
        return _open_chunked(headers, chunks)
    if digest.startswith("STREAMING-"):
        message = f"x-amz-content-sha256: {digest} is not supported, allowed are {_CHUNKED}, {_UNSIGNED} and a SHA-256"
        raise ServiceError("NotImplemented", message, 501)
    if digest != _UNSIGNED and not _SHA256.fullmatch(digest):
        message = f"x-amz-content-sha256 must be {_UNSIGNED}, {_CHUNKED} or a SHA-256 in hex, got {digest!r}"
        raise ServiceError("InvalidArgument", message)
    length = _parse_length(headers, "content-length")
    stream = _check_length(chunks, length)
    return RequestBody(stream if digest == _UNSIGNED else _check_sha256(stream, digest), length, {})


def _parse_length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ServiceError("InvalidArgument", f"{name} must be a number of bytes, got {text!r}")
    return int(text)


async def _check_length(chunks: AsyncIterator[bytes], length: int | None) -> AsyncIterator[bytes]:
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        yield chunk
    if length is not None and received != length:
        raise ServiceError("IncompleteBody", f"{length} bytes of payload were announced, {received} arrived")


async def _check_sha256(chunks: AsyncIterator[bytes], expected: str) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if not hmac.compare_digest(digest.hexdigest(), expected):
        message = "the SHA-256 of the payload that arrived is not the one in x-amz-content-sha256"
        raise ServiceError("XAmzContentSHA256Mismatch", message)


def _open_chunked(headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> RequestBody:
    length = _parse_length(headers, "x-amz-decoded-content-length")
    if length is None:
        raise ServiceError("MissingContentLength", "aws-chunked needs x-amz-decoded-content-length", 411)
    names = [name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")]
    trailers = {name: "" for name in names if name}
    return RequestBody(_check_length(_decode_chunked(_Lines(chunks), trailers), length), length, trailers)


class _Lines:
    """A byte stream that can be read by lines and by counts."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self._position = 0  # what is before it has been read; cutting it off each time would copy the rest each time

    async def _fill(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise ServiceError("IncompleteBody", "the payload ended within its aws-chunked encoding")
        self._buffer, self._position = self._buffer[self._position :] + chunk, 0

    async def line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._position)) < 0:
            if len(self._buffer) - self._position > _MAX_LINE_BYTES:
                raise _malformed(f"a line is over {_MAX_LINE_BYTES} bytes")
            await self._fill()
        line, self._position = self._buffer[self._position : end], end + 2
        return line

    async def take(self, count: int) -> AsyncIterator[bytes]:
        while count:
            if self._position == len(self._buffer):
                await self._fill()
            part = self._buffer[self._position : self._position + count]
            self._position += len(part)
            count -= len(part)
            yield part

    async def at_end(self) -> bool:
        return self._position == len(self._buffer) and await anext(self._chunks, None) is None


async def _decode_chunked(lines: _Lines, trailers: dict[str, str]) -> AsyncIterator[bytes]:
    r"""Yield the payload of ``<hex size>\r\n<bytes>\r\n ... 0\r\n<name>:<value>\r\n ... \r\n``, fill ``trailers``."""
    while size := await _read_size(lines):
        async for part in lines.take(size):
            yield part
        if await lines.line():
            raise _malformed("a chunk is longer than its size")
    while line := await lines.line():
        name, _, value = line.decode("latin-1").partition(":")
        if trailers.get(name.strip().lower()) != "":
            raise ServiceError("MalformedTrailerError", f"trailer {name!r} was not announced, or comes twice")
        trailers[name.strip().lower()] = value.strip()
    if not all(trailers.values()):
        raise ServiceError("MalformedTrailerError", f"announced trailers are missing, got {trailers}")
    if not await lines.at_end():
        raise _malformed("bytes after the last chunk")


async def _read_size(lines: _Lines) -> int:
    size = (await lines.line()).partition(b";")[0]
    if not _CHUNK_SIZE.fullmatch(size):
        raise _malformed(f"chunk size must be in hex, got {size[:20]!r}")
    return int(size, 16)


def _malformed(reason: str) -> ServiceError:
    return ServiceError("InvalidRequest", f"not aws-chunked: {reason}")
