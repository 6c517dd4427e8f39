"""Blocks: bytes and arrays of a result that are too long for its text, each an S3 object of its own.

They are written and read as streams: besides the value itself, a few megabytes are held in memory.
"""

import base64
import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lambdas.run_files import storage
from lambdas.run_files.errors import ResultFileError
from lambdas.run_files.json_text import shown
from lambdas.run_files.object_writer import ObjectWriter
from lambdas.values import numpy_values

Write = Callable[[bytes], Any]
# A request to S3 is worth a block this long; shorter ones are base64 in the text.
INLINE_BYTES = 1024 * 1024
# Half of what one invocation of Compute may hold in memory, 10,240 MiB, since combining holds two.
MAX_BLOCK_BYTES = 5 * 1024**3


@dataclass(frozen=True)
class Block:
    """An object that is still to be written, and how."""

    key: str
    write_to: Callable[[Write], Any]

    def store(self, bucket: str) -> None:
        with ObjectWriter(bucket, self.key) as writer:
            self.write_to(writer.write)


@dataclass
class Blocks:
    """The long bytes and arrays of one text.

    Parameters
    ----------
    stem
        What the keys of their objects begin with; empty where everything has its place in the text.
    has_inline
        Whether short ones have their place in the text.
    """

    stem: str = ""
    has_inline: bool = True
    pending: list[Block] = field(default_factory=list)

    def add(self, suffix: str, size_bytes: int, write_to: Callable[[Write], Any]) -> Any:
        """Return what stands for the bytes that ``write_to`` writes: themselves as base64, or a pointer.

        Raises
        ------
        ValueError
            If they are too long for an object.
        """
        if not self.stem or (self.has_inline and size_bytes <= INLINE_BYTES):
            buffer = io.BytesIO()
            write_to(buffer.write)
            return base64.b64encode(buffer.getbuffer()).decode()
        if size_bytes > MAX_BLOCK_BYTES:
            raise ValueError(f"bytes and arrays of a result may have {MAX_BLOCK_BYTES} bytes, got {size_bytes}")
        number = f".{len(self.pending)}" if self.pending else ""
        block = Block(f"{self.stem}{number}{suffix}", write_to)
        self.pending.append(block)
        return _pointer(block)

    def store(self, bucket: str) -> None:
        """Write the objects."""
        for block in self.pending:
            block.store(bucket)


def _pointer(block: Block) -> dict[str, Any]:
    sha256, size_bytes = hashlib.sha256(), 0

    def measure(data: bytes) -> None:
        nonlocal size_bytes
        sha256.update(data)
        size_bytes += len(data)

    block.write_to(measure)
    return {"key": block.key, "bytes": size_bytes, "sha256": sha256.hexdigest()}


class BlockFile:
    """An object as a file that can be read once, which sums up what was read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        if not self._rest:
            block = next(self._blocks, b"")
            self._sha256.update(block)
            self._rest = memoryview(block)
        data, self._rest = self._rest[:size], self._rest[size:]
        return bytes(data)

    def read_all(self) -> bytes:
        return b"".join(iter(lambda: self.read(sys.maxsize), b""))

    def digest(self) -> str:
        """Return the SHA-256 of the whole object, after reading the rest of it."""
        for block in self._blocks:
            self._sha256.update(block)
        return self._sha256.hexdigest()


@dataclass(frozen=True)
class BlockReader:
    """Reads the blocks of a run; called with a tag and a pointer."""

    bucket: str
    run: str

    def __call__(self, tag: str, pointer: dict[str, Any]) -> Any:
        """Return the bytes or the array that a pointer names.

        Raises
        ------
        ResultFileError
            If it points elsewhere, or the object is not the one that was written.
        """
        match pointer:
            case {"key": str(key), "bytes": int(size_bytes), "sha256": str(sha256)} if self._is_ours(key):
                return self._read(tag, key, size_bytes, sha256)
        raise ResultFileError(f"blocks of run {self.run} must be under runs/{self.run}/parts/, got {shown(pointer)}")

    def _is_ours(self, key: str) -> bool:
        return key.startswith(f"runs/{self.run}/parts/")

    def _read(self, tag: str, key: str, size_bytes: int, sha256: str) -> Any:
        file = BlockFile(storage.read_blocks(self.bucket, key, expected_bytes=size_bytes))
        read = file.read_all if tag == "$bytes" else lambda: numpy_values.read_npy(file)
        broken: Exception | None = None
        value: Any = None
        try:
            value = read()
        except (ValueError, MemoryError) as error:
            broken = error
        found = file.digest()
        if found != sha256:
            raise ResultFileError(
                f"s3://{self.bucket}/{key} has changed: its sha256 is {found}, its record says {sha256}"
            )
        if broken is not None:
            raise ResultFileError(f"s3://{self.bucket}/{key} is no .npy file: {broken}") from broken
        return value
