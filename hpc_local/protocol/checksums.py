"""Digests that come with a body: which algorithms are checked here, and how they are written."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from botocore.httpchecksum import BaseChecksum, Crc32Checksum, Sha1Checksum, Sha256Checksum, Sha512Checksum

from hpc_local.protocol import ServiceError

HEADER_PREFIX = "x-amz-checksum-"

_ALGORITHMS: dict[str, type[BaseChecksum]] = {
    "CRC32": Crc32Checksum,
    "SHA1": Sha1Checksum,
    "SHA256": Sha256Checksum,
    "SHA512": Sha512Checksum,
}


def new_checksum(algorithm: str) -> BaseChecksum:
    """Start a checksum.

    Raises
    ------
    ServiceError
        For an algorithm that needs more than Python's standard library.
    """
    if algorithm not in _ALGORITHMS:
        allowed = ", ".join(_ALGORITHMS)
        message = f"checksum algorithm {algorithm} is not supported, allowed are {allowed}"
        raise ServiceError("NotImplemented", message, 501)
    return _ALGORITHMS[algorithm]()


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
        if name.startswith(HEADER_PREFIX):
            checksum = new_checksum(name.removeprefix(HEADER_PREFIX).upper())
            checksum.update(body)
            digests[name] = checksum.b64digest()
    for name, digest in digests.items():
        if headers[name] != digest:
            raise bad_digest(name, headers[name], digest)


def bad_digest(name: str, given: str, computed: str) -> ServiceError:
    return ServiceError("BadDigest", f"{name} is {given}, the body that arrived has {computed}")
