"""A stand-in for the native module `runtime_client` of awslambdaric, where its package has none (macOS).

Same four functions, same requests on the wire, same errors.  `sfn_local.lambda_runtime.worker` puts it in the native
module's place before it imports awslambdaric.

**Differs from AWS:** a refused `next` raises the `RuntimeError` that the native module means to raise; that one
crashes.
"""

import http.client
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_INVOCATION = "/2018-06-01/runtime/invocation"
_REQUEST_ID = "Lambda-Runtime-Aws-Request-Id"
_FUNCTION_ARN = "Lambda-Runtime-Invoked-Function-Arn"
_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_OPTIONAL = (
    "Content-Type",
    "Lambda-Runtime-Aws-Tenant-Id",
    "Lambda-Runtime-Client-Context",
    "Lambda-Runtime-Cognito-Identity",
    "Lambda-Runtime-Invocation-Id",
    "Lambda-Runtime-Trace-Id",
)

_Answer = TypeVar("_Answer")


class _Client:
    """One kept-alive connection to the Runtime API; http.client opens it again after a close that was announced."""

    def __init__(self, address: str, user_agent: str) -> None:
        host, slash, prefix = address.partition("/")
        self._prefix = slash + prefix
        self._connection = http.client.HTTPConnection(host)
        self._headers = {"Accept": "*/*", "User-Agent": user_agent}

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request and read the whole answer.

        Raises
        ------
        RuntimeError
            If there is no answer, or one that is no success.
        """
        self._connection.putrequest(method, self._prefix + _INVOCATION + path, skip_accept_encoding=True)
        for name, value in {**self._headers, **(headers or {})}.items():
            self._connection.putheader(name, value.encode())
        if body is not None:
            self._connection.putheader("content-length", str(len(body)))
        self._connection.endheaders(body)
        response = self._connection.getresponse()
        answer = response.read()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"Http response code: {response.status}. {answer.decode(errors='replace')}")
        return response, answer


_clients: list[_Client] = []


def initialize_client(user_agent: str) -> None:
    _clients[:] = [_Client(os.environ.get("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"), user_agent)]


def next() -> tuple[bytes, dict[str, Any]]:  # noqa: A001 - the native module's name
    """Wait for an invocation: its payload and its headers, those that are absent as None."""
    response, payload = _ask("Failed to get next", lambda client: client.send("GET", "/next"))
    headers: dict[str, Any] = {name: response.getheader(name) or None for name in _OPTIONAL}
    headers[_REQUEST_ID] = response.getheader(_REQUEST_ID)
    headers[_FUNCTION_ARN] = response.getheader(_FUNCTION_ARN, "")
    headers[_DEADLINE] = int(response.getheader(_DEADLINE, "0"))
    if headers[_REQUEST_ID] is None:
        raise RuntimeError("Failed to get next")
    return payload, headers


def post_invocation_result(invoke_id: str, result: bytes, content_type: str, invocation_id: str | None) -> None:
    headers = {"content-type": content_type, **_invocation_header(invocation_id)}
    _ask(
        "Failed to post invocation response",
        lambda client: client.send("POST", f"/{invoke_id}/response", result, headers),
    )


def post_error(invoke_id: str, error: str, xray_fault: str, invocation_id: str | None) -> None:
    headers = {"content-type": "application/json", **_invocation_header(invocation_id)}
    if xray_fault:
        headers["lambda-runtime-function-xray-error-cause"] = xray_fault
    _ask(
        "Failed to post invocation error",
        lambda client: client.send("POST", f"/{invoke_id}/error", error.encode(), headers),
    )


def _invocation_header(invocation_id: str | None) -> dict[str, str]:
    return {} if invocation_id is None else {"lambda-runtime-invocation-id": invocation_id}


def _ask(failure: str, request: Callable[[_Client], _Answer]) -> _Answer:
    if not _clients:
        raise RuntimeError("Client not yet initalized")  # the native module's spelling
    try:
        return request(_clients[0])
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        print(f"LAMBDA_RUNTIME {failure}: {error}", file=sys.stderr)  # noqa: T201 - where the native module reports it
        raise RuntimeError(failure) from None
