"""Number, bytes, lines and a checksum of the objects under a prefix: each is read once, in blocks.

Example: ``hpc run --source ./data --workload s3_objects``, or ``--source s3://bucket/prefix --aws``
"""

import hashlib
from typing import Any

from lambdas.run_files import storage

CHECKSUM_BITS = 256
CHECKSUM_DIGITS = CHECKSUM_BITS // 4
NOTHING = {"objects": 0, "bytes": 0, "lines": 0, "checksum": "0" * CHECKSUM_DIGITS}


def compute(item: dict[str, Any]) -> dict[str, Any]:
    """Read the object that ``{"bucket", "key", "size_bytes"}`` names.

    The checksum of an object is its SHA-256, that of several the sum of theirs: it says whether the contents are the
    same, whatever their names and order. Lines end with a line feed, the last one perhaps without.
    """
    digest, size_bytes, line_count, last = hashlib.sha256(), 0, 0, b"\n"
    # storage's errors tell what is worth a retry (S3 is busy) from what is not (the object is gone).
    for block in storage.read_blocks(item["bucket"], item["key"]):
        digest.update(block)
        size_bytes += len(block)
        line_count += block.count(b"\n")
        last = block[-1:]
    if size_bytes != item["size_bytes"]:
        place = f"s3://{item['bucket']}/{item['key']}"
        raise ValueError(f"{place} has {size_bytes} bytes, it had {item['size_bytes']} when the run began")
    return {
        "objects": 1,
        "bytes": size_bytes,
        "lines": line_count + (last != b"\n"),
        "checksum": digest.hexdigest(),
    }


def combine(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    checksum = (int(a["checksum"], 16) + int(b["checksum"], 16)) % 2**CHECKSUM_BITS
    counts = {name: a[name] + b[name] for name in ("objects", "bytes", "lines")}
    return {**counts, "checksum": f"{checksum:0{CHECKSUM_DIGITS}x}"}


def finish(result: dict[str, Any] | None) -> dict[str, Any]:
    return NOTHING if result is None else result
