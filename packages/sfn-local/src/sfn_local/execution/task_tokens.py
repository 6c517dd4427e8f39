"""Task tokens: how something outside of an execution ends a Task that waits for it.

A token is random and signed, so that one that was never issued is told from one whose task is over.

Source: API reference of SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat: errors, 2,048 characters of a token,
256 KiB of output.

**Differs from AWS:** tokens are valid in the process that issued them; its executions end with it.
"""

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections.abc import Callable, Iterator

from sfn_local.language import Json
from sfn_local.language.errors import StatesError
from sfn_local.language.json_text import MAX_PAYLOAD_BYTES, parse, text_size_bytes

_RANDOM_BYTES = 32
_DIGEST = "sha256"


class TaskTokenError(Exception):
    """Error for the caller of SendTask*; ``message`` never holds the token.

    Attributes
    ----------
    code : str
        ``InvalidToken``, ``TaskTimedOut`` or ``InvalidOutput``; ``TaskDoesNotExist`` is for activities only.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Waiter:
    """The task's end of a token: its result is awaited once."""

    def __init__(self) -> None:
        self._result: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self.on_heartbeat: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return not self._result.done()

    async def result(self) -> Json:
        """Wait for the output that was sent; raises :class:`StatesError` if a failure was sent."""
        return await self._result

    def end(self, output: Json) -> None:
        self._result.set_result(output)

    def fail(self, error: StatesError) -> None:
        self._result.set_exception(error)

    def close(self) -> None:
        """Nobody waits any more."""
        if self._result.done() and not self._result.cancelled():
            self._result.exception()  # a failure that came as the task ended is not reported as lost
        self._result.cancel()


class TaskTokens:
    """The tokens that tasks wait for."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(_RANDOM_BYTES)
        self._waiting: dict[str, Waiter] = {}
        self._machines: dict[str, str] = {}  # whose task waits, by token

    def issue(self, machine_arn: str) -> tuple[str, Waiter]:
        """Return a new token of a state machine's task and what waits for it; ``discard`` it when the task is over."""
        random = secrets.token_bytes(_RANDOM_BYTES)
        token = base64.urlsafe_b64encode(random + self._signature(random)).decode()
        waiter = self._waiting[token] = Waiter()
        self._machines[token] = machine_arn
        return token, waiter

    def discard(self, token: str) -> None:
        """End the token's validity."""
        self._waiting.pop(token).close()
        del self._machines[token]

    @contextlib.contextmanager
    def issued(self, machine_arn: str) -> Iterator[tuple[str, Waiter]]:
        """Issue a token that is valid inside of the context."""
        token, waiter = self.issue(machine_arn)
        try:
            yield token, waiter
        finally:
            self.discard(token)

    def machine_of(self, token: str) -> str | None:
        """Return the ARN of the state machine whose task waits for a token, None if none does."""
        return self._machines.get(token)

    def succeed(self, token: str, output_text: str) -> None:
        """End the task with ``output_text``, JSON.

        Raises
        ------
        TaskTokenError
        """
        waiter = self._find(token)
        if text_size_bytes(output_text) > MAX_PAYLOAD_BYTES:
            raise TaskTokenError("InvalidOutput", f"the output has more than {MAX_PAYLOAD_BYTES} bytes")
        try:
            output = parse(output_text)
        except ValueError as error:
            raise TaskTokenError("InvalidOutput", f"the output is not JSON: {error}") from None
        waiter.end(output)

    def fail(self, token: str, error: str | None, cause: str | None) -> None:
        """Fail the task.

        Raises
        ------
        TaskTokenError
        """
        self._find(token).fail(StatesError(error, cause))

    def heartbeat(self, token: str) -> None:
        """Begin the task's HeartbeatSeconds anew.

        Raises
        ------
        TaskTokenError
        """
        waiter = self._find(token)
        if waiter.on_heartbeat is not None:
            waiter.on_heartbeat()

    def _find(self, token: str) -> Waiter:
        waiter = self._waiting.get(token)
        if waiter is not None and waiter.is_open:
            return waiter
        if not self._is_ours(token):
            raise TaskTokenError("InvalidToken", "Invalid Token: 'Invalid token'")
        raise TaskTokenError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")

    def _is_ours(self, token: str) -> bool:
        try:
            decoded = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return False
        random, signature = decoded[:_RANDOM_BYTES], decoded[_RANDOM_BYTES:]
        return hmac.compare_digest(signature, self._signature(random))

    def _signature(self, random: bytes) -> bytes:
        return hmac.digest(self._key, random, _DIGEST)
