"""S3's multipart actions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sfn_local.object_store import CompletedPart, Part
from sfn_local.protocol import ServiceError
from sfn_local.protocol.checksums import ALGORITHM_NAMES
from sfn_local.s3.parameters import (
    Params,
    checksum_fields,
    moment,
    quote_etag,
    read_attributes,
    read_checksum,
    read_write_condition,
    unquote_etag,
)
from sfn_local.s3.reads import Site
from sfn_local.s3.writes import open_body, receive

# Source: Amazon S3 API reference, ListParts.
_MAX_LISTED_PARTS = 1000


def create_multipart_upload(site: Site, params: Params) -> dict[str, Any]:
    algorithm = params.get("ChecksumAlgorithm")
    if "ChecksumType" in params and not algorithm:
        message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        raise ServiceError("InvalidRequest", message)
    upload = site.store.uploads.create(
        params["Bucket"],
        params["Key"],
        attributes=read_attributes(params),
        checksum_algorithm=algorithm,
        checksum_type=params.get("ChecksumType"),
    )
    result = {"Bucket": params["Bucket"], "Key": params["Key"], "UploadId": upload.upload_id}
    return result | ({"ChecksumAlgorithm": algorithm, "ChecksumType": upload.checksum_type} if algorithm else {})


async def upload_part(site: Site, params: Params) -> dict[str, Any]:
    digest = open_body(params)
    writer = await asyncio.to_thread(
        site.store.uploads.open_part_writer,
        *_place(params),
        params["PartNumber"],
        checksum_algorithm=digest.algorithm if digest else None,
    )
    part = await receive(writer, params, digest)
    return {"ETag": quote_etag(part.etag)} | _part_checksum(part)


def complete_multipart_upload(site: Site, params: Params) -> dict[str, Any]:
    upload = site.store.uploads.find(*_place(params))
    if params.get("ChecksumType") not in (None, upload.checksum_type):
        message = f"the upload's checksum type is {upload.checksum_type}, the request names {params['ChecksumType']}"
        raise ServiceError("InvalidRequest", message)
    named = params.get("MultipartUpload", {}).get("Parts", [])
    info = site.store.uploads.complete(
        *_place(params),
        [_read_completed_part(part) for part in named],
        condition=read_write_condition(params),
        checksum=read_checksum(params),
    )
    result = {
        "Location": f"/{params['Bucket']}/{quote(params['Key'])}",
        "Bucket": params["Bucket"],
        "Key": params["Key"],
        "ETag": quote_etag(info.etag),
    }
    return result | checksum_fields(info.checksum)


def _read_completed_part(part: Mapping[str, Any]) -> CompletedPart:
    if "PartNumber" not in part or "ETag" not in part:
        raise ServiceError("MalformedXML", "each completed part needs PartNumber and ETag")
    checksums = [part[f"Checksum{name}"] for name in ALGORITHM_NAMES if f"Checksum{name}" in part]
    if len(checksums) > 1:
        raise ServiceError(
            "InvalidRequest", f"part {part['PartNumber']} has {len(checksums)} checksums, allowed is one"
        )
    return CompletedPart(part["PartNumber"], unquote_etag(part["ETag"]), *checksums)


def abort_multipart_upload(site: Site, params: Params) -> dict[str, Any]:
    site.store.uploads.abort(*_place(params))
    return {}


def list_parts(site: Site, params: Params) -> dict[str, Any]:
    upload = site.store.uploads.find(*_place(params))
    marker = params.get("PartNumberMarker", 0)
    limit = min(params.get("MaxParts", _MAX_LISTED_PARTS), _MAX_LISTED_PARTS)
    parts = [part for part in site.store.uploads.parts(*_place(params)) if part.number > marker]
    result: dict[str, Any] = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": marker,
        "MaxParts": limit,
        "IsTruncated": len(parts) > limit,
        "Parts": [_listed_part(part) for part in parts[:limit]],
        "StorageClass": "STANDARD",
        "Initiator": {"ID": site.account},
        "Owner": {"ID": site.account},
    }
    if parts[:limit]:
        result["NextPartNumberMarker"] = parts[:limit][-1].number
    if upload.checksum_algorithm:
        result |= {"ChecksumAlgorithm": upload.checksum_algorithm, "ChecksumType": upload.checksum_type}
    return result


def _listed_part(part: Part) -> dict[str, Any]:
    described = {
        "PartNumber": part.number,
        "LastModified": moment(part.modified_ns),
        "ETag": quote_etag(part.etag),
        "Size": part.size,
    }
    return described | _part_checksum(part)


def _part_checksum(part: Part) -> dict[str, str]:
    return {f"Checksum{part.checksum.algorithm}": part.checksum.value} if part.checksum else {}


def list_multipart_uploads(site: Site, params: Params) -> dict[str, Any]:
    encode = quote if params.get("EncodingType") == "url" else str
    prefix = params.get("Prefix", "")
    uploads = [upload for upload in site.store.uploads.list(params["Bucket"]) if upload.key.startswith(prefix)]
    result: dict[str, Any] = {
        "Bucket": params["Bucket"],
        "Prefix": encode(prefix),
        "IsTruncated": False,
        "Uploads": [
            {
                "UploadId": upload.upload_id,
                "Key": encode(upload.key),
                "Initiated": moment(upload.created_ns),
                "StorageClass": "STANDARD",
                "Initiator": {"ID": site.account},
                "Owner": {"ID": site.account},
            }
            for upload in uploads
        ],
    }
    return result | ({"EncodingType": params["EncodingType"]} if "EncodingType" in params else {})


def _place(params: Params) -> tuple[str, str, str]:
    return params["Bucket"], params["Key"], params["UploadId"]
