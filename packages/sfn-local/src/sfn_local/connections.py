"""HTTP connections on loopback, where every user of the machine can connect: what one may hold before it is known.

A connection is a stranger's until the application says ``trust(scope)``: a request on it was signed with a key of this
server, or had a worker's token.  Strangers share a number of connections, and the one that came first makes room for
the next, so that nobody can use up the process's descriptors.  A head must arrive within a time and a size, whoever
sends it.
"""

import asyncio
import logging
import resource
import time
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

# Descriptors are for files, too; macOS allows a process 256 of them by default.
MAX_STRANGERS = 256
SHARE_OF_DESCRIPTORS = 4
# Long enough for a client that a busy machine keeps waiting.
HEAD_SECONDS = 30.0
# S3 allows 8 KB of headers; a path and a query may have 4 KB in it three times as long when they are encoded.
MAX_HEAD_BYTES = 65_536
ACCEPT_LINE_SECONDS = 60.0

_LOGGER = logging.getLogger(__name__)
_CONNECTION = "connection"


def trust(scope: Any) -> None:
    """Tell a request's connection that it is no stranger's."""
    connection = scope.get("state", {}).get(_CONNECTION)
    if connection is not None:
        connection.trust()


class Connections(ServerState):
    """The connections of one server; ``strangers`` in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self.strangers: dict[Connection, None] = {}
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.max_strangers = max(1, min(MAX_STRANGERS, descriptors // SHARE_OF_DESCRIPTORS))

    async def close(self, grace_seconds: float) -> None:
        """Close every connection; an answer that is under way has ``grace_seconds`` to be sent."""
        await asyncio.sleep(0)  # a transport that was made just now becomes a connection in the loop's next turn
        for connection in list(self.connections):
            connection.shutdown()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=grace_seconds)
        await asyncio.sleep(0)
        while self.connections:
            for connection in list(self.connections):
                connection.transport.abort()
            await asyncio.sleep(0)


class Connection(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._state: Connections = settings["server_state"]
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_in_head = True
        # Bytes since the parser last gave anything out: of a head, of trailers, of a chunk's extensions.
        self._held_bytes = 0

    def trust(self) -> None:
        self._state.strangers.pop(self, None)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin_head()
        strangers = self._state.strangers
        strangers[self] = None
        if len(strangers) > self._state.max_strangers:
            next(iter(strangers)).abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.strangers.pop(self, None)
        self._end_head()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._state.strangers.pop(self, None)
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._held_bytes += len(data)
        super().data_received(data)
        if self._held_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse("431 Request Header Fields Too Large", f"a head may have {MAX_HEAD_BYTES} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][_CONNECTION] = self
        if not self._is_in_head:
            self._begin_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_in_head:
            raise httptools.HttpParserError("headers behind a body are not read here")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._held_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._held_bytes = 0
        super().on_message_complete()

    def _begin_head(self) -> None:
        self._is_in_head = True
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _end_head(self) -> None:
        self._is_in_head = False
        self._held_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if not self.transport.is_closing():
            self._refuse("408 Request Timeout", f"the head of a request must arrive within {HEAD_SECONDS:g} s")

    def _refuse(self, status: str, reason: str) -> None:
        if self.cycle is None or self.cycle.response_complete:  # else it would stand within another answer
            head = f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(reason)}\r\n"
            self.transport.write(f"{head}connection: close\r\n\r\n{reason}".encode())
        self.transport.close()


class AcceptErrors:
    """An event loop's exception handler that makes one line a minute of connections that can't be accepted.

    asyncio has a traceback for each, hundreds a second where the process has no descriptors left.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_line = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and str(context.get("message", "")).startswith("socket.accept()")):
            loop.default_exception_handler(context)
        elif self._clock() >= self._next_line:
            self._next_line = self._clock() + ACCEPT_LINE_SECONDS
            _LOGGER.error("connections can't be accepted: %s", error)
