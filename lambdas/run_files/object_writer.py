"""Writes one S3 object of any length as a stream: the object is complete, or not there at all."""

from types import TracebackType
from typing import Any, Self

from lambdas.run_files import storage
from lambdas.run_files.errors import StorageAccessError

# S3 takes parts of 5 MiB and more (but the last), and at most 10,000 of them.
# Source: Amazon S3 user guide, "Amazon S3 multipart upload limits".
PART_BYTES = 8 * 1024 * 1024
MAX_PART_COUNT = 10_000
# Named when the upload is begun and of each part: S3 checks what it gets, and keeps the checksum of the whole.
CHECKSUM = "CRC32"


class ObjectWriter:
    """Context manager: ``write`` bytes; leaving it completes the object, an exception leaves nothing behind.

    Holds one part in memory.  What fits in one part, nothing included, is a plain PutObject.
    """

    def __init__(self, bucket: str, key: str) -> None:
        self.bucket = bucket
        self.key = key
        self.size_bytes = 0
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def write(self, data: bytes) -> None:
        """Append ``data``, which may be of any length."""
        if len(data) > PART_BYTES:
            # A piece at a time, so that there is no second copy of what is long.
            pieces = (memoryview(data)[begin : begin + PART_BYTES] for begin in range(0, len(data), PART_BYTES))
            for piece in pieces:
                self._append(piece)
        else:
            self._append(data)

    def _append(self, data: bytes | memoryview) -> None:
        self._buffer += data
        self.size_bytes += len(data)
        while len(self._buffer) >= PART_BYTES:
            self._upload_part(bytes(memoryview(self._buffer)[:PART_BYTES]))
            del self._buffer[:PART_BYTES]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abort()
            return
        try:
            self._complete()
        except BaseException:
            self._abort()
            raise

    def _upload_part(self, data: bytes) -> None:
        if len(self._parts) == MAX_PART_COUNT:
            raise StorageAccessError(f"s3://{self.bucket}/{self.key} would be over {MAX_PART_COUNT * PART_BYTES} bytes")
        client = storage.s3_client()
        with storage.named_errors(self.bucket, self.key):
            if self._upload_id is None:
                self._upload_id = client.create_multipart_upload(
                    Bucket=self.bucket, Key=self.key, ChecksumAlgorithm=CHECKSUM
                )["UploadId"]
            number = len(self._parts) + 1
            response = client.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=data,
                ChecksumAlgorithm=CHECKSUM,
            )
        known = {name: response[name] for name in ("ETag", f"Checksum{CHECKSUM}") if name in response}
        self._parts.append({"PartNumber": number, **known})

    def _complete(self) -> None:
        if self._upload_id is None:
            storage.put(self.bucket, self.key, bytes(self._buffer))
            return
        if self._buffer:
            self._upload_part(bytes(self._buffer))
        with storage.named_errors(self.bucket, self.key):
            storage.s3_client().complete_multipart_upload(
                Bucket=self.bucket, Key=self.key, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )

    def _abort(self) -> None:
        if self._upload_id is not None:
            with storage.named_errors(self.bucket, self.key):
                storage.s3_client().abort_multipart_upload(Bucket=self.bucket, Key=self.key, UploadId=self._upload_id)
