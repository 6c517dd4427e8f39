"""Seals: a JSON object that carries a checksum of itself, so that whoever reads it later sees any change.

S3 and Step Functions keep what they are given; a seal covers the ways between them, copies, and this machine's disk.
"""

import hashlib
import json
from typing import Any

SEAL = "sha256"


def digest(data: bytes) -> str:
    """Return the checksum of bytes, as it stands beside a pointer to them."""
    return hashlib.sha256(data).hexdigest()


def sealed(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object with its seal."""
    return {**value, SEAL: _seal_of(value)}


def unsealed(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object without its seal.

    Raises
    ------
    ValueError
        If it has changed, or has no seal.
    """
    content = {key: field for key, field in value.items() if key != SEAL}
    expected = _seal_of(content)
    if value.get(SEAL) != expected:
        raise ValueError(f"it has changed: the {SEAL} of what it holds is {expected}, its own says {value.get(SEAL)}")
    return content


def _seal_of(value: dict[str, Any]) -> str:
    # The order of keys and white space are not kept on the way through the service.
    return digest(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
