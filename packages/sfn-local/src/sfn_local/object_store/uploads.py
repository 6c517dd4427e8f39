"""Multipart uploads: parts are files of their own until they become an object, all at once."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfn_local.object_store import paths
from sfn_local.object_store.content import Content
from sfn_local.object_store.errors import NoSuchBucketError, NoSuchUploadError, ObjectStoreError
from sfn_local.object_store.index import Index
from sfn_local.object_store.records import (
    NO_CONDITION,
    Attributes,
    Checksum,
    Condition,
    ObjectInfo,
    Part,
    StoredObject,
    Upload,
)
from sfn_local.object_store.staging import StagedFile
from sfn_local.object_store.writer import Writer
from sfn_local.protocol.checksums import bad_digest, checksum_header, is_of_full_object, join_digests, new_checksum

# Source: Amazon S3 user guide, "Amazon S3 multipart upload limits".
MIN_PART_BYTES = 5 * 1024 * 1024
MAX_PART_NUMBER = 10_000


@dataclass(frozen=True)
class CompletedPart:
    """A part as the completing request names it; ``etag`` without quotes, ``checksum`` as base64."""

    number: int
    etag: str
    checksum: str | None = None


class MultipartUploads:
    """The multipart uploads of a store."""

    def __init__(
        self, folder: Path, index: Index, content: Content, clock: Callable[[], int], min_part_bytes: int
    ) -> None:
        self._folder = folder
        self._index = index
        self._content = content
        self._clock = clock
        self._min_part_bytes = min_part_bytes
        folder.mkdir(exist_ok=True)
        self._remove_unknown_files()

    def _remove_unknown_files(self) -> None:
        known = self._index.part_tokens()
        for entry in os.scandir(self._folder):
            if entry.name not in known:
                (self._folder / entry.name).unlink()

    def create(
        self,
        bucket: str,
        key: str,
        *,
        attributes: Attributes | None = None,
        checksum_algorithm: str | None = None,
        checksum_type: str | None = None,
    ) -> Upload:
        """Begin an upload.

        Raises
        ------
        ServiceError
            `NoSuchBucketError`, `InvalidKeyError`, NotImplemented for a checksum algorithm that is not supported,
            InvalidRequest for one that has no checksum of that type.
        """
        if self._index.find_bucket(bucket) is None:
            raise NoSuchBucketError(bucket)
        paths.encode_key(key)
        is_full_object = False
        if checksum_algorithm:
            new_checksum(checksum_algorithm)
            is_full_object = is_of_full_object(checksum_algorithm, checksum_type)
        upload_id = uuid.uuid4().hex
        attributes = attributes or Attributes()
        upload = Upload(upload_id, bucket, key, self._clock(), attributes, checksum_algorithm, is_full_object)
        self._index.add_upload(upload)
        return upload

    def find(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload, or raise `NoSuchBucketError` or `NoSuchUploadError`."""
        upload = self._index.find_upload(bucket, paths.encode_key(key), upload_id)
        if upload is None:
            if self._index.find_bucket(bucket) is None:
                raise NoSuchBucketError(bucket)
            raise NoSuchUploadError(upload_id)
        return upload

    def list(self, bucket: str) -> Sequence[Upload]:
        """Return the uploads in a bucket, by key and time."""
        if self._index.find_bucket(bucket) is None:
            raise NoSuchBucketError(bucket)
        return self._index.uploads(bucket)

    def parts(self, bucket: str, key: str, upload_id: str) -> Sequence[Part]:
        """Return the parts that are there, by number."""
        self.find(bucket, key, upload_id)
        return self._index.parts(upload_id)

    def open_part_writer(
        self, bucket: str, key: str, upload_id: str, number: int, *, checksum_algorithm: str | None = None
    ) -> Writer[Part]:
        """Begin a part; one that is there under this number is replaced at the writer's ``commit``."""
        if not 1 <= number <= MAX_PART_NUMBER:
            message = f"part number must be between 1 and {MAX_PART_NUMBER}, got {number}"
            raise ObjectStoreError("InvalidArgument", message)
        upload = self.find(bucket, key, upload_id)
        if upload.is_full_object and checksum_algorithm is None:
            checksum_algorithm = upload.checksum_algorithm
        if upload.checksum_algorithm not in (None, checksum_algorithm):
            message = f"the upload's checksums are {upload.checksum_algorithm}, the part's {checksum_algorithm}"
            raise ObjectStoreError("InvalidRequest", message)

        def finish(staged: StagedFile) -> Part:
            return self._add_part(upload, number, staged)

        return Writer(StagedFile(self._folder, checksum_algorithm), finish)

    def _add_part(self, upload: Upload, number: int, staged: StagedFile) -> Part:
        try:
            sealed = staged.seal(self._clock())
            part = Part(number, sealed.size, staged.etag, sealed.modified_ns, sealed.token, staged.checksum)
            with self._content.lock:
                self.find(upload.bucket, upload.key, upload.upload_id)
                replaced = [old for old in self._index.parts(upload.upload_id) if old.number == number]
                self._index.put_part(upload.upload_id, part)
                staged.release()
        finally:
            staged.discard()
        self._unlink(replaced)
        return part

    def complete(
        self,
        bucket: str,
        key: str,
        upload_id: str,
        completed: Sequence[CompletedPart],
        *,
        condition: Condition = NO_CONDITION,
        checksum: Checksum | None = None,
    ) -> ObjectInfo:
        """Make the object from the parts that are named, in order, and drop the others.

        Raises
        ------
        ObjectStoreError
            InvalidPart, InvalidPartOrder, EntityTooSmall, MalformedXML for no part; `PreconditionFailedError`;
            BadDigest if ``checksum`` is not that of the parts.
        """
        upload = self.find(bucket, key, upload_id)
        uploaded = self._index.parts(upload_id)
        parts = self._choose_parts(upload, uploaded, completed)
        computed = _checksum(upload, parts)
        if checksum is not None and not _is_same(checksum, computed):
            header = checksum_header(checksum.algorithm)
            raise bad_digest(header, checksum.value, computed.value if computed else "none")

        def check(current: StoredObject | None) -> None:
            self.find(bucket, key, upload_id)
            condition.check(bucket, key, current)

        info = self._content.publish(
            self._join(parts),
            bucket,
            key,
            etag=_composite_etag(parts),
            attributes=upload.attributes,
            checksum=computed,
            check=check,
            finished_upload_id=upload_id,
        )
        self._unlink(uploaded)
        return info

    def _join(self, parts: Sequence[Part]) -> StagedFile:
        staged = self._content.stage(None)
        try:
            for part in parts:
                staged.append_file(self._folder / part.token)
        except BaseException:
            staged.discard()
            raise
        return staged

    def _choose_parts(
        self, upload: Upload, uploaded: Sequence[Part], completed: Sequence[CompletedPart]
    ) -> Sequence[Part]:
        if not completed:
            raise ObjectStoreError("MalformedXML", "complete a multipart upload with at least one part, got none")
        numbers = [part.number for part in completed]
        if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
            raise ObjectStoreError("InvalidPartOrder", f"parts must be named in ascending order, got {numbers[:10]}")
        by_number = {part.number: part for part in uploaded}
        parts = []
        for named in completed:
            part = by_number.get(named.number)
            if part is None or part.etag != named.etag:
                message = f"part {named.number} was not uploaded, or has another ETag than {named.etag}"
                raise ObjectStoreError("InvalidPart", message)
            _check_part_checksum(upload, part, named)
            parts.append(part)
        for part in parts[:-1]:
            if part.size < self._min_part_bytes:
                message = f"part {part.number} has {part.size} bytes, all but the last need {self._min_part_bytes}"
                raise ObjectStoreError("EntityTooSmall", message)
        return parts

    def abort(self, bucket: str, key: str, upload_id: str) -> None:
        """Drop an upload and its parts."""
        with self._content.lock:
            self.find(bucket, key, upload_id)
            parts = self._index.parts(upload_id)
            self._index.delete_upload(upload_id)
        self._unlink(parts)

    def _unlink(self, parts: Sequence[Part]) -> None:
        for part in parts:
            (self._folder / part.token).unlink(missing_ok=True)


def _check_part_checksum(upload: Upload, part: Part, named: CompletedPart) -> None:
    if named.checksum is None and upload.checksum_algorithm and not upload.is_full_object:
        message = f"the upload's checksums are {upload.checksum_algorithm}, part {part.number} is named without one"
        raise ObjectStoreError("InvalidRequest", message)
    if named.checksum is not None and (part.checksum is None or part.checksum.value != named.checksum):
        raise ObjectStoreError("InvalidPart", f"part {part.number} has another checksum than {named.checksum}")


def _composite_etag(parts: Sequence[Part]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        digest.update(bytes.fromhex(part.etag))
    return f"{digest.hexdigest()}-{len(parts)}"


def _is_same(given: Checksum, computed: Checksum | None) -> bool:
    """Compare a checksum with that of an upload; the number of parts behind it may be left out."""
    if computed is None or given.algorithm != computed.algorithm:
        return False
    return given.value in (computed.value, computed.value.partition("-")[0])


def _checksum(upload: Upload, parts: Sequence[Part]) -> Checksum | None:
    if upload.checksum_algorithm is None:
        return None
    digests = [part.checksum.value for part in parts if part.checksum]
    assert len(digests) == len(parts), "each part of an upload with checksums has one"
    if upload.is_full_object:
        sizes = (part.size for part in parts)
        whole = join_digests(upload.checksum_algorithm, list(zip(digests, sizes, strict=True)))
        return Checksum(upload.checksum_algorithm, whole)
    digest = new_checksum(upload.checksum_algorithm)
    for text in digests:
        digest.update(base64.b64decode(text))
    return Checksum(upload.checksum_algorithm, f"{digest.b64digest()}-{len(parts)}")
