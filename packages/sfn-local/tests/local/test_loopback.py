"""A server on loopback leaves no socket behind, whenever it stops."""

import asyncio
import gc
import socket
from typing import Any

import pytest
from sfn_local.loopback import LoopbackServer

CLIENTS = 8
# The turns of the loop in which a client's socket is accepted, made a transport, and made a connection, and one more.
TURNS = range(5)


@pytest.mark.parametrize("turns", TURNS)
def test_clients_that_came_just_before_a_stop_are_closed(turns: int) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("no client asks")

    async def serve() -> list[bytes]:
        server = LoopbackServer()
        server.start(answer)
        await asyncio.sleep(0.01)  # it listens
        host, port = server.address.split(":")
        clients = [socket.create_connection((host, int(port)), timeout=10) for _ in range(CLIENTS)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.stop()
        received = []
        for client in clients:
            with client:
                try:
                    received.append(client.recv(1))
                except ConnectionResetError:
                    received.append(b"")
        return received

    assert asyncio.run(serve()) == [b""] * CLIENTS
    gc.collect()  # a socket that was left open is a ResourceWarning, which fails this test
