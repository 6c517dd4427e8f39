"""Uploaded workloads: fetches a zip from the results bucket by its SHA-256 and unpacks it to a folder.

::

    uploads/workloads/<sha256>/package.zip    <name>.py, which is the workload, and whatever it needs beside it

The execution input and run.json have the hash and no key, so that nothing else in the bucket can be named.
"""

import hashlib
import io
import os
import re
import shutil
import stat
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from lambdas.contract.limits import MAX_PACKAGE_FILES, MAX_PACKED_BYTES, MAX_UNPACKED_BYTES
from lambdas.run_files import storage
from lambdas.run_files.errors import UploadedWorkloadError

SHA256 = re.compile(r"[0-9a-f]{64}")
COPY_BYTES = 1024 * 1024
READ_ONLY = 0o444
ENCRYPTED_FLAG = 0x1
# Packages that were not loaded for so long are removed before another one is unpacked.
UNUSED_SECONDS = 86_400
_active: list[Path] = []


def package_key(sha256: str) -> str:
    """Key of a package in the results bucket."""
    return f"uploads/workloads/{sha256}/package.zip"


def unpacked(bucket: str, sha256: str) -> Path:
    """Return the folder with the files of a package, which is read and checked where that has not been done yet.

    Raises
    ------
    UploadedWorkloadError
        If ``sha256`` is no hash, the object is another one, or the zip is no package: it names the file in it that
        is to blame.
    StorageAccessError, StorageUnavailableError
        If the object can't be read.
    """
    if not SHA256.fullmatch(sha256):
        raise UploadedWorkloadError(
            f"an uploaded workload is named by its SHA-256, 64 of 0-9 a-f, got {sha256[:100]!r}"
        )
    folder = _packages_folder() / sha256
    if not folder.is_dir():
        _unpack(_read(bucket, sha256), folder)
    with suppress(OSError):
        os.utime(folder)
    return folder


def activate(folder: Path | None) -> None:
    """Let modules be imported from one package's folder, or from none; those of the package before are forgotten.

    Two packages may have modules of the same name.
    """
    if folder is not None and _active == [folder]:
        return
    for before in _active:
        with suppress(ValueError):
            sys.path.remove(str(before))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and Path(file).is_relative_to(before):
                del sys.modules[name]
    _active[:] = []
    if folder is not None:
        sys.path.insert(0, str(folder))
        _active.append(folder)


def _packages_folder() -> Path:
    """Return the folder of this user's packages; a process has one of its own where another user has taken the name."""
    folder = Path(tempfile.gettempdir(), f"hpc-workloads-{os.geteuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ):
        return folder
    raise UploadedWorkloadError(f"{folder} must be a folder that only user {os.geteuid()} may enter: remove it")


def _read(bucket: str, sha256: str) -> bytes:
    place = f"s3://{bucket}/{package_key(sha256)}"
    blocks, size_bytes = [], 0
    for block in storage.read_blocks(bucket, package_key(sha256)):
        blocks.append(block)
        size_bytes += len(block)
        if size_bytes > MAX_PACKED_BYTES:
            raise UploadedWorkloadError(f"{place} may have {MAX_PACKED_BYTES} bytes, it has more")
    data = b"".join(blocks)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise UploadedWorkloadError(f"{place} is another package: its sha256 is {found}")
    return data


def _unpack(data: bytes, folder: Path) -> None:
    """Write the files of a zip to a folder, all of them or none."""
    _remove_unused(folder.parent)
    unfinished = folder.with_name(f".{uuid.uuid4().hex}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = list(_checked(package))
            unfinished.mkdir()
            left = MAX_UNPACKED_BYTES
            for member in members:
                left -= _write(package, member, unfinished / member.filename, left)
        # Another process may have been faster.
        with suppress(OSError):
            unfinished.rename(folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise UploadedWorkloadError(f"the uploaded workload is no zip that can be read: {error}") from error
    except OSError as error:
        raise UploadedWorkloadError(f"the uploaded workload can't be unpacked: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _checked(package: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """Yield the files of a zip after a look at all that it says of them."""
    members = package.infolist()
    if len(members) > MAX_PACKAGE_FILES:
        raise UploadedWorkloadError(f"an uploaded workload may have {MAX_PACKAGE_FILES} files, got {len(members)}")
    size_bytes = sum(member.file_size for member in members)
    if size_bytes > MAX_UNPACKED_BYTES:
        raise _too_long(size_bytes)
    names: set[str] = set()
    for member in members:
        _check_member(member)
        if member.filename in names:
            raise UploadedWorkloadError(f"an uploaded workload has each file once, {member.filename!r} is there twice")
        names.add(member.filename)
        if not member.is_dir():
            yield member


def _check_member(member: zipfile.ZipInfo) -> None:
    # zipfile cuts a name at a NUL: what it was stands in orig_filename.
    name = member.orig_filename
    path = PurePosixPath(name)
    is_plain = name == str(path) + "/" * name.endswith("/") and not any(ord(each) < 32 for each in name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not is_plain:
        raise UploadedWorkloadError(f"a file of an uploaded workload stays in its folder, got the path {name!r}")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "a link" if kind == stat.S_IFLNK else "no plain file"
        raise UploadedWorkloadError(f"an uploaded workload has plain files only, {name!r} is {what}")
    if member.flag_bits & ENCRYPTED_FLAG:
        raise UploadedWorkloadError(f"a file of an uploaded workload can't be encrypted, {name!r} is")


def _write(package: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, left: int) -> int:
    """Write one file and return its bytes; what the zip says of its length is not believed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = 0
    with package.open(member) as source, path.open("xb") as file:
        while block := source.read(COPY_BYTES):
            size_bytes += len(block)
            if size_bytes > left:
                raise _too_long(MAX_UNPACKED_BYTES - left + size_bytes)
            file.write(block)
    path.chmod(READ_ONLY)
    return size_bytes


def _too_long(size_bytes: int) -> UploadedWorkloadError:
    return UploadedWorkloadError(
        f"the files of an uploaded workload may have {MAX_UNPACKED_BYTES} bytes in all, got {size_bytes} or more"
    )


def _remove_unused(packages: Path) -> None:
    for folder in packages.iterdir():
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
