"""The AWS APIs of this machine as an ASGI 3 application: from an HTTP request to a service core, and back.

Loopback is no boundary on a machine with other users, so each request must be signed with a key that the server
knows; the Host header must name loopback, so that no web page can reach the server under a name of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from botocore.model import OperationModel

from sfn_local.connections import trust
from sfn_local.endpoint.sigv4 import Authorization, Credential, authenticate, check_head, parse_authorization
from sfn_local.protocol import Service, ServiceError
from sfn_local.protocol.catalog import load_api
from sfn_local.protocol.checksums import check_digests
from sfn_local.protocol.faults import Faults
from sfn_local.protocol.messages import HttpRequest, HttpResponse, RequestBody, ResponseBody
from sfn_local.protocol.payload import open_payload
from sfn_local.protocol.service_api import ServiceApi

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
OnRequest = Callable[[str, str, str], None]

# Bodies that are read whole.  The largest that AWS allows: a state machine definition of 1 MiB as JSON text in JSON,
# a list of 1,000 keys to delete of about 2 MiB.
MAX_BODY_BYTES = 8 * 1024 * 1024

# So long a body may stand still.  S3 has a limit of this kind, too, and clients try again.
BODY_SECONDS = 60.0

# The rest of a refused request is read up to this size, so that its sender sees the answer.
_MAX_DRAINED_BYTES = 1024 * 1024

_LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)

_LOGGER = logging.getLogger(__name__)


class ClientDisconnectedError(Exception):
    """The client went away before its request was complete: nobody is there to answer."""


class HttpApi:
    """Serve ``services``, by the name that requests are signed for, to holders of ``credentials``.

    Parameters
    ----------
    services : Mapping[str, Service]
        Such as ``{"s3": ..., "states": ...}``.
    credentials : Mapping[str, Credential]
        By access key id; looked up at each request, so keys may be added while serving.
    clock : Callable[[], float]
        Seconds since the epoch, for the age of signatures.
    on_request : callable
        Called with access key id, service and operation of each authenticated request; raises :class:`ServiceError` to
        answer with that instead.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        credentials: Mapping[str, Credential],
        *,
        clock: Callable[[], float] = time.time,
        on_request: OnRequest = lambda _access_key_id, _service, _operation: None,
    ) -> None:
        self._services = dict(services)
        # Tells the format of an error before it is known which service is meant.
        self._fallbacks = {True: load_api("states"), False: load_api("s3")}
        self._credentials = credentials
        self._clock = clock
        self._on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"expected an HTTP request, got {scope['type']!r}")
        request = _read_head(scope)
        body = _Body(receive, lambda: trust(scope))
        try:
            response = await self._answer(request, body)
            reusable = await body.drain("expect" in request.headers)
        except ClientDisconnectedError:
            return
        await _send_response(response, receive, send, close=not reusable)

    async def _answer(self, request: HttpRequest, body: _Body) -> HttpResponse:
        api = self._fallbacks["x-amz-target" in request.headers]
        try:
            _check_host(request, api.faults)
            authorization = parse_authorization(request, api.faults)
            api = self._find_api(authorization, api.faults)
            return await self._call(api, request, authorization, body)
        except ServiceError as error:
            return api.encode_error(error)
        except ClientDisconnectedError:
            raise
        except Exception:
            # Query and headers may hold credentials, so they are not logged.
            _LOGGER.exception("%s %s failed", request.method, request.path)
            return api.encode_error(api.faults.internal("internal error, the server's log has its cause"))

    def _find_api(self, authorization: Authorization, faults: Faults) -> ServiceApi:
        if authorization.service not in self._services:
            served = ", ".join(sorted(self._services))
            raise faults.bad_authorization(f"service {authorization.service!r} is not served here, allowed: {served}")
        return load_api(authorization.service)  # models that nobody asks for are not loaded

    async def _call(
        self, api: ServiceApi, request: HttpRequest, authorization: Authorization, body: _Body
    ) -> HttpResponse:
        head = check_head(request, authorization, self._credentials, now_seconds=self._clock(), faults=api.faults)
        signs_header = authorization.service == "s3"
        whole = None if signs_header else await _read_whole(body, api.faults)
        digest = None if whole is None else hashlib.sha256(whole).hexdigest()
        principal = authenticate(head, payload_sha256=digest, faults=api.faults)
        body.trust()
        match = api.route(request)
        self._on_request(authorization.access_key_id, authorization.service, match.operation.name)
        content: bytes | RequestBody
        if whole is not None:
            content = whole
        else:
            content = open_payload(request.headers, aiter(body))
            if not match.operation.get_streaming_input():
                content = await _read_whole(content, api.faults)
                check_digests(_headers_of_body(match.operation, request.headers), content)
        params = api.decode(match, request, content)
        result = await self._services[authorization.service].handle(match.operation.name, params, principal)
        return api.encode(match.operation, result)


def _headers_of_body(operation: OperationModel, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without the operation's own parameters: a checksum among those is that of an object."""
    members = operation.input_shape.members.values() if operation.input_shape else ()
    own = {member.serialization["name"].lower() for member in members if "name" in member.serialization}
    return {name: text for name, text in headers.items() if name == "content-md5" or name not in own}


def _read_head(scope: Scope) -> HttpRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return HttpRequest(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
    )


def _check_host(request: HttpRequest, faults: Faults) -> None:
    host = request.headers.get("host", "")
    if not _LOOPBACK_HOST.fullmatch(host):
        raise ServiceError(
            faults.not_authenticated.code,
            f"header Host must be 127.0.0.1, localhost or [::1] with the server's port, got {host!r}",
            403,
        )


def _late() -> ServiceError:
    return ServiceError("RequestTimeout", f"nothing of the request's body arrived for {BODY_SECONDS:g} s", 400)


class _Body:
    """The body of one request as it arrives."""

    def __init__(self, receive: Receive, trust: Callable[[], None]) -> None:
        self._receive = receive
        self.trust = trust
        self._is_touched = False
        self._is_complete = False
        self._is_late = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._is_complete:
            self._is_touched = True
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    message = await self._receive()
            except TimeoutError:
                self._is_late = True
                raise _late() from None
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
            self._is_complete = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]

    async def drain(self, expects_continue: bool) -> bool:
        """Read what the answer didn't need, within reason; say if the connection can be used again.

        A client that waits for ``100 Continue`` and gets an answer instead doesn't send its body at all.
        """
        if expects_continue and not self._is_touched:
            return False
        if self._is_late:
            return False
        drained = 0
        try:
            async for chunk in self:
                drained += len(chunk)
                if drained > _MAX_DRAINED_BYTES:
                    return False
        except ServiceError:
            return False
        return True


async def _read_whole(body: _Body | RequestBody, faults: Faults) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in body:
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise faults.too_large(f"the body of the request is over {MAX_BODY_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


async def _send_response(response: HttpResponse, receive: Receive, send: Send, *, close: bool) -> None:
    request_id = str(uuid.uuid4())
    headers = {"x-amz-request-id": request_id, "x-amzn-requestid": request_id} | response.headers
    if isinstance(response.body, bytes) and response.status not in (204, 304):
        headers.setdefault("content-length", str(len(response.body)))
    if close:
        headers["connection"] = "close"
    raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    start = {"type": "http.response.start", "status": response.status, "headers": raw_headers}
    if isinstance(response.body, bytes):
        await send(start)
        await send({"type": "http.response.body", "body": response.body})
        return
    try:
        await send(start)
        await _send_stream(response.body, receive, send)
    finally:
        await response.body.aclose()


async def _send_stream(body: ResponseBody, receive: Receive, send: Send) -> None:
    # The request is complete, so all that can still be received is that the client went away.
    disconnected = asyncio.ensure_future(receive())
    try:
        async for chunk in body:
            if disconnected.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        disconnected.cancel()
