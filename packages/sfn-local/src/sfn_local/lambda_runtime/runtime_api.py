"""AWS's Lambda Runtime API on a loopback port of its own: what a worker's runtime client talks to.

Loopback is no boundary between the users of one machine, so each worker has a token that nobody can guess as the first
part of its paths: `/<token>/2018-06-01/runtime/...`.  Without one of a living worker every answer is 403.

**Differs from AWS:** the token; no response streaming, no extensions, no SnapStart (`restore/next`).
"""

import json
import time
from collections.abc import MutableMapping
from typing import Any, TypeAlias

from sfn_local.connections import trust
from sfn_local.lambda_runtime import function as lambda_function
from sfn_local.lambda_runtime.function import MAXIMUM_RESPONSE_BYTES, FunctionError
from sfn_local.lambda_runtime.worker_pool import Invocation, Worker, WorkerPool
from sfn_local.loopback import LoopbackServer

_Scope: TypeAlias = MutableMapping[str, Any]
_Headers: TypeAlias = list[tuple[bytes, bytes]]
_Answer: TypeAlias = tuple[int, _Headers, bytes]
_VERSION = "2018-06-01"
# A handler computes for as long as its time-out allows between two requests on its connection.
_KEEP_ALIVE_SECONDS = 86_400


class _DisconnectedError(Exception):
    """The worker went away before its request was complete: its end tells what became of its invocation."""


class RuntimeApi:
    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._server: LoopbackServer | None = None

    async def start(self) -> None:
        self._server = LoopbackServer(keep_alive_seconds=_KEEP_ALIVE_SECONDS)
        self._server.start(self.respond)

    @property
    def address(self) -> str:
        assert self._server is not None, "the Runtime API has not been started"
        return self._server.address

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    async def respond(self, scope: _Scope, receive: Any, send: Any) -> None:
        token, *path = scope["path"].split("/")[1:] or [""]  # OPTIONS has a path "*"
        try:
            status, headers, body = await self._answer(scope, receive, token, path)
        except _DisconnectedError:
            return
        if self._pool.is_dying(token):  # a refusal would only be logged as an error before the end
            await _wait_for_disconnect(receive)
            return
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: _Scope, receive: Any, token: str, path: list[str]) -> _Answer:
        worker = self._pool.find(token)
        if worker is None or path[:2] != [_VERSION, "runtime"]:
            status, headers, body = _refusal(403, "Forbidden", "no worker has this token")
            return status, [*headers, (b"connection", b"close")], body  # the rest of its body is not read
        trust(scope)
        if (scope["method"], path[2:]) == ("GET", ["invocation", "next"]):
            return await self._next(worker)
        if scope["method"] == "POST":
            content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1")
            return self._take(worker, path[2:], await _read_body(receive), content_type)
        return _refusal(404, "NotFound", f"no such operation: {scope['method']} {scope['path']}")

    async def _next(self, worker: Worker) -> _Answer:
        invocation = await self._pool.next(worker)
        if invocation is None:
            return _refusal(403, "InvalidStateTransition", "this worker gets no more invocations")
        return 200, _invocation_headers(invocation), invocation.payload

    def _take(self, worker: Worker, path: list[str], body: bytes | None, content_type: str) -> _Answer:
        """Take what a worker posts; `body` is None when it is larger than a response may be."""
        outcome: bytes | FunctionError
        if body is None:
            self._pool.abandon(worker, lambda_function.response_too_large())
            message = f"Exceeded maximum allowed payload size ({MAXIMUM_RESPONSE_BYTES} bytes)."
            return _refusal(413, "RequestEntityTooLarge", message)
        match path:
            case ["init", "error"]:
                self._pool.abandon(worker, lambda_function.posted_error(body))
                return _accepted()
            case ["invocation", request_id, "response"]:
                outcome = lambda_function.result_failure(body, content_type) or body
            case ["invocation", request_id, "error"]:
                outcome = lambda_function.posted_error(body)
            case _:
                return _refusal(404, "NotFound", "no such operation")
        if self._pool.finish(worker, request_id, outcome):
            return _accepted()
        return _refusal(400, "InvalidRequestID", "Invalid request ID")


async def _wait_for_disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read_body(receive: Any) -> bytes | None:
    """Read a request's body; all of it, but keep none that is larger than a response may be."""
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _DisconnectedError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAXIMUM_RESPONSE_BYTES:
            chunks.append(chunk)
        else:
            chunks.clear()
        more = message.get("more_body", False)
    return b"".join(chunks) if size <= MAXIMUM_RESPONSE_BYTES else None


def _invocation_headers(invocation: Invocation) -> _Headers:
    now = time.time()
    deadline_ms = int((now + invocation.function.timeout_seconds) * 1000)
    span = invocation.request_id.replace("-", "")
    return [
        (b"content-type", b"application/json"),
        (b"lambda-runtime-aws-request-id", invocation.request_id.encode()),
        (b"lambda-runtime-deadline-ms", str(deadline_ms).encode()),
        (b"lambda-runtime-invoked-function-arn", invocation.function.arn.encode()),
        (b"lambda-runtime-trace-id", f"Root=1-{int(now):08x}-{span[:24]};Parent={span[16:]};Sampled=0".encode()),
    ]


def _accepted() -> _Answer:
    return 202, [(b"content-type", b"application/json")], b'{"status":"OK"}'


def _refusal(status: int, error_type: str, message: str) -> _Answer:
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return status, [(b"content-type", b"application/json")], body
