"""Records of objects, parts and uploads in the object store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfn_local.object_store.errors import NoSuchKeyError, PreconditionFailedError

# Source: Amazon S3 user guide, default of Content-Type.
DEFAULT_CONTENT_TYPE = "binary/octet-stream"

# Names of PutObject's parameters; the content type is an attribute of its own.
STORED_HEADERS = frozenset({"CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires"})


@dataclass(frozen=True)
class Checksum:
    """A digest besides the ETag, as S3 writes it: base64, for a multipart upload followed by ``-<parts>``."""

    algorithm: str
    value: str

    @property
    def is_composite(self) -> bool:
        return "-" in self.value


@dataclass(frozen=True)
class Attributes:
    """Metadata that a client gives an object.

    Attributes
    ----------
    headers : Mapping[str, str]
        Others that come back with the object, by S3's parameter name: those in `STORED_HEADERS`.

    Raises
    ------
    ValueError
        For another header.
    """

    content_type: str = DEFAULT_CONTENT_TYPE
    metadata: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = sorted(self.headers.keys() - STORED_HEADERS)
        if unknown:
            raise ValueError(f"headers must be among {', '.join(sorted(STORED_HEADERS))}, got {', '.join(unknown)}")


@dataclass(frozen=True)
class ObjectInfo:
    """An object without its content.

    Attributes
    ----------
    etag : str
        Without quotes.
    modified_ns : int
        Nanoseconds since the epoch.
    """

    bucket: str
    key: str
    size: int
    etag: str
    modified_ns: int
    attributes: Attributes
    checksum: Checksum | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object and its place.

    Attributes
    ----------
    path : str
        Path of its file, relative to the store's root.
    token : str
        Names this version of its content; the name of the staged file until that is moved to ``path``.
    """

    info: ObjectInfo
    path: str
    token: str


@dataclass(frozen=True)
class Condition:
    """Conditions that the present object of a key must meet for a write.

    Attributes
    ----------
    if_none_match : bool
        There must be none.
    if_match : str or None
        Its ETag must be this, without quotes.
    """

    if_none_match: bool = False
    if_match: str | None = None

    def check(self, bucket: str, key: str, current: StoredObject | None) -> None:
        """Raise `PreconditionFailedError`, or `NoSuchKeyError` where an object must match and there is none."""
        if self.if_none_match and current:
            raise PreconditionFailedError(f"If-None-Match: there is an object at s3://{bucket}/{key}")
        if self.if_match is None:
            return
        if current is None:
            raise NoSuchKeyError(bucket, key)
        if self.if_match != current.info.etag:
            raise PreconditionFailedError(f"If-Match: the object at s3://{bucket}/{key} has another ETag")


NO_CONDITION = Condition()


@dataclass(frozen=True)
class BucketInfo:
    name: str
    created_ns: int


@dataclass(frozen=True)
class Upload:
    """A multipart upload that is neither completed nor aborted.

    Attributes
    ----------
    is_full_object : bool
        Its checksum is to be that of its bytes, and not one of its parts' checksums.
    """

    upload_id: str
    bucket: str
    key: str
    created_ns: int
    attributes: Attributes
    checksum_algorithm: str | None
    is_full_object: bool = False

    @property
    def checksum_type(self) -> str:
        return "FULL_OBJECT" if self.is_full_object else "COMPOSITE"


@dataclass(frozen=True)
class Part:
    """An uploaded part; ``token`` is the name of its file."""

    number: int
    size: int
    etag: str
    modified_ns: int
    token: str
    checksum: Checksum | None


@dataclass(frozen=True)
class Listing:
    """A page of a bucket's listing, in UTF-8 order of keys.

    Attributes
    ----------
    next_token : str or None
        Where the next page begins; None after the last one.
    """

    objects: list[ObjectInfo]
    common_prefixes: list[str]
    next_token: str | None
