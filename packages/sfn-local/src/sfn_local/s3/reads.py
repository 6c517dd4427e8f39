"""S3's reading actions on buckets and objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO

from sfn_local.object_store import ObjectInfo, ObjectStore
from sfn_local.s3.parameters import Params, check_read_condition, checksum_fields, moment, quote_etag, read_range

# Size of a read; smaller objects are read whole, with one call to a thread.
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Site:
    """The object store that actions read, and the Region and the account that it is in."""

    store: ObjectStore
    region: str
    account: str


class FileBody:
    """Part of an open file as the body of a response."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file = file
        self._length = length
        file.seek(start)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        remaining = self._length
        while remaining:
            chunk = await asyncio.to_thread(self._file.read, min(remaining, _CHUNK_BYTES))
            if not chunk:
                raise EOFError(f"file of an object ended {remaining} bytes before its size")
            remaining -= len(chunk)
            yield chunk

    async def aclose(self) -> None:
        self._file.close()


def get_object(site: Site, params: Params) -> dict[str, Any]:
    info, file = site.store.open_with_info(params["Bucket"], params["Key"])
    try:
        result, (start, end) = _headers_and_range(info, params)
        if end - start > _CHUNK_BYTES:
            return result | {"Body": FileBody(file, start, end - start)}
        file.seek(start)
        body = file.read(end - start)
    except BaseException:
        file.close()
        raise
    file.close()
    return result | {"Body": body}


def head_object(site: Site, params: Params) -> dict[str, Any]:
    result, _ = _headers_and_range(site.store.info(params["Bucket"], params["Key"]), params)
    return result


def _headers_and_range(info: ObjectInfo, params: Params) -> tuple[dict[str, Any], tuple[int, int]]:
    """Return the headers of an object, and the bytes that are asked for."""
    check_read_condition(params, info)
    part = read_range(params.get("Range"), info.size)
    start, end = part or (0, info.size)
    result: dict[str, Any] = {
        "AcceptRanges": "bytes",
        "LastModified": moment(info.modified_ns),
        "ContentLength": end - start,
        "ETag": quote_etag(info.etag),
        "ContentType": info.attributes.content_type,
        "Metadata": dict(info.attributes.metadata),
    }
    result |= info.attributes.headers
    if "Expires" in result:
        result["Expires"] = parsedate_to_datetime(result["Expires"])
    if part:
        result["ContentRange"] = f"bytes {start}-{end - 1}/{info.size}"
    elif params.get("ChecksumMode") == "ENABLED":
        result |= checksum_fields(info.checksum)
    return result, (start, end)


def list_buckets(site: Site, _params: Params) -> dict[str, Any]:
    buckets = [{"Name": bucket.name, "CreationDate": moment(bucket.created_ns)} for bucket in site.store.buckets()]
    return {"Buckets": buckets, "Owner": {"ID": site.account}}


def head_bucket(site: Site, params: Params) -> dict[str, Any]:
    site.store.require_bucket(params["Bucket"])
    return {"BucketRegion": site.region, "AccessPointAlias": False}


def get_bucket_location(site: Site, params: Params) -> dict[str, Any]:
    site.store.require_bucket(params["Bucket"])
    # Source: Amazon S3 API reference, GetBucketLocation: buckets in us-east-1 have none.
    return {} if site.region == "us-east-1" else {"LocationConstraint": site.region}
