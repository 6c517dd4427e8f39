"""Writing an object or a part piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from sfn_local.object_store.records import Checksum
from sfn_local.object_store.staging import StagedFile

T = TypeVar("T")


class Writer(Generic[T]):
    """Collect content; `commit`, or leaving a ``with`` block, publishes it all at once, an exception leaves nothing."""

    def __init__(self, staged: StagedFile, finish: Callable[[StagedFile], T]) -> None:
        self._staged = staged
        self._finish = finish
        self._results: list[T] = []

    def write(self, data: bytes) -> int:
        return self._staged.write(data)

    @property
    def md5_base64(self) -> str:
        return self._staged.md5_base64

    @property
    def checksum(self) -> Checksum | None:
        """Digest of what was written, by the algorithm that the writer was opened with."""
        return self._staged.checksum

    def commit(self) -> T:
        """Publish what was written, once; later calls return the same."""
        if not self._results:
            self._results.append(self._finish(self._staged))
        return self._results[0]

    def discard(self) -> None:
        """Drop what was written, unless it is published."""
        self._staged.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error_type is None:
            self.commit()
        else:
            self.discard()
