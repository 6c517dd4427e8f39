"""Feeds of hpc ui: many clients, one reader."""

import asyncio
import json
from collections.abc import AsyncIterator

from hpc.errors import LostRunError
from hpc.ui.feeds import Feed, Reading

CLIENTS = 100


async def first(feed: Feed, count: int) -> list[int]:
    """Return the readings that one client gets."""
    found: list[int] = []
    events: AsyncIterator[str] = feed.events()
    async for event in events:
        if event.startswith("data: "):
            found.append(json.loads(event.removeprefix("data: "))["number"])
        if len(found) == count:
            break
    return found


def test_a_hundred_clients_have_one_reader_and_all_see_the_same() -> None:
    reads = 0
    read_on = asyncio.Event()

    async def read() -> Reading:
        nonlocal reads
        reads += 1
        if reads > 1:
            await read_on.wait()
        return Reading({"number": min(reads, 3)}, 0.0)

    async def watch() -> list[list[int]]:
        feed = Feed(read)
        clients = [asyncio.create_task(first(feed, 3)) for _ in range(CLIENTS)]
        await asyncio.sleep(0.05)
        assert reads == 2  # the second waits, whoever came
        read_on.set()
        return await asyncio.gather(*clients)

    for seen in asyncio.run(watch()):
        assert seen[-1] == 3
        assert seen == sorted(set(seen))
    assert reads < CLIENTS


def test_reading_that_fails_is_told_and_tried_again() -> None:
    async def read() -> Reading:
        raise LostRunError("reading the run: refused")

    async def watch() -> str:
        events: AsyncIterator[str] = Feed(read).events()
        return await anext(events)

    assert json.loads(asyncio.run(watch()).removeprefix("data: ")) == {"problem": "reading the run: refused"}
