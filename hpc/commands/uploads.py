"""Local data of a run: from files to objects under `uploads/<run>/` of the results bucket."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig

from hpc.contract.keys import upload_key
from hpc.errors import NotStartedError
from hpc.files import is_file, is_folder
from hpc.targets.client import Target, explained
from hpc.targets.workload_package import WorkloadPackage
from hpc.terminal.console import say
from hpc.terminal.counter import Counter, counted, open_counter
from hpc.terminal.printable import shorten

ITEM_SUFFIXES = (".jsonl", ".csv")
PARALLEL_UPLOADS = 8
# Files that are uploaded or wait for a thread, which keeps memory flat for a folder of any size.
WINDOW = 64


def upload_workload(target: Target, package: WorkloadPackage) -> None:
    """Put the package where the run looks for it; again, too, because objects there expire.

    Raises
    ------
    NotStartedError
        If the stack takes none, or that fails.
    """
    if target.outputs.get("UploadedWorkloads") == "false":
        raise NotStartedError(
            f"{package.origin}: the stack takes no uploaded workload, because its setting hpc:uploaded_workloads is "
            "false; it runs what was deployed"
        )
    with explained(NotStartedError, f"uploading {package.origin}"):
        key = f"uploads/workloads/{package.sha256}/package.zip"
        target.s3.put_object(Bucket=target.bucket, Key=key, Body=package.data)


def check_items(named: str) -> Path:
    """Return the file that ``--items`` names.

    Raises
    ------
    NotStartedError
        If it is not a readable .jsonl or .csv file.
    """
    path = Path(named)
    if path.suffix not in ITEM_SUFFIXES:
        raise NotStartedError(f"--items must be a file that ends in {' or '.join(ITEM_SUFFIXES)}, got {shorten(named)}")
    if not is_file(path) or not os.access(path, os.R_OK):
        raise NotStartedError(f"--items must be a file that can be read, got {shorten(named)}")
    return path


def check_source(named: str) -> Path | None:
    """Return the folder that ``--source`` names, or None where it names objects in S3.

    Raises
    ------
    NotStartedError
        If it is neither.
    """
    if named.startswith("s3://"):
        return None
    path = Path(named)
    if not named or not is_folder(path):  # Path("") is the current folder, "" a variable that is not set
        raise NotStartedError(f"--source must be a folder or s3://bucket/prefix, got '{shorten(named)}'")
    return path


def upload_items(target: Target, run_name: str, path: Path) -> str:
    """Upload the file; return where it is, ``s3://bucket/key``."""
    key = upload_key(run_name, f"items{path.suffix}")
    _upload(target, path, key)
    return f"s3://{target.bucket}/{key}"


def upload_source(target: Target, run_name: str, folder: Path) -> str:
    """Upload every file below the folder; return the prefix, ``s3://bucket/prefix/``.

    Raises
    ------
    NotStartedError
        If there is no file, or something that is not a file and would be left out, or an upload fails; it names the
        file. What could be refused is refused before anything is uploaded.
    """
    prefix = upload_key(run_name, "source/")
    count = sum(1 for path in files_below(folder) if _key(folder, path))
    if not count:
        raise NotStartedError(f"--source must be a folder with files in it, got {folder}, which has none")
    with open_counter("uploading", count, "file") as counter:
        _upload_all(target, folder, prefix, counter)
    say(f"uploaded {counted(counter.done, 'file')} of {folder}")
    return f"s3://{target.bucket}/{prefix}"


def _upload_all(target: Target, folder: Path, prefix: str, counter: Counter) -> None:
    target.s3  # noqa: B018 - clients are made on one thread, and used by all
    waiting: set[Future[None]] = set()
    pool = ThreadPoolExecutor(PARALLEL_UPLOADS)
    try:
        for path in files_below(folder):
            if len(waiting) >= WINDOW:
                ended, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                _take(ended, counter)
            waiting.add(pool.submit(_upload, target, path, prefix + _key(folder, path)))
        for future in as_completed(waiting):
            _take([future], counter)
    finally:
        pool.shutdown(cancel_futures=True)


def _take(ended: Iterable[Future[None]], counter: Counter) -> None:
    for future in ended:
        future.result()
        counter.add()


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, links to files included.

    Raises
    ------
    NotStartedError
        At the first thing that could not be uploaded: leaving it out would change the answer silently.
    """
    for parent, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        if links := [path for name in folders if (path := Path(parent, name)).is_symlink()]:
            raise NotStartedError(f"--source holds a link to a folder, which is not followed: {links[0]}")
        for name in names:
            path = Path(parent, name)
            if not path.is_file():
                raise NotStartedError(f"--source holds something that is not a file: {path}")
            yield path


def _refuse_unreadable(error: OSError) -> None:
    raise NotStartedError(f"--source holds a folder that can't be read: {error}") from error


def _key(folder: Path, path: Path) -> str:
    name = path.relative_to(folder).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise NotStartedError(f"--source holds a file whose name is not UTF-8: {name!a}") from error
    return name


def _upload(target: Target, path: Path, key: str) -> None:
    # upload_file makes threads of its own for big files; several files go at once already.
    config = TransferConfig(use_threads=False)
    try:
        with explained(NotStartedError, f"uploading {path}"):
            target.s3.upload_file(str(path), target.bucket, key, Config=config)
    except (OSError, Boto3Error) as error:
        raise NotStartedError(f"uploading {path}: {error}") from error
