"""S3 on this machine against moto: the same calls of boto3 give the same results and errors."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import boto3
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule
from moto import mock_aws
from s3_endpoint import new_client, served
from sfn_local.object_store import ObjectStore

# Small parts, so that examples are small; both sides get the same limit.
MIN_PART_BYTES = 4

# Letters that sort apart by case and by code point, that URLs and XML escape, that file systems take for something.
KEYS = st.text("aAb/.é~%+ &<'\"\n\U0001f389", min_size=1, max_size=5)
BODIES = st.binary(max_size=12)
# None that ends before it begins: S3 ignores it, moto does so only if it begins within the object.
RANGES = st.one_of(
    st.tuples(st.integers(0, 15), st.integers(0, 15)).map(lambda ends: "bytes={}-{}".format(*sorted(ends))),
    st.builds("bytes={}-".format, st.integers(0, 15)),
    st.builds("bytes=-{}".format, st.integers(0, 15)),
)


# One for all examples: it reads the model of S3 once.
SESSION = boto3.Session()


class Pair:
    """One of our results beside moto's."""

    def __init__(self, ours: Any, theirs: Any) -> None:
        self.ours = ours
        self.theirs = theirs


class S3Comparison(RuleBasedStateMachine):
    """Random calls, each made on both sides."""

    keys: Bundle[str] = Bundle("keys")
    uploads: Bundle[Pair] = Bundle("uploads")

    @initialize()
    def start(self) -> None:
        self.resources = ExitStack()
        folder = Path(self.resources.enter_context(TemporaryDirectory()))
        store = self.resources.enter_context(closing(ObjectStore(folder, min_part_bytes=MIN_PART_BYTES)))
        ours = new_client(self.resources.enter_context(served(store)), kind=SESSION.client)
        self.resources.enter_context(patch("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", MIN_PART_BYTES))
        self.resources.enter_context(mock_aws())
        self.sides = Pair(ours, new_client(None, kind=SESSION.client))
        self.parts: dict[str, dict[int, str]] = {}
        self.call("create_bucket")

    def teardown(self) -> None:
        self.resources.close()

    def call(self, name: str, *fields: str, read: Callable[[Any], Any] | None = None, **params: Any) -> Pair:
        """Make a call on both sides, compare ``fields`` of the results and what ``read`` gives, or the errors."""
        responses, seen = [], []
        for side in ("ours", "theirs"):
            own = {key: getattr(value, side) if isinstance(value, Pair) else value for key, value in params.items()}
            try:
                response = getattr(getattr(self.sides, side), name)(Bucket="bkt", **own)
            except ClientError as error:
                responses.append(None)
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                seen.append((error.response["Error"]["Code"], status))
            else:
                responses.append(response)
                seen.append(({field: response.get(field) for field in fields}, read(response) if read else None))
        assert seen[0] == seen[1]
        return Pair(*responses)

    @rule(target=keys, key=KEYS)
    def choose_key(self, key: str) -> str:
        return key

    @rule(key=keys, body=BODIES, metadata=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "2"])))
    def put(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        self.call("put_object", "ETag", Key=key, Body=body, Metadata=metadata, ContentType="text/plain")

    @rule(key=keys, body=BODIES)
    def put_if_none(self, key: str, body: bytes) -> None:
        self.call("put_object", "ETag", Key=key, Body=body, IfNoneMatch="*")

    @rule(key=keys)
    def get(self, key: str) -> None:
        fields = ("ETag", "ContentLength", "ContentType", "Metadata", "AcceptRanges")
        self.call("get_object", *fields, Key=key, read=lambda response: response["Body"].read())
        self.call("head_object", *fields, Key=key)

    @rule(key=keys, range_=RANGES)
    def get_range(self, key: str, range_: str) -> None:
        fields = ("ContentLength", "ContentRange")
        if range_.startswith("bytes=-") and self.is_empty(key):
            return  # S3 refuses the last bytes of nothing, moto answers it
        self.call("get_object", *fields, Key=key, Range=range_, read=lambda response: response["Body"].read())

    def is_empty(self, key: str) -> bool:
        listed = self.sides.ours.list_objects_v2(Bucket="bkt", Prefix=key).get("Contents", [])
        return any(each["Key"] == key and not each["Size"] for each in listed)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        self.call("delete_object", Key=key)

    @rule(some=st.lists(keys, min_size=1, max_size=4, unique=True))
    def delete_many(self, some: list[str]) -> None:
        objects = [{"Key": key} for key in some]
        self.call("delete_objects", Delete={"Objects": objects}, read=_deleted)

    @rule(source=keys, copied=keys)
    def copy(self, source: str, copied: str) -> None:
        self.call("copy_object", Key=copied, CopySource={"Bucket": "bkt", "Key": source}, read=_copied)

    @rule(
        prefix=st.one_of(st.just(""), KEYS),
        delimiter=st.sampled_from(["", "/", "a", "é"]),
        start_after=st.one_of(st.just(""), KEYS),
        max_keys=st.integers(1, 4),
    )
    def list_pages(self, prefix: str, delimiter: str, start_after: str, max_keys: int) -> None:
        params: dict[str, Any] = {"Prefix": prefix, "Delimiter": delimiter, "MaxKeys": max_keys}
        page = self.call("list_objects_v2", "KeyCount", "IsTruncated", read=_listed, **params, StartAfter=start_after)
        while page.ours["IsTruncated"]:
            token = Pair(page.ours["NextContinuationToken"], page.theirs["NextContinuationToken"])
            page = self.call(
                "list_objects_v2", "KeyCount", "IsTruncated", read=_listed, **params, ContinuationToken=token
            )

    @rule(target=uploads, key=keys)
    def create_upload(self, key: str) -> Pair:
        created = self.call("create_multipart_upload", "Bucket", "Key", Key=key, ContentType="text/csv")
        upload_id = Pair(created.ours["UploadId"], created.theirs["UploadId"])
        self.parts[upload_id.ours] = {}
        return Pair(key, upload_id)

    @rule(upload=uploads, number=st.integers(1, 3), body=BODIES)
    def upload_part(self, upload: Pair, number: int, body: bytes) -> None:
        place = {"Key": upload.ours, "UploadId": upload.theirs}
        part = self.call("upload_part", "ETag", **place, PartNumber=number, Body=body)
        if part.ours:
            self.parts[upload.theirs.ours][number] = part.ours["ETag"]
        self.call("list_parts", **place, read=_parts)

    # Consumed, because moto fails with a KeyError when an upload is completed twice.
    @rule(upload=consumes(uploads))
    def complete(self, upload: Pair) -> None:
        parts = sorted(self.parts[upload.theirs.ours].items())
        named = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
        if parts:
            place = {"Key": upload.ours, "UploadId": upload.theirs}
            self.call("complete_multipart_upload", "ETag", "Key", **place, MultipartUpload=named)

    @rule(upload=consumes(uploads))
    def abort(self, upload: Pair) -> None:
        self.call("abort_multipart_upload", Key=upload.ours, UploadId=upload.theirs)


def _deleted(response: dict[str, Any]) -> list[str]:
    return sorted(entry["Key"] for entry in response["Deleted"])


def _copied(response: dict[str, Any]) -> str:
    return response["CopyObjectResult"]["ETag"]


def _listed(response: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    objects = [(entry["Key"], entry["Size"], entry["ETag"]) for entry in response.get("Contents", [])]
    return objects, [entry["Prefix"] for entry in response.get("CommonPrefixes", [])]


def _parts(response: dict[str, Any]) -> list[Any]:
    return [(part["PartNumber"], part["Size"], part["ETag"]) for part in response.get("Parts", [])]


TestS3Comparison = S3Comparison.TestCase
TestS3Comparison.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
