"""Standard queues and their messages.

A message is on disk before its sender hears so, and stays there until a receiver deletes it or its time is over.
Memory holds a few numbers a message, never its body.

Source: Amazon SQS developer guide, "Visibility timeout", "Dead-letter queues", "Short and long polling".

**Differs from AWS:** a message is received in the order in which it became visible, and never twice within its
visibility timeout.
"""

import asyncio
import contextlib
import heapq
import json
import secrets
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sfn_local.clock import Clock
from sfn_local.storage.journal import text
from sfn_local.storage.store import Store

_TABLE = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, queue TEXT NOT NULL, uuid TEXT NOT NULL, sent REAL NOT NULL, visible REAL NOT NULL,
    received INTEGER NOT NULL DEFAULT 0, first_received REAL, body TEXT NOT NULL, attributes TEXT NOT NULL)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A standard queue, with the values that CloudFormation gives to settings that a template leaves out.

    Attributes
    ----------
    url : str
        As AWS gives it.  A request for it reaches this machine by the endpoint of its client.
    dead_letter_arn : str or None
        The queue that takes a message which was received ``max_receive_count`` times.
    """

    name: str
    url: str
    arn: str
    delay_seconds: int = 0
    max_bytes: int = 1_048_576
    retention_seconds: int = 345_600
    wait_seconds: int = 0
    visibility_seconds: int = 30
    dead_letter_arn: str | None = None
    max_receive_count: int = 0


class Message(NamedTuple):
    """A message as one receiver gets it; ``attributes`` are those that its sender gave it."""

    uuid: str
    body: str
    attributes: dict[str, Any]
    receipt: str
    sent: float
    received: int
    first_received: float


class _Entry:
    """The part of a message that is kept in memory."""

    __slots__ = ("first_received", "id", "receipt", "received", "sent", "uuid", "visible")

    def __init__(self, row_id: int, message_uuid: str, sent: float, visible: float) -> None:
        self.id = row_id
        self.uuid = message_uuid
        self.sent = sent
        self.visible = visible
        self.received = 0
        self.first_received = 0.0
        self.receipt = ""


class MessageQueue:
    """The messages of one queue."""

    def __init__(self, queue: Queue, store: Store, clock: Clock, next_id: Callable[[], int]) -> None:
        self.queue = queue
        self._store = store
        self._clock = clock
        self._next_id = next_id
        self._entries: dict[int, _Entry] = {}
        # Moments at which messages become visible; a pair whose moment is no longer its message's is void.
        self._visible: list[tuple[float, int]] = []
        self._by_receipt: dict[str, int] = {}
        self._arrived = asyncio.Event()

    def load(self, row: Any) -> None:
        """Take a message that an earlier server left."""
        entry = _Entry(row["id"], row["uuid"], row["sent"], row["visible"])
        entry.received, entry.first_received = row["received"], row["first_received"] or 0.0
        self._add(entry)

    async def send(self, body: str, attributes: dict[str, Any], delay_seconds: float | None) -> str:
        """Keep a message and return its id; raises :class:`sfn_local.storage.journal.StorageError`."""
        now = self._clock.time()
        delay = self.queue.delay_seconds if delay_seconds is None else delay_seconds
        entry = _Entry(self._next_id(), str(uuid.uuid4()), now, now + delay)
        kept = (entry.id, self.queue.name, entry.uuid, now, entry.visible, text(body), json.dumps(attributes))

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO messages (id, queue, uuid, sent, visible, body, attributes)"
                " VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT), ?)",
                kept,
            )

        await asyncio.wrap_future(self._store.journal.submit(write))
        self._add(entry)
        return entry.uuid

    async def receive(
        self, limit: int, visibility_seconds: float, wait_seconds: float, dead_letters: "MessageQueue | None"
    ) -> list[Message]:
        """Return up to ``limit`` visible messages, and hide them; wait for the first of them where there is none.

        Parameters
        ----------
        dead_letters : MessageQueue or None
            The queue that takes messages which were received too often.
        """
        until = self._clock.time() + wait_seconds
        while not (entries := self._take(limit, visibility_seconds, dead_letters)):
            left = min(until, self._visible[0][0] if self._visible else until) - self._clock.time()
            if self._clock.time() >= until:
                return []
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._clock.real_seconds(max(left, 0.0))):
                    await self._arrived.wait()
        return [self._message(entry) for entry in entries]

    def _take(self, limit: int, visibility_seconds: float, dead_letters: "MessageQueue | None") -> list[_Entry]:
        now = self._clock.time()
        taken: list[_Entry] = []
        while len(taken) < limit and (entry := self._next_visible(now)) is not None:
            if now - entry.sent > self.queue.retention_seconds:
                self._delete(entry)
            elif dead_letters is not None and entry.received >= self.queue.max_receive_count:
                self._hand_over(entry, dead_letters)
            else:
                entry.received += 1
                entry.first_received = entry.first_received or now
                self._by_receipt.pop(entry.receipt, None)
                entry.receipt = secrets.token_urlsafe(48)
                self._by_receipt[entry.receipt] = entry.id
                self._hide(entry, visibility_seconds)
                taken.append(entry)
        return taken

    def _next_visible(self, now: float) -> _Entry | None:
        while self._visible and self._visible[0][0] <= now:
            moment, row_id = heapq.heappop(self._visible)
            entry = self._entries.get(row_id)
            if entry is not None and entry.visible == moment:
                return entry
        return None

    def _message(self, entry: _Entry) -> Message:
        row = self._store.read_one("SELECT body, attributes FROM messages WHERE id = ?", (entry.id,))
        return Message(
            entry.uuid,
            row["body"],
            json.loads(row["attributes"]),
            entry.receipt,
            entry.sent,
            entry.received,
            entry.first_received,
        )

    def delete(self, receipt: str) -> bool:
        """Delete the message of a receipt; False for a receipt that this queue never gave."""
        entry = self._entries.get(self._by_receipt.get(receipt, 0))
        if entry is None:
            return False
        self._delete(entry)
        return True

    def change_visibility(self, receipt: str, seconds: float) -> bool:
        """Hide a message for so long from now on; False if no message is in flight under this receipt."""
        entry = self._entries.get(self._by_receipt.get(receipt, 0))
        if entry is None or entry.visible <= self._clock.time():
            return False
        self._hide(entry, seconds)
        return True

    def purge(self) -> None:
        """Delete all messages."""
        for entry in list(self._entries.values()):
            self._delete(entry)

    def counts(self) -> dict[str, int]:
        """Return how many messages are visible, in flight, and delayed."""
        now = self._clock.time()
        hidden = [entry for entry in self._entries.values() if entry.visible > now]
        in_flight = sum(1 for entry in hidden if entry.received)
        return {
            "ApproximateNumberOfMessages": len(self._entries) - len(hidden),
            "ApproximateNumberOfMessagesNotVisible": in_flight,
            "ApproximateNumberOfMessagesDelayed": len(hidden) - in_flight,
        }

    def _add(self, entry: _Entry) -> None:
        self._entries[entry.id] = entry
        heapq.heappush(self._visible, (entry.visible, entry.id))
        self._arrived.set()

    def _hide(self, entry: _Entry, seconds: float) -> None:
        entry.visible = self._clock.time() + seconds
        heapq.heappush(self._visible, (entry.visible, entry.id))
        self._arrived.set()  # a receiver that waits has another moment to wait for
        values = (entry.visible, entry.received, entry.first_received, entry.id)
        self._write("UPDATE messages SET visible = ?, received = ?, first_received = ? WHERE id = ?", values)

    def _hand_over(self, entry: _Entry, other: "MessageQueue") -> None:
        self._forget(entry)
        self._write("UPDATE messages SET queue = ? WHERE id = ?", (other.queue.name, entry.id))
        other._add(entry)

    def _delete(self, entry: _Entry) -> None:
        self._forget(entry)
        self._write("DELETE FROM messages WHERE id = ?", (entry.id,))

    def _forget(self, entry: _Entry) -> None:
        del self._entries[entry.id]
        self._by_receipt.pop(entry.receipt, None)

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        self._store.journal.submit(write)


def _make_table(connection: sqlite3.Connection) -> None:
    connection.execute(_TABLE)


class Queues:
    """The queues of a home."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queues: dict[str, MessageQueue] = {}
        self._last_id = 0

    async def add(self, queues: tuple[Queue, ...]) -> None:
        """Add the queues of a stack, with the messages that an earlier server left in them."""
        if not queues:
            return
        await asyncio.wrap_future(self._store.journal.submit(_make_table))
        (self._last_id,) = self._store.read_one("SELECT COALESCE(MAX(id), 0) FROM messages")
        for queue in queues:
            self._queues[queue.name] = MessageQueue(queue, self._store, self._clock, self._next_id)
        columns = "id, queue, uuid, sent, visible, received, first_received"
        with self._store.reader() as connection:
            for row in connection.execute(f"SELECT {columns} FROM messages ORDER BY id"):  # noqa: S608 - a literal
                if row["queue"] in self._queues:
                    self._queues[row["queue"]].load(row)

    def __iter__(self) -> Iterator[MessageQueue]:
        return iter(self._queues.values())

    def find(self, name: str) -> MessageQueue | None:
        """Find a queue by the last part of its URL or ARN, which is its name."""
        return self._queues.get(name)

    def dead_letters_of(self, queue: Queue) -> MessageQueue | None:
        """Return the dead-letter queue of a queue; None where it has none here."""
        return self._queues.get(queue.dead_letter_arn.rpartition(":")[2]) if queue.dead_letter_arn else None

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id
