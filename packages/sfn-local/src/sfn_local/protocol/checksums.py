"""Digests that come with a body: which algorithms are checked here, and how they are written."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from botocore.httpchecksum import BaseChecksum, Crc32Checksum, Sha1Checksum, Sha256Checksum, Sha512Checksum

from sfn_local.protocol import ServiceError
from sfn_local.protocol.crc import CODES, CyclicChecksum

# All that the S3 API names; headers such as x-amz-checksum-mode are something else.
ALGORITHM_NAMES = (
    "CRC32",
    "CRC32C",
    "CRC64NVME",
    "MD5",
    "SHA1",
    "SHA256",
    "SHA512",
    "XXHASH64",
    "XXHASH3",
    "XXHASH128",
)

_HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in ALGORITHM_NAMES}

_ALGORITHMS: dict[str, Callable[[], BaseChecksum]] = {
    "CRC32": Crc32Checksum,
    "CRC32C": partial(CyclicChecksum, CODES["CRC32C"]),
    "CRC64NVME": partial(CyclicChecksum, CODES["CRC64NVME"]),
    "SHA1": Sha1Checksum,
    "SHA256": Sha256Checksum,
    "SHA512": Sha512Checksum,
}


def new_checksum(algorithm: str) -> BaseChecksum:
    """Start a checksum.

    Raises
    ------
    ServiceError
        For an algorithm that is not among those.
    """
    if algorithm not in _ALGORITHMS:
        allowed = ", ".join(_ALGORITHMS)
        message = f"checksum algorithm {algorithm} is not supported, allowed are {allowed}"
        raise ServiceError("NotImplemented", message, 501)
    return _ALGORITHMS[algorithm]()


def is_of_full_object(algorithm: str, checksum_type: str | None) -> bool:
    """Say if the checksum of a multipart upload is that of its bytes, and not one of its parts' checksums.

    Source: Amazon S3 user guide, "Checking object integrity", table of full object and composite checksum types.

    Raises
    ------
    ServiceError
        InvalidRequest if the algorithm has no checksum of that type.
    """
    default = "FULL_OBJECT" if algorithm == "CRC64NVME" else "COMPOSITE"
    chosen = checksum_type or default
    if chosen != default and algorithm not in ("CRC32", "CRC32C"):
        message = f"The {chosen} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        raise ServiceError("InvalidRequest", message)
    return chosen == "FULL_OBJECT"


def join_digests(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """Return the digest of a whole from each part's digest and size in bytes, digests as base64."""
    code, joined = CODES[algorithm], 0
    for digest, size in parts:
        joined = code.join(joined, int.from_bytes(base64.b64decode(digest)), size)
    return base64.b64encode(joined.to_bytes(code.bits // 8)).decode("ascii")


def check_digests(headers: Mapping[str, str], body: bytes) -> None:
    """Compare a whole body with the digests in its headers.

    Raises
    ------
    ServiceError
        BadDigest for one that differs.
    """
    digests = {}
    if "content-md5" in headers:
        digests["content-md5"] = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode("ascii")
    for name in headers:
        if name in _HEADERS:
            checksum = new_checksum(_HEADERS[name])
            checksum.update(body)
            digests[name] = checksum.b64digest()
    for name, digest in digests.items():
        if headers[name] != digest:
            raise bad_digest(name, headers[name], digest)


def checksum_header(algorithm: str) -> str:
    return f"x-amz-checksum-{algorithm.lower()}"


def header_algorithm(name: str) -> str | None:
    """Return the algorithm whose digest a header holds; None if it holds none."""
    return _HEADERS.get(name)


def bad_digest(name: str, given: str, computed: str) -> ServiceError:
    return ServiceError("BadDigest", f"{name} is {given}, the body that arrived has {computed}")
