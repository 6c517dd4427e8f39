"""Objects of S3 that are read to their end through a network that is lost in between.

A request that fails is sent again by its client, but an answer that breaks off is not: what has been read of it is
kept, and the rest asked for.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from botocore.response import StreamingBody

from hpc.targets.retries import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PATIENCE_SECONDS, say_patience

BROKEN_OFF = (HTTPClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)
ASKED = "hpc_asked_object"
BLOCK_BYTES = 65_536


def resume_downloads(client: Any, make_client: Callable[[], Any]) -> None:
    """Let a client of S3 go on with an object where its answer breaks off.

    Parameters
    ----------
    make_client
        Makes another client, which asks for the rest and whose answers may break off.
    """
    client.meta.events.register("before-parameter-build.s3.GetObject", _note_parameters)

    def wrap(*, parsed: dict[str, Any], context: Mapping[str, Any], **_: object) -> None:
        if "Body" in parsed and ASKED in context:
            raw = _ResumedStream(make_client, context[ASKED], parsed)
            parsed["Body"] = StreamingBody(raw, parsed.get("ContentLength"))  # type: ignore[arg-type]

    client.meta.events.register("after-call.s3.GetObject", wrap)


def _note_parameters(*, params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context[ASKED] = dict(params)


class _ResumedStream:
    """Stream for a StreamingBody: the answers of one object, one after the other."""

    def __init__(self, make_client: Callable[[], Any], asked: dict[str, Any], parsed: Mapping[str, Any]) -> None:
        self._make_client, self._asked, self._etag = make_client, asked, parsed.get("ETag")
        self._body: Any = parsed["Body"]
        first, _, last = str(asked.get("Range", "bytes=0-")).removeprefix("bytes=").partition("-")
        self._position, self._last = int(first), last
        self._began = time.monotonic()
        self._pause = FIRST_PAUSE_SECONDS

    def read(self, amount: int | None = None) -> bytes:
        if amount is None:
            # In blocks, so that what came before a break is kept.
            return b"".join(iter(lambda: self.read(BLOCK_BYTES), b""))
        while True:
            try:
                data: bytes = self._body.read(amount)
            except BROKEN_OFF as error:
                self._resume(error)
            else:
                if data:
                    self._began, self._pause = time.monotonic(), FIRST_PAUSE_SECONDS
                self._position += len(data)
                return data

    def _resume(self, error: Exception) -> None:
        """Ask for the rest; raises the error where nothing has come for minutes."""
        if time.monotonic() - self._began + self._pause > PATIENCE_SECONDS:
            raise error
        if self._pause == FIRST_PAUSE_SECONDS:
            say_patience(error, is_expired=False)
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        same = {"IfMatch": self._etag} if self._etag else {}
        rest = {"Range": f"bytes={self._position}-{self._last}"}
        self._body = self._make_client().get_object(**self._asked | rest | same)["Body"]

    def close(self) -> None:
        self._body.close()
