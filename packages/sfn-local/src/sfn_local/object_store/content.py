"""Objects as files: how a staged file gets its place, how one leaves it, and how index and files agree again.

A write is staged in a file of its own, made durable, entered into the index and then moved into place, so that
whoever reads sees the old object or the new one, whole, whenever the process or the machine stops:

- before the entry, nothing refers to the staged file, and the next start removes it;
- between entry and move, the entry names the staged file, and the next start, or read, moves it.

A deletion goes the same way back.  An object's file is the truth about its content: where somebody changed or removed
it, the index follows at the next look.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from sfn_local.object_store import paths
from sfn_local.object_store.errors import LinkError
from sfn_local.object_store.index import Index
from sfn_local.object_store.records import Attributes, Checksum, ObjectInfo, StoredObject
from sfn_local.object_store.staging import StagedFile

_LOGGER = logging.getLogger(__name__)

# Called with the object that a write replaces; raises to refuse the write.
Check = Callable[[StoredObject | None], None]


class Content:
    """The files of a store and what the index says of them; ``lock`` orders all changes."""

    def __init__(self, root: Path, staging: Path, index: Index, clock: Callable[[], int]) -> None:
        self.lock = threading.RLock()
        self._root = root
        self._staging = staging
        self._staging.mkdir(parents=True, exist_ok=True)
        self._index = index
        self._clock = clock
        self._recover()

    def stage(self, checksum_algorithm: str | None) -> StagedFile:
        return StagedFile(self._staging, checksum_algorithm)

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object as it is now."""
        stored = self._index.find_object(bucket, paths.encode_key(key))
        return self.settle(stored) if stored else None

    def settle(self, stored: StoredObject) -> StoredObject | None:
        """Return an object of the index as it is now: changed if its file was, None if it is gone.

        Raises
        ------
        LinkError
            If a symbolic link is in its place.
        """
        if self._is_unchanged(stored):
            return stored
        with self.lock:
            return self._settle_again(stored.info.bucket, stored.info.key)

    def file(self, path: str) -> Path:
        """Return the place of a file of the store; raise `LinkError` where a link would lead elsewhere."""
        place = self._root
        for part in path.split("/"):
            place /= part
            if place.is_symlink():
                raise LinkError(place)
        return place

    def open(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO] | None:
        """Open an object; the file stays the version that the information describes, whatever is written later."""
        stored = self._index.find_object(bucket, paths.encode_key(key))
        file = self._open_unchanged(stored) if stored else None
        if stored and file:
            return stored.info, file
        with self.lock:
            stored = self._settle_again(bucket, key)
            return (stored.info, self._open_file(stored.path)) if stored else None

    def publish(
        self,
        staged: StagedFile,
        bucket: str,
        key: str,
        *,
        etag: str,
        attributes: Attributes,
        checksum: Checksum | None,
        check: Check,
        finished_upload_id: str = "",
    ) -> ObjectInfo:
        """Make a staged file the object at a key, all at once; the staged file is no longer the caller's."""
        try:
            sealed = staged.seal(self._clock())
            info = ObjectInfo(bucket, key, sealed.size, etag, sealed.modified_ns, attributes, checksum)
            with self.lock:
                current = self.find(bucket, key)
                check(current)
                path = current.path if current else self._claim_path(bucket, key)
                stored = StoredObject(info, path, sealed.token)
                self._index.put_object(stored, finished_upload_id)
                staged.release()
                self._place(stored)
        finally:
            staged.discard()
        return info

    def remove(self, bucket: str, keys: Sequence[str]) -> None:
        """Remove objects, all or none; keys without an object are passed over."""
        with self.lock:
            found = [stored for key in keys if (stored := self.find(bucket, key))]
            for stored in found:
                self.file(stored.path).replace(self._staging / stored.token)
            self._index.delete_objects(bucket, [stored.info.key.encode() for stored in found])
            for stored in found:
                (self._staging / stored.token).unlink(missing_ok=True)
                self._prune(stored.path)

    def _recover(self) -> None:
        tokens = [entry.name for entry in os.scandir(self._staging)]
        if not tokens:
            return
        for stored in self._index.objects_with_tokens(tokens):
            self._place(stored)
        for token in tokens:
            (self._staging / token).unlink(missing_ok=True)

    def _is_unchanged(self, stored: StoredObject) -> bool:
        try:
            return _is_described(self.file(stored.path).lstat(), stored.info)
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _open_file(self, path: str) -> BufferedReader:
        """Open a regular file; what else may be in its place (a folder, a pipe that nobody writes to) is no object."""
        descriptor = os.open(self.file(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "is not a regular file", path)

    def _open_unchanged(self, stored: StoredObject) -> BinaryIO | None:
        try:
            file = self._open_file(stored.path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        if _is_described(os.fstat(file.fileno()), stored.info):
            return file
        file.close()
        return None

    def _settle_again(self, bucket: str, key: str) -> StoredObject | None:
        """Settle an object with the lock held, so that what differs is not a write that is about to finish."""
        stored = self._index.find_object(bucket, paths.encode_key(key))
        if stored is None or self._is_unchanged(stored):
            return stored
        if (self._staging / stored.token).exists():
            self._place(stored)
            return stored
        try:
            return self._read_again(stored)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            _LOGGER.warning("the file of s3://%s/%s is gone, so is the object", bucket, key)
            self._index.delete_objects(bucket, [key.encode()])
            return None

    def _read_again(self, stored: StoredObject) -> StoredObject:
        with self._open_file(stored.path) as file:
            found = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        info = replace(
            stored.info, size=found.st_size, etag=digest.hexdigest(), modified_ns=found.st_mtime_ns, checksum=None
        )
        _LOGGER.warning("the file of s3://%s/%s was changed, so is the object", info.bucket, info.key)
        changed = replace(stored, info=info)
        self._index.put_object(changed)
        return changed

    def _claim_path(self, bucket: str, key: str) -> str:
        mapped = paths.mapped_path(bucket, key)
        return mapped if mapped and self._is_free(self.file(mapped)) else paths.fallback_path(bucket, key)

    @staticmethod
    def _is_free(path: Path) -> bool:
        """Say if a file can be made at ``path``.

        It can't where a folder, the file of another key or a name that the file system takes for the same one is.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.lstat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return False

    def _place(self, stored: StoredObject) -> None:
        path = self.file(stored.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        (self._staging / stored.token).replace(path)

    def _prune(self, path: str) -> None:
        """Remove the folders that were made for a path and are empty now, up to the bucket's own."""
        with suppress(OSError):
            for folder in list(Path(path).parents)[:-2]:
                (self._root / folder).rmdir()


def _is_described(found: os.stat_result, info: ObjectInfo) -> bool:
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == (info.size, info.modified_ns)
