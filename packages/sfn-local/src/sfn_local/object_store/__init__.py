"""S3's storage on this machine: a durable store of objects in plain files."""

from sfn_local.object_store.errors import (
    InvalidKeyError,
    NoSuchBucketError,
    NoSuchKeyError,
    NoSuchUploadError,
    ObjectStoreError,
    PreconditionFailedError,
)
from sfn_local.object_store.records import (
    Attributes,
    BucketInfo,
    Checksum,
    Condition,
    Listing,
    ObjectInfo,
    Part,
    Upload,
)
from sfn_local.object_store.store import ObjectStore
from sfn_local.object_store.uploads import CompletedPart
from sfn_local.object_store.writer import Writer

__all__ = [
    "Attributes",
    "BucketInfo",
    "Checksum",
    "CompletedPart",
    "Condition",
    "InvalidKeyError",
    "Listing",
    "NoSuchBucketError",
    "NoSuchKeyError",
    "NoSuchUploadError",
    "ObjectInfo",
    "ObjectStore",
    "ObjectStoreError",
    "Part",
    "PreconditionFailedError",
    "Upload",
    "Writer",
]
