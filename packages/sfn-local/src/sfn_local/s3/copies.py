"""S3's copying actions: from an object to an object or to a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sfn_local.object_store import ObjectInfo, Part, Writer
from sfn_local.protocol import ServiceError
from sfn_local.s3.parameters import (
    Params,
    check_read_condition,
    checksum_fields,
    moment,
    quote_etag,
    read_attributes,
    read_copy_range,
    read_copy_source,
    read_write_condition,
)
from sfn_local.s3.reads import Site

_CHUNK_BYTES = 1024 * 1024

T = TypeVar("T", ObjectInfo, Part)


def copy_object(site: Site, params: Params) -> dict[str, Any]:
    replaces = params.get("MetadataDirective") == "REPLACE"

    def open_writer(source: ObjectInfo) -> Writer[ObjectInfo]:
        if (source.bucket, source.key) == (params["Bucket"], params["Key"]) and not replaces:
            raise ServiceError("InvalidRequest", "copying an object to itself needs x-amz-metadata-directive REPLACE")
        return site.store.open_writer(
            params["Bucket"],
            params["Key"],
            attributes=read_attributes(params) if replaces else source.attributes,
            condition=read_write_condition(params),
            checksum_algorithm=_choose_algorithm(params, source),
        )

    return {"CopyObjectResult": _copy_result(_copy(site, params, open_writer))}


def upload_part_copy(site: Site, params: Params) -> dict[str, Any]:
    place = (params["Bucket"], params["Key"], params["UploadId"])
    algorithm = site.store.uploads.find(*place).checksum_algorithm

    def open_writer(_source: ObjectInfo) -> Writer[Part]:
        return site.store.uploads.open_part_writer(*place, params["PartNumber"], checksum_algorithm=algorithm)

    return {"CopyPartResult": _copy_result(_copy(site, params, open_writer))}


def _choose_algorithm(params: Params, source: ObjectInfo) -> str | None:
    algorithm: str | None = params.get("ChecksumAlgorithm")
    return algorithm or (source.checksum.algorithm if source.checksum else None)


def _copy(site: Site, params: Params, open_writer: Callable[[ObjectInfo], Writer[T]]) -> T:
    source, file = site.store.open_with_info(*read_copy_source(params))
    with file:
        check_read_condition(params, source, prefix="CopySource")
        start, end = read_copy_range(params, source.size)
        file.seek(start)
        with open_writer(source) as writer:
            while start < end:
                chunk = file.read(min(end - start, _CHUNK_BYTES))
                if not chunk:
                    raise EOFError(f"file of an object ended {end - start} bytes before its size")
                start += writer.write(chunk)
        return writer.commit()


def _copy_result(result: ObjectInfo | Part) -> dict[str, Any]:
    checksum = checksum_fields(result.checksum)
    if isinstance(result, Part):
        checksum.pop("ChecksumType", None)
    return {"ETag": quote_etag(result.etag), "LastModified": moment(result.modified_ns)} | checksum
