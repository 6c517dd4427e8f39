"""A run's files under ``runs/<name>/``: where they are, and the two that every handler reads.

::

    runs/<name>/run.json        settings: workload, params, counts
    runs/<name>/batches.jsonl   one line a batch, read by ItemReader
    runs/<name>/items.jsonl     the items, one a line, where they are not a range; with their indexes in a redrive
    runs/<name>/map/            what ResultWriter writes
    runs/<name>/parts/          results that are too long for a state
    runs/<name>/batch/          what the children of an array job write, a file each
    runs/<name>/batch_callback/ what a job with a task token writes
    runs/<name>/result.json     the answer; with results.jsonl, failed.jsonl, result.bin where there are such
    runs/<name>/records.json    where the records are that Sum read
"""

import functools
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lambdas.contract.keys import run_key
from lambdas.run_files import checksums, json_text, storage
from lambdas.run_files.errors import InvalidEventError, InvalidInputError, ResultFileError, StorageAccessError
from lambdas.run_files.json_text import shown

# Above this the service does not keep integers apart.
MAX_NUMBER = 2**53
MAX_BATCH_LINE_BYTES = 4096
# The largest prime below that.
CHECKSUM_MODULUS = 2**53 - 111
RANGE_FIELDS = frozenset({"batch", "first", "count"})
PLACE_FIELDS = frozenset({"key", "offset", "bytes", "checksum"})


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Settings of a run for Compute and Sum; never part of a state, because params may be long."""

    name: str
    workload: str
    params: dict[str, Any]
    item_count: int
    batch_count: int
    tolerated_failure_percentage: float
    workload_sha256: str
    back_end: str = "lambda"
    # Children of the array job, where there is one.
    array_size: int = 0
    # The run whose failed items these are.  Batches then count lines of items.jsonl, which name the items.
    redrive_of: str | None = None
    # When the execution was started: its name may be given to another one after 90 days, its start can't.
    started: str = ""
    # Other versions of the workload's file that had a part in this run, or in those that it completes.
    earlier_sha256s: list[str] = field(default_factory=list)
    # Where the records of run ``redrive_of`` are, if that ended before its Sum; else they are where its Sum noted them.
    earlier_records: dict[str, Any] = field(default_factory=dict)
    # Whether the workload came with the run: workload_sha256 is then that of its package.
    is_uploaded: bool = False
    # Whether the workload has ``combine``, so that parts have one result; None where only the import can tell.
    combines: bool | None = None

    @property
    def only_finishes(self) -> bool:
        """Whether the run computes nothing: its Sum finishes the results of the run that it is a redrive of."""
        return self.redrive_of is not None and self.item_count == 0

    @property
    def versions(self) -> frozenset[str]:
        """SHA-256 of every version of the workload's file that had a part in the run."""
        return frozenset((self.workload_sha256, *self.earlier_sha256s))

    @property
    def package_sha256(self) -> str | None:
        """SHA-256 of the package that has the workload, None where the stack has it."""
        return self.workload_sha256 if self.is_uploaded else None

    def write(self, bucket: str) -> None:
        storage.put_json(bucket, run_key(self.name, "run.json"), checksums.with_checksum(asdict(self)))


def refuse_kept(bucket: str, run: str, started: str) -> str | None:
    """Refuse to write a run whose name another execution had, which is kept; a redrive is of the same execution.

    Returns
    -------
    str or None
        SHA-256 of the workload's file as an earlier attempt of this Start had it, which wrote run.json; None if none
        did, or it is not known whether that was this one.

    Raises
    ------
    InvalidInputError
        If there is a run.json that an execution wrote which was not started then.
    """
    try:
        value = storage.get_json(bucket, run_key(run, "run.json"))
    except StorageAccessError:
        return None  # no run has the name
    except ResultFileError:
        value = None
    kept = value.get("started", "") if isinstance(value, dict) else "an unknown time"
    if started and kept != started:
        raise InvalidInputError(
            f"the name {run} is that of a run which is kept, of an execution that was started at "
            f"{kept or 'an unknown time'}: give the execution another name, or delete runs/{run}/"
        )
    return value.get("workload_sha256") if started and isinstance(value, dict) else None


# Annotation of a field -> type for isinstance.
_SETTING_TYPES: dict[Any, Any] = {
    str: str,
    int: int,
    bool: bool,
    float: int | float,
    dict[str, Any]: dict,
    str | None: str | None,
    list[str]: list,
    bool | None: bool | None,
}


@functools.lru_cache(maxsize=4)
def read_settings(bucket: str, run: str) -> RunSettings:
    """Return a run's settings, read once in an execution environment: raises as ``settings_now``.

    They change only where a person goes on with another version of the workload's file: Compute reads them anew then.
    """
    return settings_now(bucket, run)


def settings_now(bucket: str, run: str) -> RunSettings:
    """Return a run's settings as they are now.

    Raises
    ------
    ResultFileError
        If run.json is broken or belongs to another run.
    """
    value = storage.get_json(bucket, run_key(run, "run.json"))
    try:
        settings = RunSettings(**checksums.without_checksum(value))
    except (AttributeError, TypeError) as error:
        raise ResultFileError(f"run.json of run {run} does not have the fields of a run: {error}") from error
    except ValueError as error:
        raise ResultFileError(f"s3://{bucket}/{run_key(run, 'run.json')} is broken: {error}") from error
    for each in fields(settings):
        given = getattr(settings, each.name)
        if not isinstance(given, _SETTING_TYPES[each.type]) or (
            isinstance(given, bool) and each.type not in (bool, bool | None)
        ):
            raise ResultFileError(f"{each.name} in run.json of run {run} must be {each.type}, got {shown(given)}")
    if not all(isinstance(sha256, str) for sha256 in settings.earlier_sha256s):
        raise ResultFileError(
            f"earlier_sha256s in run.json of run {run} must be texts, got {shown(settings.earlier_sha256s)}"
        )
    if settings.name != run:
        raise ResultFileError(f"run.json of run {run} names the run {shown(settings.name)}")
    return settings


def add_line(checksum: int, position: int, line: bytes) -> int:
    """Return the checksum of lines of items.jsonl with one more, which stands at ``position`` of the file.

    It is the sum of the lines' CRC-32s, each times its line's number from 1 on, modulo a prime.  Two lines exchanged
    always change it: the product of two differences that are less than the prime is no multiple of it.  Groups of lines
    can be joined by adding their checksums.
    """
    return (checksum + (position + 1) * zlib.crc32(line)) % CHECKSUM_MODULUS


@dataclass(frozen=True)
class Batch:
    """Items ``first`` to ``first + count - 1``; in a file where they stand, and the checksum of their lines."""

    number: int
    first: int
    count: int
    key: str | None = None
    offset: int = 0
    size_bytes: int = 0
    checksum: int = 0

    @property
    def end(self) -> int:
        return self.first + self.count

    def to_json(self) -> dict[str, Any]:
        """Return the line of batches.jsonl: batch, first and count; of items in a file their place and checksum too."""
        line: dict[str, Any] = {"batch": self.number, "first": self.first, "count": self.count}
        if self.key is not None:
            line |= {"key": self.key, "offset": self.offset, "bytes": self.size_bytes, "checksum": self.checksum}
        return line

    @classmethod
    def from_json(cls, value: Any) -> "Batch":
        """Read what ``to_json`` wrote.

        Raises
        ------
        InvalidEventError
            If it is not a batch.
        """
        allowed = (RANGE_FIELDS, RANGE_FIELDS | PLACE_FIELDS)
        if not isinstance(value, dict) or set(value) not in allowed:
            raise InvalidEventError(
                f'a batch is {{"batch", "first", "count"[, "key", "offset", "bytes", "checksum"]}}, got {shown(value)}'
            )
        numbers = {name: number for name, number in value.items() if name != "key"}
        for name, number in numbers.items():
            if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= MAX_NUMBER:
                raise InvalidEventError(f"{name} of a batch must be an integer from 0 to 2^53, got {shown(number)}")
        key = value.get("key")
        if key is not None and not isinstance(key, str):
            raise InvalidEventError(f"key of a batch must be text, got {shown(key)}")
        return cls(
            value["batch"],
            value["first"],
            value["count"],
            key,
            numbers.get("offset", 0),
            numbers.get("bytes", 0),
            numbers.get("checksum", 0),
        )


def read_batches(bucket: str, run: str) -> Iterator[Batch]:
    """Yield the batches of a run, which follow each other without a gap.

    Raises
    ------
    ResultFileError
        If batches.jsonl is broken.
    """
    key = run_key(run, "batches.jsonl")
    next_index = 0
    for number, line in enumerate(storage.read_lines(bucket, key, max_line_bytes=MAX_BATCH_LINE_BYTES), 1):
        try:
            batch = Batch.from_json(json_text.parse(line.decode()))
        except (ValueError, InvalidEventError) as error:
            raise ResultFileError(f"line {number} of s3://{bucket}/{key} is broken: {error}") from error
        if batch.first != next_index:
            raise ResultFileError(
                f"line {number} of s3://{bucket}/{key} is broken: batch {batch.number} begins at item {batch.first}, "
                f"expected {next_index}"
            )
        if batch.number != number - 1:
            raise ResultFileError(
                f"line {number} of s3://{bucket}/{key} is broken: it is batch {batch.number}, expected {number - 1}"
            )
        next_index = batch.end
        yield batch
