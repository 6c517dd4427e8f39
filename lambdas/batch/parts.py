r"""Parts: what a child execution says about its items, short enough for a state.

A part covers neighbouring items. It is in the state itself, or in an object of its own where it is long::

    {"first": int, "count": int, "result": "<JSON text>", "failed": [{"index": int, "error": str}, ...]}
    {"first": int, "count": int, "failed_count": int, "key": "runs/<name>/parts/...", "bytes": int, "sha256": str}

``result`` is the combined result or, of a workload without ``combine``, the list of results in item order; it is JSON
*text*, because the service treats JSON numbers as doubles. It is absent if every item failed, ``failed`` if none did.

A result that is bytes is an object of its own, in the list ``{"key": "runs/<name>/parts/<index>.bin", "bytes": int,
"sha256": str}``; ``objects`` has the indexes of such items, and is absent if there are none.
"""

from collections.abc import Callable
from typing import Any

from lambdas.run_files import checksums as seals
from lambdas.run_files import json_text, storage
from lambdas.run_files.errors import WorkloadError
from lambdas.run_files.runs import run_key

# The service takes 256 KiB in a state; the rest is left for what it adds around the output.
MAX_OUTPUT_BYTES = 200_000
# A part this long is written out while the batch is still computing, so that memory stays bounded.
FLUSH_BYTES = 4 * 1024 * 1024
# Sum parses a part's text whole, at about ten times its length, and holds one bytes result at a time.
MAX_RESULT_BYTES = 16 * 1024 * 1024
MAX_OBJECT_BYTES = 256 * 1024 * 1024
MAX_ERROR_CHARACTERS = 500


def pointer(key: str, body: bytes) -> dict[str, Any]:
    """Return what stands for an object where it is spoken of."""
    return {"key": key, "bytes": len(body), "sha256": seals.digest(body)}


def describe_error(error: BaseException) -> str:
    """Return ``"TypeName: message"``, shortened, and escaped where it can't be encoded."""
    try:
        message = str(error)
    except Exception as own:
        message = f"its message can't be read: {type(own).__name__}"
    # Half of a surrogate pair would end the worker that sends it, and with it the batch.
    text = f"{type(error).__name__}: {message}".encode(errors="backslashreplace").decode()
    return json_text.shortened(text, MAX_ERROR_CHARACTERS)


class PartWriter:
    """Collects the results of consecutive items of one batch.

    Parameters
    ----------
    parts
        What earlier invocations for the batch returned.
    index
        From an item's position in the run to the index that a person knows it by.
    """

    def __init__(
        self,
        *,
        bucket: str,
        run: str,
        batch: int,
        first: int,
        combine: Callable[[Any, Any], Any] | None,
        parts: list[dict[str, Any]],
        index: Callable[[int], int] = int,
    ) -> None:
        self._bucket = bucket
        self._run = run
        self._batch = batch
        self._combine = combine
        self._parts = list(parts)
        self._index = index
        self.next = first
        self._begin()

    def _begin(self) -> None:
        self._first = self.next
        self._value: Any = None
        self._has_value = False
        self._texts: list[str] = []
        self._failed: list[dict[str, Any]] = []
        self._objects: list[int] = []
        self._bytes = 0

    def checked(self, value: Any) -> Any:
        """Return what ``add`` takes for a workload's result: JSON text or bytes, or to be combined the JSON value.

        Raises
        ------
        TypeError, ValueError
            If the result is neither JSON nor bytes, or too long.
        """
        if isinstance(value, bytes):
            if self._combine is not None:
                raise TypeError("bytes can't be combined: a workload with combine gives JSON")
            if len(value) > MAX_OBJECT_BYTES:
                raise ValueError(f"a result may have {MAX_OBJECT_BYTES} bytes, got {len(value)}")
            return value
        if self._combine is not None:
            return json_text.plain(value)
        return json_text.checked_text(value, max_bytes=MAX_RESULT_BYTES)

    def add(self, value: Any) -> None:
        """Take the result of the next item, as ``checked`` returned it."""
        if self._combine is None:
            text = self._store(value) if isinstance(value, bytes) else value
            self._texts.append(text)
            self._bytes += len(text)
        elif self._has_value:
            try:
                self._value = self._combine(self._value, value)
            except Exception as error:
                raise WorkloadError(
                    f"combine raised at item {self._index(self.next)}: {describe_error(error)}"
                ) from error
        else:
            self._value, self._has_value = value, True
        self._advance()

    def fail(self, error: str) -> None:
        """Take the next item as failed."""
        self._failed.append({"index": self.next, "error": error})
        self._bytes += len(error)
        self._advance()

    def _advance(self) -> None:
        self.next += 1
        if self._bytes >= FLUSH_BYTES:
            self._parts.append(self._spill(self._current()))
            self._begin()

    def _store(self, value: bytes) -> str:
        # By index: the same item computed twice writes the same object.
        key = run_key(self._run, f"parts/{self._index(self.next)}.bin")
        storage.put(self._bucket, key, value)
        self._objects.append(self.next)
        return json_text.to_text(pointer(key, value))

    def _current(self) -> dict[str, Any]:
        part: dict[str, Any] = {"first": self._first, "count": self.next - self._first}
        if self._has_value:
            part["result"] = self._combined_text()
        elif self._texts:
            part["result"] = f"[{','.join(self._texts)}]"
        if self._failed:
            part["failed"] = self._failed
        if self._objects:
            part["objects"] = self._objects
        return part

    def _combined_text(self) -> str:
        try:
            return json_text.checked_text(self._value, max_bytes=MAX_RESULT_BYTES)
        except (TypeError, ValueError) as error:
            raise WorkloadError(f"combine must return JSON, at item {self._index(self.next - 1)}: {error}") from error

    def _spill(self, part: dict[str, Any]) -> dict[str, Any]:
        first, count = part["first"], part["count"]
        # Range and content belong together: the same items computed twice write the same object.
        key = run_key(self._run, f"parts/{self._batch}-{first}-{count}.json")
        body = json_text.to_text(part).encode()
        storage.put(self._bucket, key, body)
        failed_count = len(part.get("failed", ()))
        return {"first": first, "count": count, "failed_count": failed_count, **pointer(key, body)}

    def parts(self) -> list[dict[str, Any]]:
        """Return all parts so far, the longest of them in S3 if they are too long together."""
        if self.next > self._first:
            self._parts.append(self._current())
            self._begin()
        # Measured as text inside text, which is what a result is to the service.
        sizes = [len(json_text.to_text(part)) for part in self._parts]
        while sum(sizes) > MAX_OUTPUT_BYTES:
            longest = max(range(len(sizes)), key=sizes.__getitem__)
            if "key" in self._parts[longest]:
                raise WorkloadError(
                    f"batch {self._batch} has {len(sizes)} parts, too many for a state: use smaller batches"
                )
            self._parts[longest] = self._spill(self._parts[longest])
            sizes[longest] = len(json_text.to_text(self._parts[longest]))
        return self._parts
