"""Files on their way into the store: written apart, digested as they are written, durable before anybody knows them."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from sfn_local.object_store.records import Checksum
from sfn_local.protocol.checksums import new_checksum

_COPY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Sealed:
    """A staged file that is complete and durable; its stat is what tells later if somebody changed it."""

    token: str
    size: int
    modified_ns: int


class StagedFile:
    """A file that is being written; `discard` ends it, unless it was sealed and released.

    Raises
    ------
    ServiceError
        For a checksum algorithm that is not supported.
    """

    def __init__(self, folder: Path, checksum_algorithm: str | None = None) -> None:
        self._algorithm = checksum_algorithm
        self._checksum = new_checksum(checksum_algorithm) if checksum_algorithm else None
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._is_released = False
        self._token = uuid.uuid4().hex
        self._path = folder / self._token
        self._file = self._path.open("xb")

    def write(self, data: bytes) -> int:
        self._md5.update(data)
        if self._checksum:
            self._checksum.update(data)
        return self._file.write(data)

    def append_file(self, path: Path) -> None:
        """Add the content of a file of the store; it has been digested before, so it isn't again."""
        with path.open("rb") as source:
            shutil.copyfileobj(source, self._file, _COPY_BYTES)

    @property
    def etag(self) -> str:
        """MD5 in hex of what was written."""
        return self._md5.hexdigest()

    @property
    def md5_base64(self) -> str:
        return base64.b64encode(self._md5.digest()).decode("ascii")

    @property
    def checksum(self) -> Checksum | None:
        return Checksum(self._algorithm, self._checksum.b64digest()) if self._algorithm and self._checksum else None

    def seal(self, modified_ns: int) -> Sealed:
        """Make the file durable under its staged name, with the given modification time."""
        with self._file as file:
            file.flush()
            os.utime(file.fileno(), ns=(modified_ns, modified_ns))
            os.fsync(file.fileno())
            # File systems keep times more or less finely: what they kept is what a later stat will say.
            stat = os.fstat(file.fileno())
        sync_folder(self._path.parent)
        return Sealed(self._token, stat.st_size, stat.st_mtime_ns)

    def release(self) -> None:
        """Leave the file to the index, which refers to it from now on."""
        self._is_released = True

    def discard(self) -> None:
        """Remove the file, unless it was released."""
        self._file.close()
        if not self._is_released:
            self._path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
