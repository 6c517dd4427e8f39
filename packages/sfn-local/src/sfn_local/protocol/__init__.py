"""AWS wire protocols, server side: what service cores and their HTTP adapter share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ServiceError(Exception):
    """An error that a service answers with, under the name that AWS gives it.

    Parameters
    ----------
    code : str
        What a client sees as ``error.response["Error"]["Code"]``.
    message : str
        Goes to the caller: no secrets, no task tokens.
    status : int
        HTTP status; 304 answers a conditional read and has no body.
    headers : Mapping[str, str] or None
        Additional headers of the answer.
    """

    def __init__(self, code: str, message: str, status: int = 400, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}


class Service(Protocol):
    """The core of one service: an action and its validated parameters in, a result out."""

    async def handle(self, action: str, params: dict[str, Any], principal: str) -> dict[str, Any]:
        """Perform ``action``.

        A streaming parameter (``Body`` of PutObject) is a `sfn_local.protocol.messages.RequestBody`;
        a streaming result is ``bytes`` or a `sfn_local.protocol.messages.ResponseBody`.

        Raises
        ------
        ServiceError
            What the caller gets instead of a result.
        """
        ...
