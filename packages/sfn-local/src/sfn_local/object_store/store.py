"""The object store's interface: buckets, and objects that are written whole, read, listed and deleted."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import BinaryIO

from sfn_local.object_store import paths
from sfn_local.object_store.content import Content
from sfn_local.object_store.errors import LinkError, NoSuchBucketError, NoSuchKeyError, ObjectStoreError
from sfn_local.object_store.index import Index
from sfn_local.object_store.listing import MAX_PAGE_ENTRIES, list_page
from sfn_local.object_store.records import (
    DEFAULT_CONTENT_TYPE,
    NO_CONDITION,
    Attributes,
    BucketInfo,
    Condition,
    Listing,
    ObjectInfo,
    StoredObject,
)
from sfn_local.object_store.staging import StagedFile
from sfn_local.object_store.uploads import MIN_PART_BYTES, MultipartUploads
from sfn_local.object_store.writer import Writer

INDEX = ".index.sqlite"


class ObjectStore:
    """Open or make the store in a folder; safe to use from many threads, of one process at a time.

    Parameters
    ----------
    root : Path
        Made if missing.
    state : Path or None
        Folder of the index and of what is written, where that is not the root: a copy of the index reads objects that
        can't be written to.
    clock : Callable[[], int]
        Nanoseconds since the epoch.
    min_part_bytes : int
        Least size of all parts of a multipart upload but the last.

    Attributes
    ----------
    root : Path
        The folder.
    uploads : MultipartUploads
        Objects that are uploaded in parts.

    Raises
    ------
    BlockingIOError
        If another process has the store open.
    """

    def __init__(
        self,
        root: Path,
        *,
        state: Path | None = None,
        clock: Callable[[], int] = time.time_ns,
        min_part_bytes: int = MIN_PART_BYTES,
    ) -> None:
        state = state or root
        state.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._clock = clock
        with ExitStack() as resources:
            # A POSIX lock: it ends with the process, and child processes don't inherit it.
            lock = resources.enter_context((state / ".lock").open("w"))
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._index = resources.enter_context(closing(Index(state / INDEX)))
            self._content = Content(root, state / ".staging", self._index, clock)
            self.uploads = MultipartUploads(state / ".parts", self._index, self._content, clock, min_part_bytes)
            self._resources = resources.pop_all()

    def close(self) -> None:
        self._resources.close()

    def create_bucket(self, name: str) -> None:
        """Make a bucket.

        Raises
        ------
        ObjectStoreError
            InvalidBucketName, BucketAlreadyOwnedByYou.
        """
        paths.check_bucket_name(name)
        with self._content.lock:
            if self._index.find_bucket(name):
                raise ObjectStoreError("BucketAlreadyOwnedByYou", f"the bucket exists already: {name}", 409)
            self._content.file(name).mkdir(exist_ok=True)
            self._index.add_bucket(BucketInfo(name, self._clock()))

    def delete_bucket(self, name: str) -> None:
        """Remove a bucket.

        Raises
        ------
        ObjectStoreError
            `NoSuchBucketError`; BucketNotEmpty.
        """
        with self._content.lock:
            self.require_bucket(name)
            if self.list(name, max_keys=1).objects or self.uploads.list(name):
                raise ObjectStoreError("BucketNotEmpty", f"the bucket has objects or uploads: {name}", 409)
            self._index.delete_bucket(name)
            with suppress(OSError):  # what somebody else put there stays
                self._content.file(name).rmdir()

    def buckets(self) -> Sequence[BucketInfo]:
        return self._index.buckets()

    def require_bucket(self, name: str) -> BucketInfo:
        """Return a bucket, or raise `NoSuchBucketError`."""
        bucket = self._index.find_bucket(name)
        if bucket is None:
            raise NoSuchBucketError(name)
        return bucket

    def put(
        self,
        bucket: str,
        key: str,
        chunks: Iterable[bytes],
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
    ) -> ObjectInfo:
        """Write an object whole; with ``if_none_match`` only where there is none.

        Raises
        ------
        ObjectStoreError
            `NoSuchBucketError`, `InvalidKeyError`, `PreconditionFailedError`.
        """
        attributes = Attributes(content_type or DEFAULT_CONTENT_TYPE, metadata or {})
        condition = Condition(if_none_match=if_none_match)
        with self.open_writer(bucket, key, attributes=attributes, condition=condition) as writer:
            for chunk in chunks:
                writer.write(chunk)
        return writer.commit()

    def open_writer(
        self,
        bucket: str,
        key: str,
        *,
        attributes: Attributes | None = None,
        condition: Condition = NO_CONDITION,
        checksum_algorithm: str | None = None,
    ) -> Writer[ObjectInfo]:
        """Begin an object; nothing of it is seen before the writer's ``commit``.

        Raises
        ------
        ObjectStoreError
            As for `put`; `PreconditionFailedError` at ``commit``.
        """
        self.require_bucket(bucket)
        paths.encode_key(key)

        def finish(staged: StagedFile) -> ObjectInfo:
            return self._content.publish(
                staged,
                bucket,
                key,
                etag=staged.etag,
                attributes=attributes or Attributes(),
                checksum=staged.checksum,
                check=lambda current: condition.check(bucket, key, current),
            )

        return Writer(self._content.stage(checksum_algorithm), finish)

    def info(self, bucket: str, key: str) -> ObjectInfo:
        """Describe an object, or raise `NoSuchBucketError` or `NoSuchKeyError`."""
        stored = self._content.find(bucket, key)
        if stored is None:
            self.require_bucket(bucket)
            raise NoSuchKeyError(bucket, key)
        return stored.info

    def open(self, bucket: str, key: str) -> BinaryIO:
        """Open an object for reading, as `open_with_info` does."""
        return self.open_with_info(bucket, key)[1]

    def open_with_info(self, bucket: str, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """Describe and open one and the same version of an object; writes that follow don't change what is read."""
        opened = self._content.open(bucket, key)
        if opened is None:
            self.require_bucket(bucket)
            raise NoSuchKeyError(bucket, key)
        return opened

    def list(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str = "",
        start_after: str = "",
        token: str | None = None,
        max_keys: int = MAX_PAGE_ENTRIES,
    ) -> Listing:
        """List a page of objects, in the UTF-8 order of their keys.

        Parameters
        ----------
        token : str or None
            ``next_token`` of the page before; ``start_after`` is ignored then.

        Raises
        ------
        ObjectStoreError
            `NoSuchBucketError`; InvalidArgument for a token that is not one.
        """
        self.require_bucket(bucket)

        def settle(stored: StoredObject) -> ObjectInfo | None:
            try:
                settled = self._content.settle(stored)
            except LinkError:
                return None  # the others are listed
            return settled.info if settled else None

        return list_page(
            lambda lower, upper, limit: self._index.objects_between(bucket, lower, upper, limit),
            settle,
            prefix=prefix,
            delimiter=delimiter,
            start_after=start_after,
            token=token,
            max_keys=min(max_keys, MAX_PAGE_ENTRIES),
        )

    def delete(self, bucket: str, *keys: str) -> None:
        """Delete objects, all in one transaction; a key without an object is no error."""
        self.require_bucket(bucket)
        self._content.remove(bucket, keys)
