"""The S3 service core: which actions there are, and which of their parameters are understood.

**Differs from AWS:** a write that a full disk refuses is answered InsufficientStorage with status 507, which no client
tries again, and ends what runs where a function, job or state wrote it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sfn_local.disk import takes_no_more
from sfn_local.iam.sessions import PERSON
from sfn_local.object_store import ObjectStore
from sfn_local.protocol import ServiceError
from sfn_local.protocol.checksums import ALGORITHM_NAMES
from sfn_local.s3 import copies, listing, multipart, reads, writes
from sfn_local.s3.parameters import ATTRIBUTE_PARAMETERS, COPY_CONDITIONS, DIGEST_PARAMETERS, READ_CONDITIONS, Params
from sfn_local.s3.reads import Site

Result = dict[str, Any]

# With every action: refused unless it names the account that is served.
_OWNER = "ExpectedBucketOwner"


@dataclass(frozen=True)
class Action:
    """The function of an action, and the parameters that have an effect."""

    run: Callable[[Site, Params], Awaitable[Result]]
    parameters: frozenset[str]


def _streaming(run: Callable[[Site, Params], Awaitable[Result]], names: str, *sets: frozenset[str]) -> Action:
    return Action(run, frozenset(names.split()).union([_OWNER], *sets))


def _action(run: Callable[[Site, Params], Result], names: str, *sets: frozenset[str]) -> Action:
    async def run_in_thread(site: Site, params: Params) -> Result:
        return await asyncio.to_thread(run, site, params)

    return _streaming(run_in_thread, names, *sets)


_READ = READ_CONDITIONS | {"Range", "ChecksumMode"}

_ACTIONS = {
    "AbortMultipartUpload": _action(multipart.abort_multipart_upload, "Bucket Key UploadId"),
    "CompleteMultipartUpload": _action(
        multipart.complete_multipart_upload,
        "Bucket Key UploadId MultipartUpload ChecksumType IfMatch IfNoneMatch",
        frozenset(f"Checksum{name}" for name in ALGORITHM_NAMES),
    ),
    "CopyObject": _action(
        copies.copy_object,
        "Bucket Key CopySource MetadataDirective ChecksumAlgorithm IfMatch IfNoneMatch",
        ATTRIBUTE_PARAMETERS,
        COPY_CONDITIONS,
    ),
    "CreateBucket": _action(writes.create_bucket, "Bucket CreateBucketConfiguration"),
    "CreateMultipartUpload": _action(
        multipart.create_multipart_upload, "Bucket Key ChecksumAlgorithm ChecksumType", ATTRIBUTE_PARAMETERS
    ),
    "DeleteBucket": _action(writes.delete_bucket, "Bucket"),
    "DeleteObject": _action(writes.delete_object, "Bucket Key"),
    "DeleteObjects": _action(writes.delete_objects, "Bucket Delete ChecksumAlgorithm"),
    "GetBucketLocation": _action(reads.get_bucket_location, "Bucket"),
    "GetObject": _action(reads.get_object, "Bucket Key", _READ),
    "HeadBucket": _action(reads.head_bucket, "Bucket"),
    "HeadObject": _action(reads.head_object, "Bucket Key", _READ),
    "ListBuckets": _action(reads.list_buckets, ""),
    "ListMultipartUploads": _action(multipart.list_multipart_uploads, "Bucket Prefix EncodingType"),
    "ListObjects": _action(listing.list_objects, "Bucket Delimiter EncodingType Marker MaxKeys Prefix"),
    "ListObjectsV2": _action(
        listing.list_objects_v2,
        "Bucket ContinuationToken Delimiter EncodingType FetchOwner MaxKeys Prefix StartAfter",
    ),
    "ListParts": _action(multipart.list_parts, "Bucket Key UploadId MaxParts PartNumberMarker"),
    "PutObject": _streaming(
        writes.put_object,
        "Bucket Key Body ContentLength IfMatch IfNoneMatch",
        ATTRIBUTE_PARAMETERS,
        DIGEST_PARAMETERS,
    ),
    "UploadPart": _streaming(
        multipart.upload_part, "Bucket Key UploadId PartNumber Body ContentLength", DIGEST_PARAMETERS
    ),
    "UploadPartCopy": _action(
        copies.upload_part_copy, "Bucket Key UploadId PartNumber CopySource CopySourceRange", COPY_CONDITIONS
    ),
}


class S3Service:
    """Amazon S3's actions on ``store``.

    Parameters
    ----------
    on_full : callable
        Called with the reason when an object of a function, job or state can't be written because the disk is full.
    """

    def __init__(
        self, store: ObjectStore, *, region: str, account: str, on_full: Callable[[str], None] = lambda _reason: None
    ) -> None:
        self._site = Site(store, region, account)
        self._on_full = on_full

    async def handle(self, action: str, params: dict[str, Any], principal: str) -> dict[str, Any]:
        """Perform an action; see `sfn_local.protocol.Service`."""
        known = _ACTIONS.get(action)
        if known is None:
            raise ServiceError("NotImplemented", f"action {action} is not supported", 501)
        unsupported = sorted(params.keys() - known.parameters)
        if unsupported:
            raise ServiceError("NotImplemented", f"not supported in {action}: {', '.join(unsupported)}", 501)
        if params.get(_OWNER, self._site.account) != self._site.account:
            raise ServiceError("AccessDenied", f"the bucket belongs to another account than {params[_OWNER]}", 403)
        try:
            return await known.run(self._site, params)
        except (OSError, sqlite3.Error) as error:
            if not takes_no_more(error):
                raise
            place = "/".join(params[name] for name in ("Bucket", "Key") if name in params)
            reason = f"s3://{place} can't be written to the disk of {self._site.store.root}: {error}"
            if principal != PERSON:
                self._on_full(reason)
            raise ServiceError("InsufficientStorage", reason, 507) from error
