"""S3's writing actions on buckets and objects."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from sfn_local.object_store import ObjectInfo, ObjectStoreError, Part, Writer
from sfn_local.protocol import ServiceError
from sfn_local.protocol.checksums import bad_digest
from sfn_local.protocol.messages import RequestBody
from sfn_local.s3.parameters import (
    Digest,
    Params,
    checksum_fields,
    quote_etag,
    read_attributes,
    read_digest,
    read_write_condition,
)
from sfn_local.s3.reads import Site

# Source: Amazon S3 user guide, "Uploading objects": 5 GiB in a single operation or part.
_MAX_BODY_BYTES = 5 * 1024**3

# Source: Amazon S3 API reference, DeleteObjects.
_MAX_DELETED_KEYS = 1000

_CHUNK_BYTES = 1024 * 1024

T = TypeVar("T", ObjectInfo, Part)


async def put_object(site: Site, params: Params) -> dict[str, Any]:
    digest = open_body(params)
    writer = await asyncio.to_thread(
        site.store.open_writer,
        params["Bucket"],
        params["Key"],
        attributes=read_attributes(params),
        condition=read_write_condition(params),
        checksum_algorithm=digest.algorithm if digest else None,
    )
    info = await receive(writer, params, digest)
    return {"ETag": quote_etag(info.etag)} | checksum_fields(info.checksum)


def open_body(params: Params) -> Digest | None:
    """Return the digest that a body is to be checked by, before anything is made for it.

    Raises
    ------
    ServiceError
        MissingContentLength, EntityTooLarge, InvalidRequest.
    """
    body: RequestBody = params["Body"]
    if body.length is None:
        raise ServiceError("MissingContentLength", "the body needs a Content-Length header", 411)
    if body.length > _MAX_BODY_BYTES:
        raise ServiceError("EntityTooLarge", f"at most {_MAX_BODY_BYTES} bytes are allowed, got {body.length}")
    return read_digest(params, body.trailers)


async def receive(writer: Writer[T], params: Params, digest: Digest | None) -> T:
    """Write the body of a request and publish it, if it is what its digests say.

    Raises
    ------
    ServiceError
        BadDigest, and what the stream and the store raise.
    """
    body: RequestBody = params["Body"]
    try:
        tail = await _write_body(writer, body)
    except BaseException:
        writer.discard()
        raise
    return await asyncio.to_thread(_finish, writer, tail, params.get("ContentMD5"), digest, body)


async def _write_body(writer: Writer[T], body: RequestBody) -> bytes:
    """Write all but what is left for the thread that publishes: small objects need one thread only."""
    parts: list[bytes] = []
    size = 0
    async for chunk in body:
        parts.append(chunk)
        size += len(chunk)
        if size >= _CHUNK_BYTES:
            await asyncio.to_thread(writer.write, b"".join(parts))
            parts.clear()
            size = 0
    return b"".join(parts)


def _finish(writer: Writer[T], tail: bytes, content_md5: str | None, digest: Digest | None, body: RequestBody) -> T:
    with writer:
        writer.write(tail)
        if content_md5 not in (None, writer.md5_base64):
            raise bad_digest("content-md5", str(content_md5), writer.md5_base64)
        if digest and writer.checksum:
            expected = body.trailers[digest.header] if digest.value is None else digest.value
            if expected != writer.checksum.value:
                raise bad_digest(digest.header, expected, writer.checksum.value)
    return writer.commit()


def create_bucket(site: Site, params: Params) -> dict[str, Any]:
    configuration = params.get("CreateBucketConfiguration", {})
    unsupported = sorted(configuration.keys() - {"LocationConstraint"})
    if unsupported:
        raise ServiceError("NotImplemented", f"not supported in CreateBucket: {', '.join(unsupported)}", 501)
    location = configuration.get("LocationConstraint", site.region)
    if location != site.region:
        message = f"location constraint must be {site.region}, the region served here, got {location}"
        raise ServiceError("IllegalLocationConstraintException", message)
    try:
        site.store.create_bucket(params["Bucket"])
    except ObjectStoreError as error:
        # Source: Amazon S3 API reference, CreateBucket: in us-east-1, and only there, a second time is no error.
        if (error.code, site.region) != ("BucketAlreadyOwnedByYou", "us-east-1"):
            raise
    return {"Location": f"/{params['Bucket']}"}


def delete_bucket(site: Site, params: Params) -> dict[str, Any]:
    site.store.delete_bucket(params["Bucket"])
    return {}


def delete_object(site: Site, params: Params) -> dict[str, Any]:
    site.store.delete(params["Bucket"], params["Key"])
    return {}


def delete_objects(site: Site, params: Params) -> dict[str, Any]:
    objects = params["Delete"]["Objects"]
    if not 1 <= len(objects) <= _MAX_DELETED_KEYS:
        raise ServiceError("MalformedXML", f"1 to {_MAX_DELETED_KEYS} keys are allowed, got {len(objects)}")
    unsupported = sorted({name for entry in objects for name in entry} - {"Key"})
    if unsupported:
        raise ServiceError("NotImplemented", f"not supported in DeleteObjects: {', '.join(unsupported)}", 501)
    keys = [entry["Key"] for entry in objects]
    site.store.delete(params["Bucket"], *keys)
    return {} if params["Delete"].get("Quiet") else {"Deleted": [{"Key": key} for key in keys]}
