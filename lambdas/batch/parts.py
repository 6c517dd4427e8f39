r"""Parts: what a child execution says about its items, short enough for a state.

A part covers neighbouring items. It is in the state itself, or in an object of its own where it is long::

    {"first": int, "count": int, "result": "<JSON text>",
     "failed": [{"index": int, "error_type": str, "message": str, "traceback": str}, ...]}
    {"first": int, "count": int, "failed_count": int, "key": "runs/<name>/parts/...", "bytes": int, "sha256": str}

``result`` is the combined result or, of a workload without ``combine``, the list of results in item order.  It
is text (``lambdas.values.typed_json``), because the service treats JSON numbers as doubles.  It is absent if all items
failed, ``failed`` if none did.  Long bytes and arrays of a result are objects of their own, and so is a result that is
bytes where results are listed: the text has pointers to them.
"""

from collections.abc import Callable
from typing import Any

from lambdas.contract.keys import run_key
from lambdas.contract.limits import MAX_OUTPUT_BYTES
from lambdas.results.combining import Combiner
from lambdas.run_files import checksums, json_text, storage
from lambdas.run_files.errors import WorkloadError
from lambdas.run_files.failures import Failure
from lambdas.values import typed_json
from lambdas.values.blocks import Blocks

# A part this long is written out while the batch is still computing, so that memory stays bounded.
FLUSH_BYTES = 4 * 1024 * 1024
# Sum parses a part's text whole, at about ten times its length.
MAX_RESULT_BYTES = 16 * 1024 * 1024


def pointer(key: str, body: bytes) -> dict[str, Any]:
    """Return what stands for an object where it is spoken of."""
    return {"key": key, "bytes": len(body), "sha256": checksums.sha256(body)}


def _short(text: str) -> str:
    if len(text) > MAX_RESULT_BYTES:
        raise ValueError(
            f"a result may have {MAX_RESULT_BYTES} bytes of JSON besides its long arrays and bytes, got {len(text)}"
        )
    return text


class PartWriter:
    """Collects the results of consecutive items of one batch.

    Parameters
    ----------
    combine
        Makes one of two results, given the place of the second.
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
        combine: Combiner | None,
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
        self._bytes = 0

    def checked(self, value: Any) -> Any:
        """Return what ``add`` takes for a workload's result: its text and blocks, or a copy that is to be combined.

        Raises
        ------
        TypeError, ValueError
            If the result can't be kept as it is, or is too long.
        """
        if self._combine is not None:
            # A copy: the workload may go on with what it returned.
            return typed_json.copied(value)
        # By index: the same item computed twice writes the same object.
        stem = run_key(self._run, f"parts/{self._index(self.next)}")
        blocks = Blocks(stem, has_inline=type(value) is not bytes)
        text = _short(typed_json.encode(value, blocks))
        return text, blocks

    def add(self, value: Any) -> None:
        """Take the result of the next item, as ``checked`` returned it."""
        if self._combine is None:
            text, blocks = value
            blocks.store(self._bucket)
            self._texts.append(text)
            self._bytes += len(text)
        elif self._has_value:
            self._value = self._combine(self._value, value, f"item {self._index(self.next)}")
        else:
            self._value, self._has_value = value, True
        self._advance()

    def add_numbers(self, values: list[Any]) -> None:
        """Take the results of the next items, all of them None, bool, int or finite float: nothing is to be checked."""
        if not values:
            return
        if self._combine is None:
            text = json_text.to_text(values)[1:-1]
            self._texts.append(text)
            self._bytes += len(text)
        else:
            if not self._has_value:
                self.add(values.pop(0))
            first = self.next
            self._value = self._combine.fold(self._value, values, lambda at: f"item {self._index(first + at)}")
        self._advance(len(values))

    def fail(self, failure: Failure) -> None:
        """Take the next item as failed."""
        self._failed.append({"index": self.next, **failure.to_json()})
        self._bytes += len(failure.message) + len(failure.traceback)
        self._advance()

    def _advance(self, count: int = 1) -> None:
        self.next += count
        if self._bytes >= FLUSH_BYTES:
            self._parts.append(self._spill(self._current()))
            self._begin()

    def _current(self) -> dict[str, Any]:
        part: dict[str, Any] = {"first": self._first, "count": self.next - self._first}
        if self._has_value:
            part["result"] = self._combined_text()
        elif self._texts:
            part["result"] = f"[{','.join(self._texts)}]"
        if self._failed:
            part["failed"] = self._failed
        return part

    def _combined_text(self) -> str:
        blocks = Blocks(run_key(self._run, f"parts/{self._batch}-{self._first}-{self.next - self._first}"))
        try:
            text = _short(typed_json.encode(self._value, blocks))
        except (TypeError, ValueError) as error:
            raise WorkloadError(
                f"what combine returned can't be kept, at item {self._index(self.next - 1)}: {error}"
            ) from error
        blocks.store(self._bucket)
        return text

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
