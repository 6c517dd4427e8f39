"""Keys and files: an object is a file under its own key wherever a file system can hold that name.

The other objects are files under ``.other/<bucket>``, named by the SHA-256 of the key.  Bucket names don't start with a
dot, so what does, in the store's root, is the store's own.
"""

from __future__ import annotations

import hashlib
import re

from sfn_local.object_store.errors import InvalidKeyError, ObjectStoreError

# Source: Amazon S3 user guide, "Naming Amazon S3 objects".
MAX_KEY_BYTES = 1024

# Source: Amazon S3 user guide, "General purpose bucket naming rules".
_BUCKET_NAME = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# Longest file name of ext4, xfs, btrfs and APFS; where less is allowed, the other place is used.
_MAX_SEGMENT_BYTES = 255


def check_bucket_name(name: str) -> None:
    """Refuse what S3 would not take as the name of a bucket."""
    if not _BUCKET_NAME.fullmatch(name):
        message = f"bucket name must be 3 to 63 lower case letters, digits, dots and hyphens, got {name!r}"
        raise ObjectStoreError("InvalidBucketName", message)


def encode_key(key: str) -> bytes:
    """Return the bytes by which keys are ordered.

    Raises
    ------
    InvalidKeyError
        For what S3 would not take as a key.
    """
    try:
        encoded = key.encode()
    except UnicodeEncodeError as error:
        raise InvalidKeyError("InvalidArgument", f"key must be Unicode text, got {key!r}") from error
    if not encoded:
        raise InvalidKeyError("InvalidArgument", "key must not be empty")
    if len(encoded) > MAX_KEY_BYTES:
        message = f"key must be at most {MAX_KEY_BYTES} bytes of UTF-8, got {len(encoded)}"
        raise InvalidKeyError("KeyTooLongError", message)
    return encoded


def mapped_path(bucket: str, key: str) -> str | None:
    """Return the path under the key itself; None if no file can have that name."""
    return f"{bucket}/{key}" if all(_is_plain(segment) for segment in key.split("/")) else None


def _is_plain(segment: str) -> bool:
    return segment not in ("", ".", "..") and "\0" not in segment and len(segment.encode()) <= _MAX_SEGMENT_BYTES


def fallback_path(bucket: str, key: str) -> str:
    return f".other/{bucket}/{hashlib.sha256(key.encode()).hexdigest()}"
