"""Parameters that S3's actions have in common: digests, attributes, conditions, ranges, copy sources."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import unquote

from sfn_local.object_store import Attributes, Checksum, Condition, ObjectInfo
from sfn_local.protocol import ServiceError
from sfn_local.protocol.checksums import ALGORITHM_NAMES, checksum_header, header_algorithm

Params = Mapping[str, Any]

# With all checksums that the API has: those that are not supported are refused by name when one is begun.
DIGEST_PARAMETERS = frozenset({f"Checksum{name}" for name in ALGORITHM_NAMES} | {"ChecksumAlgorithm", "ContentMD5"})

_TEXT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage")
ATTRIBUTE_PARAMETERS = frozenset({*_TEXT_HEADERS, "ContentType", "Expires", "Metadata"})

READ_CONDITIONS = frozenset({"IfMatch", "IfNoneMatch", "IfModifiedSince", "IfUnmodifiedSince"})
COPY_CONDITIONS = frozenset(f"CopySource{name}" for name in READ_CONDITIONS)

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


def moment(nanoseconds: int) -> datetime:
    """Return a moment to the microsecond; as floats, nanoseconds since the epoch are off by more."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


@dataclass(frozen=True)
class Digest:
    """A digest that comes with a body: in a header, or by the name of a trailer that follows the body."""

    algorithm: str
    value: str | None

    @property
    def header(self) -> str:
        return checksum_header(self.algorithm)


def read_digest(params: Params, trailers: Mapping[str, str]) -> Digest | None:
    """Return the digest by which a body is to be checked and stored.

    Raises
    ------
    ServiceError
        If there are several, or the algorithm that is named has none.
    """
    found = [Digest(name, params[f"Checksum{name}"]) for name in ALGORITHM_NAMES if f"Checksum{name}" in params]
    for name in trailers:
        algorithm = header_algorithm(name)
        if algorithm is None:
            raise ServiceError("InvalidRequest", f"trailer must be a checksum, got {name}")
        found.append(Digest(algorithm, None))
    if len(found) > 1:
        names = ", ".join(digest.algorithm for digest in found)
        raise ServiceError("InvalidRequest", f"at most one checksum is allowed, got {names}")
    named = params.get("ChecksumAlgorithm")
    if named and named not in [digest.algorithm for digest in found]:
        message = f"x-amz-sdk-checksum-algorithm is {named}, but there is no header or trailer with that checksum"
        raise ServiceError("InvalidRequest", message)
    return found[0] if found else None


def read_checksum(params: Params) -> Checksum | None:
    """Return the checksum that a completed upload is to have.

    Raises
    ------
    ServiceError
        If there are several.
    """
    found = [Checksum(name, params[f"Checksum{name}"]) for name in ALGORITHM_NAMES if f"Checksum{name}" in params]
    if len(found) > 1:
        raise ServiceError("InvalidRequest", f"at most one checksum is allowed, got {len(found)}")
    return found[0] if found else None


def read_attributes(params: Params) -> Attributes:
    headers = {name: params[name] for name in _TEXT_HEADERS if name in params}
    # The encoding of the request on its way, not of the object.
    encodings = [part.strip() for part in headers.pop("ContentEncoding", "").split(",")]
    content_encoding = ",".join(part for part in encodings if part not in ("", "aws-chunked"))
    if content_encoding:
        headers["ContentEncoding"] = content_encoding
    if "Expires" in params:
        headers["Expires"] = format_datetime(params["Expires"].astimezone(UTC), usegmt=True)
    given = Attributes(metadata=params.get("Metadata", {}), headers=headers)
    return Attributes(params["ContentType"], given.metadata, headers) if "ContentType" in params else given


def checksum_fields(checksum: Checksum | None) -> dict[str, str]:
    if checksum is None:
        return {}
    checksum_type = "COMPOSITE" if checksum.is_composite else "FULL_OBJECT"
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum_type}


def quote_etag(etag: str) -> str:
    return f'"{etag}"'


def unquote_etag(etag: str) -> str:
    return etag.strip().strip('"')


def read_write_condition(params: Params) -> Condition:
    """Return what must hold for a write.

    Raises
    ------
    ServiceError
        NotImplemented for what S3 doesn't allow either: a list of ETags, or any ETag but ``*`` in If-None-Match.
    """
    if params.get("IfNoneMatch", "*") != "*":
        raise ServiceError("NotImplemented", f"If-None-Match of a write must be *, got {params['IfNoneMatch']!r}", 501)
    if_match = params.get("IfMatch")
    if if_match is not None and (if_match == "*" or "," in if_match):
        raise ServiceError("NotImplemented", f"If-Match of a write must be one ETag, got {if_match!r}", 501)
    return Condition("IfNoneMatch" in params, unquote_etag(if_match) if if_match is not None else None)


def check_read_condition(params: Params, info: ObjectInfo, prefix: str = "") -> None:
    """Compare an object with the conditions of a read, by the precedence of RFC 9110, section 13.2.2.

    Raises
    ------
    ServiceError
        PreconditionFailed; NotModified with status 304.
    """
    modified = moment(info.modified_ns).replace(microsecond=0)
    if_match, unmodified_since = params.get(f"{prefix}IfMatch"), params.get(f"{prefix}IfUnmodifiedSince")
    if if_match is not None:
        is_unchanged = _matches(if_match, info)
    else:
        is_unchanged = unmodified_since is None or modified <= unmodified_since
    if not is_unchanged:
        raise ServiceError("PreconditionFailed", "a precondition does not hold: the object was changed", 412)
    if_none_match, modified_since = params.get(f"{prefix}IfNoneMatch"), params.get(f"{prefix}IfModifiedSince")
    if if_none_match is not None:
        is_changed = not _matches(if_none_match, info)
    else:
        # Source: RFC 9110, section 13.1.3: a moment that has not come is no condition.
        is_changed = modified_since is None or modified > modified_since or modified_since > datetime.now(UTC)
    if not is_changed:
        # A copy has nothing to be not modified, so it is refused.
        code, status = ("PreconditionFailed", 412) if prefix else ("NotModified", 304)
        found = {"etag": quote_etag(info.etag), "last-modified": format_datetime(modified, usegmt=True)}
        raise ServiceError(code, "a precondition does not hold: the object was not changed", status, headers=found)


def _matches(condition: str, info: ObjectInfo) -> bool:
    return any(tag.strip() == "*" or unquote_etag(tag) == info.etag for tag in condition.split(","))


def read_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the byte after the last one; None for the whole object.

    What is not one range of bytes is ignored, as RFC 9110, section 14.2, has it.

    Raises
    ------
    ServiceError
        InvalidRange, status 416, if the object has no such bytes.
    """
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        start, end = int(match[1]), int(match[2]) + 1 if match[2] else size
        if match[2] and end <= start:
            return None
    else:
        start, end = max(size - int(match[2]), 0), size
    if start >= size:
        raise ServiceError("InvalidRange", f"the range {text} is not in the object's {size} bytes", 416)
    return start, min(end, size)


def read_copy_range(params: Params, size: int) -> tuple[int, int]:
    """Return the first byte and the byte after the last one that a part is to be copied from.

    Raises
    ------
    ServiceError
        InvalidArgument for what is not ``bytes=<first>-<last>`` within the source.
    """
    text = params.get("CopySourceRange")
    if text is None:
        return 0, size
    match = _RANGE.fullmatch(text)
    if match and match[1] and match[2] and int(match[1]) <= int(match[2]) < size:
        return int(match[1]), int(match[2]) + 1
    message = f"x-amz-copy-source-range must be bytes=<first>-<last> within the source's {size} bytes, got {text!r}"
    raise ServiceError("InvalidArgument", message)


def read_copy_source(params: Params) -> tuple[str, str]:
    """Return bucket and key of ``/<bucket>/<key>``, percent-encoded.

    Raises
    ------
    ServiceError
        For something else, and for a version.
    """
    source = params["CopySource"]
    path, question_mark, _ = source.partition("?")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if question_mark or not bucket or not key:
        raise ServiceError("InvalidArgument", f"x-amz-copy-source must be <bucket>/<key>, got {source!r}")
    return bucket, key
