"""HTTP messages as the protocols see them: a request head, a request body that is a stream, a response."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class HttpRequest:
    """The head of a request.

    Attributes
    ----------
    path, query : str
        As sent, still percent-encoded: the signature covers these bytes.
    headers : Mapping[str, str]
        Names in lower case; the values of a repeated header joined by commas, in order.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


class RequestBody:
    """The payload of a request as a stream that ends only when all of it has arrived and matched its digests.

    Attributes
    ----------
    length : int or None
        Payload bytes that the client announced; None when it did not.
    trailers : Mapping[str, str]
        Headers that follow the payload; the names are there from the start, the values when the stream has ended.
    """

    def __init__(self, chunks: AsyncIterator[bytes], length: int | None, trailers: Mapping[str, str]) -> None:
        self._chunks = chunks
        self.length = length
        self.trailers = trailers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


class ResponseBody(Protocol):
    """A streaming body; holds a resource, so whoever takes it calls ``aclose``, started or not."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


@dataclass(frozen=True)
class HttpResponse:
    """A response; a streaming body needs a content-length header."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | ResponseBody = b""
