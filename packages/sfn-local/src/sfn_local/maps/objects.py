"""Access of Distributed Maps to S3: the object store, in the shapes that readers and writers need."""

from collections.abc import Iterator
from typing import BinaryIO

from sfn_local.iam.access import Access
from sfn_local.iam.api_actions import Needed, listing, object_arn
from sfn_local.language import Json
from sfn_local.object_store import Attributes, ObjectInfo, ObjectStore, Writer
from sfn_local.object_store.errors import NoSuchKeyError

_NANOSECONDS = 1_000_000_000


class MapObjects:
    """Adapter of the object store for one principal; see :class:`sfn_local.maps.item_reader.ObjectSource`."""

    def __init__(self, store: ObjectStore, access: Access, principal: str) -> None:
        self._store = store
        self._access = access
        self._principal = principal

    def open(self, bucket: str, key: str) -> BinaryIO:
        self._require(Needed("s3:GetObject", object_arn(bucket, key)))
        try:
            return self._store.open(bucket, key)
        except NoSuchKeyError:
            self._require(listing(bucket, key))
            raise

    def list_objects(self, bucket: str, prefix: str) -> Iterator[dict[str, Json]]:
        """Yield objects as recorded items of ``listObjectsV2`` show them, streamed page by page."""
        self._require(listing(bucket, prefix))
        token: str | None = None
        while True:
            page = self._store.list(bucket, prefix=prefix, token=token)
            for info in page.objects:
                yield {
                    "Etag": f'"{info.etag}"',
                    "Key": info.key,
                    "LastModified": info.modified_ns // _NANOSECONDS,
                    "Size": info.size,
                    "StorageClass": "STANDARD",
                }
            token = page.next_token
            if token is None:
                return

    def check_writable(self, bucket: str, key: str) -> None:
        """Raise what writing this object would: the bucket is not there, or the role may not write the key."""
        self._require(Needed("s3:PutObject", object_arn(bucket, key)))
        self._store.require_bucket(bucket)

    def etag(self, bucket: str, key: str) -> str:
        return self._store.info(bucket, key).etag

    def open_writer(self, bucket: str, key: str, content_type: str) -> Writer[ObjectInfo]:
        self._require(Needed("s3:PutObject", object_arn(bucket, key)))
        # Result files are uploaded in parts.
        self._access.require_key(self._principal, "kms:Decrypt", object_arn(bucket, key))
        return self._store.open_writer(bucket, key, attributes=Attributes(content_type=content_type))

    def _require(self, needed: Needed) -> None:
        self._access.require(self._principal, *needed)
