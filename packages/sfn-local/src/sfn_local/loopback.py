"""An HTTP server on a loopback port, in the event loop that runs: what both of our endpoints listen with."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import uvicorn

from sfn_local.connections import AcceptErrors, Connection, Connections

# So many connections are accepted before those that came before are looked at.
BACKLOG = 128
# How long an answer that is under way when the server stops may still take.
GRACE_SECONDS = 0.1

AsgiApplication = Callable[[Any, Any, Any], Awaitable[None]]


class LoopbackServer:
    """Listens from the moment it is made (a port of 0 chooses a free one) and answers once it is started.

    Parameters
    ----------
    keep_alive_seconds : int
        How long a connection may idle between two requests.
    """

    def __init__(self, *, port: int = 0, keep_alive_seconds: int = 60) -> None:
        self._keep_alive_seconds = keep_alive_seconds
        # asyncio turns Nagle's delay off (40 ms an answer) only where the socket names its protocol.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen(BACKLOG)  # from here on a client can connect, and waits for the server to accept
        except OSError:
            self._socket.close()
            raise
        self._connections = Connections()
        self._listening: asyncio.Task[asyncio.Server] | None = None

    @property
    def address(self) -> str:
        """``127.0.0.1:port``."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def start(self, app: AsgiApplication) -> None:
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            loop="none",
            interface="asgi3",
            log_config=None,
            log_level="error",  # a line for each broken request would fill the disk
            backlog=BACKLOG,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=self._keep_alive_seconds,
        )
        config.load()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(AcceptErrors())
        # uvicorn's own Server looks every 100 ms whether it is to stop, and then waits as long again.
        accepted = partial(Connection, config=config, server_state=self._connections, app_state={})
        self._listening = loop.create_task(loop.create_server(accepted, sock=self._socket, backlog=BACKLOG))

    async def stop(self) -> None:
        """Close the socket and every connection."""
        if self._listening is not None:
            listening = await self._listening
            for each in listening.sockets:  # none where it was stopped before
                asyncio.get_running_loop().remove_reader(each.fileno())
            # A socket that was accepted just now becomes a transport in the loop's next turn.  asyncio fails to make
            # one for a server that is closed, and leaves the socket open.
            await asyncio.sleep(0)
            listening.close()
            await self._connections.close(GRACE_SECONDS)
        self._socket.close()
