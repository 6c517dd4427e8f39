"""JSON objects that carry a SHA-256 checksum of their own content, so that a later reader notices every change.

S3 and Step Functions keep data intact.  The checksum covers the steps between them, copies, and a local disk.
"""

import hashlib
import json
from typing import Any

# The field of an object that holds its checksum.
FIELD = "sha256"


def sha256(data: bytes) -> str:
    """Return the checksum of bytes in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def with_checksum(value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an object with its checksum."""
    return {**value, FIELD: _checksum_of(value)}


def without_checksum(value: dict[str, Any]) -> dict[str, Any]:
    """Check an object against its checksum and return a copy without it.

    Raises
    ------
    ValueError
        If the object has changed, or has no checksum.
    """
    content = {key: field for key, field in value.items() if key != FIELD}
    expected = _checksum_of(content)
    if value.get(FIELD) != expected:
        raise ValueError(f"it has changed: the {FIELD} of what it holds is {expected}, its own says {value.get(FIELD)}")
    return content


def _checksum_of(value: dict[str, Any]) -> str:
    # Step Functions keeps neither the order of keys nor white space.
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
