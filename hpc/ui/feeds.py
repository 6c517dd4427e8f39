"""Feeds: one reader for each thing that is looked at, however many clients look at it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hpc.errors import CommandError

# A reader that nobody listens to any more goes on for so long: a page that is loaded again finds its answer.
LINGER_SECONDS = 5.0
# A comment, so that both sides notice where the other has gone.
HEARTBEAT_SECONDS = 15.0
HEARTBEAT = ": still here\n\n"


@dataclass(frozen=True)
class Reading:
    """The answer of a reader, and how long it is valid."""

    document: dict[str, Any]
    pause_seconds: float


Read = Callable[[], Awaitable[Reading]]


class Feed:
    """Reads while somebody listens, and hands each reading that differs from the one before to all who do."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._changed = asyncio.Condition()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._text = ""
        self._version = 0
        self._listeners = 0
        self._left = 0.0

    async def events(self) -> AsyncIterator[str]:
        """Yield readings as server-sent events, the present one first."""
        self._listeners += 1
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._go_on())
            seen = 0
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS), self._changed:
                        while self._version == seen:
                            await self._changed.wait()
                        seen, text = self._version, self._text
                except TimeoutError:
                    yield HEARTBEAT
                    continue
                yield f"data: {text}\n\n"
        finally:
            self._listeners -= 1
            self._left = time.monotonic()

    @property
    def is_idle(self) -> bool:
        """Whether nobody listens."""
        return self._listeners == 0

    def look_now(self) -> None:
        """Read at once: something was changed."""
        self._wake.set()

    async def _go_on(self) -> None:
        while self._listeners or time.monotonic() - self._left < LINGER_SECONDS:
            try:
                reading = await self._read()
            except CommandError as error:
                reading = Reading({"problem": str(error)}, LINGER_SECONDS)
            text = json.dumps(reading.document)
            if text != self._text:
                async with self._changed:
                    self._text, self._version = text, self._version + 1
                    self._changed.notify_all()
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), reading.pause_seconds)
            except TimeoutError:
                continue
