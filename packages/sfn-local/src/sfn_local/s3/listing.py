"""S3's listing actions, ListObjectsV2 and the older ListObjects, which boto3's resources use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sfn_local.object_store import Listing
from sfn_local.object_store.listing import MAX_PAGE_ENTRIES
from sfn_local.protocol import ServiceError
from sfn_local.s3.parameters import Params, moment, quote_etag
from sfn_local.s3.reads import Site


def list_objects_v2(site: Site, params: Params) -> dict[str, Any]:
    token = params.get("ContinuationToken")
    listing = _list(site, params, start_after=params.get("StartAfter", ""), token=token)
    result = _listing_result(site, params, listing, has_owner=params.get("FetchOwner", False))
    result["KeyCount"] = len(listing.objects) + len(listing.common_prefixes)
    if token is not None:
        result["ContinuationToken"] = token
    if listing.next_token is not None:
        result["NextContinuationToken"] = listing.next_token
    return result | _encode_echoes(params, "StartAfter")


def list_objects(site: Site, params: Params) -> dict[str, Any]:
    listing = _list(site, params, start_after=params.get("Marker", ""), token=None)
    result = _listing_result(site, params, listing, has_owner=True) | {"Marker": ""} | _encode_echoes(params, "Marker")
    if listing.next_token is not None and params.get("Delimiter"):
        last = max([info.key for info in listing.objects[-1:]] + listing.common_prefixes[-1:], key=str.encode)
        result["NextMarker"] = _encoder(params)(last)
    return result


def _list(site: Site, params: Params, *, start_after: str, token: str | None) -> Listing:
    max_keys = params.get("MaxKeys", MAX_PAGE_ENTRIES)
    if max_keys < 0:
        raise ServiceError("InvalidArgument", f"max-keys must be 0 or more, got {max_keys}")
    return site.store.list(
        params["Bucket"],
        prefix=params.get("Prefix", ""),
        delimiter=params.get("Delimiter", ""),
        start_after=start_after,
        token=token,
        max_keys=max_keys,
    )


def _listing_result(site: Site, params: Params, listing: Listing, *, has_owner: bool) -> dict[str, Any]:
    encode = _encoder(params)
    owner = {"Owner": {"ID": site.account}} if has_owner else {}
    contents = [
        {
            "Key": encode(info.key),
            "LastModified": moment(info.modified_ns),
            "ETag": quote_etag(info.etag),
            "Size": info.size,
            "StorageClass": "STANDARD",
        }
        | owner
        for info in listing.objects
    ]
    result: dict[str, Any] = {
        "IsTruncated": listing.next_token is not None,
        "Contents": contents,
        "Name": params["Bucket"],
        "Prefix": "",
        "MaxKeys": params.get("MaxKeys", MAX_PAGE_ENTRIES),
        "CommonPrefixes": [{"Prefix": encode(prefix)} for prefix in listing.common_prefixes],
    }
    if "EncodingType" in params:
        result["EncodingType"] = params["EncodingType"]
    return result | _encode_echoes(params, "Prefix", "Delimiter")


def _encode_echoes(params: Params, *names: str) -> dict[str, str]:
    return {name: _encoder(params)(params[name]) for name in names if params.get(name)}


def _encoder(params: Params) -> Callable[[str], str]:
    return quote if params.get("EncodingType") == "url" else str
