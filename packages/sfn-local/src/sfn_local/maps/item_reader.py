"""Items of a Distributed Map from S3: the ItemReader's parameters, the object or listing that they name.

Source: Step Functions developer guide, "ItemReader".

**Differs from AWS:** Parquet and manifests are refused when the definition is loaded, ``VersionId`` and
``ExpectedBucketOwner`` when the state is entered, zstd when the file is opened; the limit of 8 MB an item is not
enforced in JSON files; the wording of causes is ours where none was recorded.
"""

import codecs
import contextlib
import gzip
import hashlib
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, cast

import ijson

from sfn_local.execution.map_items import Member
from sfn_local.language import Json
from sfn_local.language.errors import ItemReaderFailedError
from sfn_local.maps.item_formats import FORMATS
from sfn_local.protocol import ServiceError

# Source: Step Functions quotas, "Maximum number of items" of one Map Run.
MAX_ITEMS = 100_000_000

# Source: Step Functions developer guide, "ItemReader": 10 GB a file.
MAX_FILE_BYTES = 10 * 1024**3

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class ObjectSource(Protocol):
    """The part of the object store that Distributed Maps need besides writers."""

    def open(self, bucket: str, key: str) -> BinaryIO: ...

    def list_objects(self, bucket: str, prefix: str) -> Iterable[dict[str, Json]]: ...

    def check_writable(self, bucket: str, key: str) -> None: ...

    def etag(self, bucket: str, key: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class ReaderSettings:
    """``ItemReader`` with its paths resolved; a ``max_items`` of 0 is no limit."""

    resource: str
    parameters: Json
    config: Mapping[str, Json] = field(default_factory=dict)
    max_items: int = 0

    @property
    def is_listing(self) -> bool:
        return self.resource.endswith(":listObjectsV2")

    @property
    def loads_objects(self) -> bool:
        """Whether the items are those in the objects of a listing, and not the listed objects."""
        return self.is_listing and self.config.get("Transformation") == "LOAD_AND_FLATTEN"

    @property
    def place(self) -> tuple[str, str]:
        """Bucket and key, or bucket and prefix of a listing; raises :class:`ItemReaderFailedError`."""
        required, optional = (("Bucket",), ("Prefix",)) if self.is_listing else (("Bucket", "Key"), ())
        bucket, key = _texts(self.parameters, required, optional)
        return bucket, key

    @property
    def source(self) -> str:
        """The dataset, and ``$$.Map.Item.Source`` of its items unless it loads objects.

        Raises
        ------
        ItemReaderFailedError
        """
        bucket, key = self.place
        return f"s3://{bucket}" if self.is_listing else _address(bucket, key)

    @property
    def limit(self) -> int:
        return self.max_items or MAX_ITEMS


def object_version(settings: ReaderSettings, objects: ObjectSource) -> str | None:
    """Return what changes if the object does, or any object of the listing; None if it can't be read.

    Raises
    ------
    ItemReaderFailedError
        If a parameter is unknown or missing.
    """
    bucket, key = settings.place
    try:
        if not settings.is_listing:
            return objects.etag(bucket, key)
        digest = hashlib.sha256()
        limit = MAX_ITEMS if settings.loads_objects else settings.limit
        for listed in itertools.islice(objects.list_objects(bucket, key), limit):
            digest.update(repr((listed["Key"], listed["Etag"], listed["Size"])).encode())
        return digest.hexdigest()
    except ServiceError:
        return None  # whoever reads it gets the reason


def read_items(
    settings: ReaderSettings, objects: ObjectSource, opened: contextlib.ExitStack
) -> Iterator[tuple[str, Json | Member]]:
    """Return the items, streamed, each with its ``$$.Map.Item.Source``.

    Parameters
    ----------
    opened : ExitStack
        Closes the file when its owner is done with the items.

    Raises
    ------
    ItemReaderFailedError
        If a parameter is unknown or missing; while iterating, if the object can't be read or is not of its format.
    """
    bucket, key = settings.place
    if settings.loads_objects:
        return itertools.islice(_loaded_items(objects, bucket, key, settings.config, opened), settings.limit)
    items = _listing(objects, bucket, key)
    if not settings.is_listing:
        items = _file_items(objects, bucket, key, settings.config, opened)
    return zip(itertools.repeat(settings.source), itertools.islice(items, settings.limit))


def _texts(parameters: Json, required: tuple[str, ...], optional: tuple[str, ...]) -> list[str]:
    """Return the values of all these parameters, "" for one that is absent."""
    names = (*required, *optional)
    if not isinstance(parameters, dict):
        raise ItemReaderFailedError(f"the parameters of ItemReader must be an object, got {parameters!r}")
    for name in parameters:
        if name not in names:
            raise ItemReaderFailedError(f"parameter {name} of ItemReader is not supported; allowed: {', '.join(names)}")
    values = [parameters.get(name, "") for name in names]
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, str) or (name in required and not value):
            raise ItemReaderFailedError(f"parameter {name} of ItemReader must be a text, got {value!r}")
    return values


def _address(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"


def _listing(objects: ObjectSource, bucket: str, prefix: str) -> Iterator[Json | Member]:
    try:
        yield from objects.list_objects(bucket, prefix)
    except ServiceError as error:
        raise ItemReaderFailedError(f"Attempting to list s3://{bucket}/{prefix}: {error}") from error


def _loaded_items(
    objects: ObjectSource, bucket: str, prefix: str, config: Mapping[str, Json], opened: contextlib.ExitStack
) -> Iterator[tuple[str, Json | Member]]:
    """Yield the items of all objects below a prefix; one file is open at a time."""
    file = opened.enter_context(contextlib.ExitStack())
    for listed in _listing(objects, bucket, prefix):
        key = cast(dict[str, str], listed)["Key"]
        for item in _file_items(objects, bucket, key, config, file):
            yield _address(bucket, key), item
        file.close()


def _file_items(
    objects: ObjectSource, bucket: str, key: str, config: Mapping[str, Json], opened: contextlib.ExitStack
) -> Iterator[Json | Member]:
    try:
        stream = opened.enter_context(objects.open(bucket, key))
        _check_size(stream)
        stream = opened.enter_context(_decompressed(stream))
        if stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            stream.seek(0)
        yield from FORMATS[config["InputType"]](stream, config, opened)
    except ItemReaderFailedError:
        raise
    except (ServiceError, OSError) as error:
        raise ItemReaderFailedError(f"Attempting to read s3://{bucket}/{key}: {error}") from error
    except (ValueError, ijson.JSONError, EOFError, RecursionError) as error:
        raise ItemReaderFailedError(f"Attempting to parse s3://{bucket}/{key}: {error}") from error


def _check_size(stream: BinaryIO) -> None:
    size = stream.seek(0, io.SEEK_END)
    if size > MAX_FILE_BYTES:
        raise ItemReaderFailedError(f"the file has {size} bytes, at most {MAX_FILE_BYTES} are allowed")
    stream.seek(0)


def _decompressed(stream: BinaryIO) -> BinaryIO:
    """Unpack what is packed with gzip; the first bytes tell."""
    head = stream.read(4)
    stream.seek(0)
    if head.startswith(_ZSTD):
        raise ItemReaderFailedError("a file compressed with zstd can't be read here; gzip and plain files can")
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if head.startswith(_GZIP) else stream
