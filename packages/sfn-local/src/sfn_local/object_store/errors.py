"""Errors of the object store, with S3's names."""

from __future__ import annotations

from pathlib import Path

from sfn_local.protocol import ServiceError


class ObjectStoreError(ServiceError):
    """Any fault of a call; the base of the ones that callers tell apart."""


class NoSuchBucketError(ObjectStoreError):
    def __init__(self, bucket: str) -> None:
        super().__init__("NoSuchBucket", f"the bucket does not exist: {bucket}", 404)


class NoSuchKeyError(ObjectStoreError):
    def __init__(self, bucket: str, key: str) -> None:
        super().__init__("NoSuchKey", f"the key does not exist: s3://{bucket}/{key}", 404)


class NoSuchUploadError(ObjectStoreError):
    def __init__(self, upload_id: str) -> None:
        message = f"the multipart upload does not exist, it may have been aborted or completed: {upload_id}"
        super().__init__("NoSuchUpload", message, 404)


class PreconditionFailedError(ObjectStoreError):
    def __init__(self, condition: str) -> None:
        super().__init__("PreconditionFailed", f"a precondition does not hold: {condition}", 412)


class LinkError(ObjectStoreError):
    """A symbolic link stands where an object's file or folder was: following it would leave the store."""

    def __init__(self, link: Path) -> None:
        super().__init__("AccessDenied", f"{link} is a symbolic link, which is not followed", 403)


class InvalidKeyError(ObjectStoreError):
    """The key is empty, too long or not Unicode."""
