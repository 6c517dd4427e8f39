"""S3 on this machine as boto3, its transfers and resources see it, over HTTP with signatures."""

import io
import os
import random
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from s3_endpoint import error_of, new_client, served
from sfn_local.object_store import ObjectStore

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with closing(ObjectStore(tmp_path_factory.mktemp("s3"))) as store:
        store.create_bucket("bkt")
        yield store


@pytest.fixture(scope="module")
def endpoint_url(store: ObjectStore) -> Iterator[str]:
    with served(store) as url:
        yield url


@pytest.fixture(scope="module")
def s3(endpoint_url: str) -> Any:
    return new_client(endpoint_url)


def test_object_comes_back_with_all_that_was_said_of_it(s3: Any) -> None:
    said = {
        "CacheControl": "no-store",
        "ContentDisposition": "attachment",
        "ContentEncoding": "gzip",
        "ContentLanguage": "en",
        "ContentType": "text/plain",
        "Expires": datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        "Metadata": {"colour": "red", "Size": "large"},
    }
    s3.put_object(Bucket="bkt", Key="said", Body=b"x", **said)
    for read in (s3.get_object(Bucket="bkt", Key="said"), s3.head_object(Bucket="bkt", Key="said")):
        assert {name: read[name] for name in said} == said | {"Metadata": {"colour": "red", "size": "large"}}


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_checksum_is_stored_and_comes_back(s3: Any, algorithm: str) -> None:
    put = s3.put_object(Bucket="bkt", Key=algorithm, Body=b"checked", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket="bkt", Key=algorithm, ChecksumMode="ENABLED")
    assert put[f"Checksum{algorithm}"] == got[f"Checksum{algorithm}"]
    assert got["ChecksumType"] == "FULL_OBJECT"
    assert type(got["Body"]).__name__ == "StreamingChecksumBody"  # the client checks what it reads
    assert got["Body"].read() == b"checked"


@pytest.mark.parametrize(
    "params",
    [
        {"ChecksumCRC32": "AAAAAA=="},
        {"ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"ChecksumSHA256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
    ],
)
def test_body_with_another_digest_is_refused_and_leaves_nothing(s3: Any, params: dict[str, str]) -> None:
    assert error_of(s3.put_object, Bucket="bkt", Key="bad digest", Body=b"x", **params) == ("BadDigest", 400)
    assert error_of(s3.head_object, Bucket="bkt", Key="bad digest") == ("404", 404)


def test_checksum_algorithm_that_is_not_supported_is_refused_by_name(s3: Any) -> None:
    with pytest.raises(ClientError, match="XXHASH64 is not supported") as raised:
        s3.put_object(Bucket="bkt", Key="k", Body=b"x", ChecksumXXHASH64="AAAAAAAAAAA=")
    assert raised.value.response["Error"]["Code"] == "NotImplemented"


def test_range_reads_only_what_it_names(s3: Any) -> None:
    s3.put_object(Bucket="bkt", Key="digits", Body=b"0123456789")
    read = s3.get_object(Bucket="bkt", Key="digits", Range="bytes=2-4", ChecksumMode="ENABLED")
    assert (read["Body"].read(), read["ContentRange"], read["ContentLength"]) == (b"234", "bytes 2-4/10", 3)
    assert read["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.head_object(Bucket="bkt", Key="digits", Range="bytes=-1")["ContentRange"] == "bytes 9-9/10"
    assert error_of(s3.get_object, Bucket="bkt", Key="digits", Range="bytes=10-") == ("InvalidRange", 416)


@pytest.mark.parametrize("text", ["bytes=4-2", "bytes=12-11", "bytes=a-b", "bytes=-", "bytes=0-1,3-4", "lines=0-1", ""])
def test_what_is_not_one_range_is_ignored(s3: Any, text: str) -> None:
    s3.put_object(Bucket="bkt", Key="digits", Body=b"0123456789")
    assert s3.get_object(Bucket="bkt", Key="digits", Range=text)["Body"].read() == b"0123456789"


@pytest.mark.parametrize("text", ["bytes=4-2", "bytes=4-", "bytes=-4", "bytes=5-10", "bytes=10-11", "4-5"])
def test_range_of_a_copied_part_must_be_within_its_source(s3: Any, text: str) -> None:
    s3.put_object(Bucket="bkt", Key="digits", Body=b"0123456789")
    place = {"Bucket": "bkt", "Key": "of digits"}
    part = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"], "PartNumber": 1}
    call = {**part, "CopySource": "bkt/digits"}
    assert error_of(s3.upload_part_copy, **call, CopySourceRange=text) == ("InvalidArgument", 400)
    etag = s3.upload_part_copy(**call, CopySourceRange="bytes=2-4")["CopyPartResult"]["ETag"]
    part.pop("PartNumber")
    s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert s3.get_object(**place)["Body"].read() == b"234"


def test_conditional_reads_and_writes(s3: Any) -> None:
    place = {"Bucket": "bkt", "Key": "conditional"}
    etag = s3.put_object(**place, Body=b"1", IfNoneMatch="*")["ETag"]
    modified = s3.head_object(**place)["LastModified"]
    assert error_of(s3.put_object, **place, Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert error_of(s3.put_object, **place, Body=b"2", IfMatch='"other"') == ("PreconditionFailed", 412)
    assert error_of(s3.put_object, Bucket="bkt", Key="none", Body=b"2", IfMatch=etag) == ("NoSuchKey", 404)
    assert s3.get_object(**place, IfMatch=etag)["Body"].read() == b"1"
    assert error_of(s3.get_object, **place, IfMatch='"other"') == ("PreconditionFailed", 412)
    assert error_of(s3.get_object, **place, IfNoneMatch=etag) == ("304", 304)
    assert error_of(s3.get_object, **place, IfModifiedSince=modified) == ("304", 304)
    assert error_of(s3.get_object, **place, IfUnmodifiedSince=modified - timedelta(days=1)) == (
        "PreconditionFailed",
        412,
    )
    assert s3.put_object(**place, Body=b"2", IfMatch=etag)["ETag"] != etag


@pytest.mark.parametrize(
    ("call", "params", "name"),
    [
        ("put_object", {"Key": "k", "ACL": "public-read"}, "ACL"),
        ("put_object", {"Key": "k", "ServerSideEncryption": "aws:kms"}, "ServerSideEncryption"),
        ("put_object", {"Key": "k", "Tagging": "a=b"}, "Tagging"),
        ("get_object", {"Key": "k", "VersionId": "1"}, "VersionId"),
        ("get_object", {"Key": "k", "PartNumber": 1}, "PartNumber"),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "k", "VersionId": "1"}]}}, "VersionId"),
        ("get_bucket_versioning", {}, "GetBucketVersioning"),
        ("list_object_versions", {}, "ListObjectVersions"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(s3: Any, call: str, params: dict[str, Any], name: str) -> None:
    with pytest.raises(ClientError, match=name) as raised:
        getattr(s3, call)(Bucket="bkt", **params)
    assert raised.value.response["Error"]["Code"] == "NotImplemented"


def test_bucket_of_another_owner_is_refused(s3: Any) -> None:
    assert error_of(s3.head_bucket, Bucket="bkt", ExpectedBucketOwner="999999999999") == ("403", 403)
    assert s3.head_bucket(Bucket="bkt", ExpectedBucketOwner="123456789012")["BucketRegion"] == "us-east-1"


def test_buckets_are_made_and_listed(s3: Any) -> None:
    s3.create_bucket(Bucket="another")
    assert {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]} == {"another", "bkt"}
    s3.create_bucket(Bucket="another")  # no error in us-east-1
    assert error_of(s3.create_bucket, Bucket="Other")[0] == "InvalidBucketName"
    elsewhere = {"LocationConstraint": "eu-west-1"}
    assert error_of(s3.create_bucket, Bucket="elsewhere", CreateBucketConfiguration=elsewhere) == (
        "IllegalLocationConstraintException",
        400,
    )
    assert s3.get_bucket_location(Bucket="bkt")["LocationConstraint"] is None


def test_wrong_secret_is_refused(endpoint_url: str) -> None:
    assert error_of(new_client(endpoint_url, secret="guess").list_buckets) == ("SignatureDoesNotMatch", 403)


def test_connection_survives_a_refused_upload(s3: Any) -> None:
    for size in (0, 10, 3 * MIB):
        body = bytes(size)
        assert error_of(s3.put_object, Bucket="missing", Key="k", Body=body) == ("NoSuchBucket", 404)
        s3.put_object(Bucket="bkt", Key="after", Body=body)
        assert s3.get_object(Bucket="bkt", Key="after")["Body"].read() == body


def test_transfers_in_parts_carry_content_and_checksum(s3: Any, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(17 * MIB)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(content)
    s3.upload_file(str(source), "bkt", "transferred", ExtraArgs={"Metadata": {"a": "b"}})
    s3.download_file("bkt", "transferred", str(target))
    assert target.read_bytes() == content
    head = s3.head_object(Bucket="bkt", Key="transferred", ChecksumMode="ENABLED")
    assert (head["ETag"][-3:-1], head["ChecksumType"], head["Metadata"]) == ("-3", "COMPOSITE", {"a": "b"})
    buffer = io.BytesIO()
    s3.download_fileobj("bkt", "transferred", buffer)
    assert buffer.getvalue() == content


def test_copies_whole_and_in_parts_carry_content(s3: Any) -> None:
    content = os.urandom(11 * MIB)
    s3.put_object(Bucket="bkt", Key="a +ä", Body=content, ContentType="text/plain")
    s3.copy({"Bucket": "bkt", "Key": "a +ä"}, "bkt", "whole", Config=TransferConfig(multipart_threshold=64 * MIB))
    s3.copy({"Bucket": "bkt", "Key": "a +ä"}, "bkt", "parts", Config=TransferConfig(multipart_threshold=5 * MIB))
    for key in ("whole", "parts"):
        assert s3.get_object(Bucket="bkt", Key=key)["Body"].read() == content
    assert s3.head_object(Bucket="bkt", Key="whole")["ContentType"] == "text/plain"


def test_resources_list_and_delete(store: ObjectStore, endpoint_url: str) -> None:
    bucket = new_client(endpoint_url, kind=boto3.resource).Bucket("resources")
    bucket.create()
    keys = [f"{number:04}" for number in range(0, 2400, 2)]
    for key in keys:
        store.put("resources", key, [])
    assert [summary.key for summary in bucket.objects.all()] == keys
    assert [summary.key for summary in bucket.objects.filter(Marker="2390", Delimiter="/")] == keys[-4:]
    bucket.objects.filter(Prefix="1").delete()
    assert [summary.key for summary in bucket.objects.all()] == [key for key in keys if not key.startswith("1")]


def test_upload_in_parts_can_be_looked_at_and_aborted(s3: Any) -> None:
    place = {"Bucket": "bkt", "Key": "looked at"}
    upload = s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")
    for number in (3, 1):
        s3.upload_part(**place, UploadId=upload["UploadId"], PartNumber=number, Body=b"p", ChecksumAlgorithm="SHA256")
    listed = s3.list_parts(**place, UploadId=upload["UploadId"], MaxParts=1)
    assert ([part["PartNumber"] for part in listed["Parts"]], listed["IsTruncated"]) == ([1], True)
    rest = s3.list_parts(**place, UploadId=upload["UploadId"], PartNumberMarker=listed["NextPartNumberMarker"])
    assert ([part["PartNumber"] for part in rest["Parts"]], rest["IsTruncated"]) == ([3], False)
    assert [other["Key"] for other in s3.list_multipart_uploads(Bucket="bkt", Prefix="looked")["Uploads"]] == [
        "looked at"
    ]
    s3.abort_multipart_upload(**place, UploadId=upload["UploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="bkt", Prefix="looked")
    assert error_of(s3.list_parts, **place, UploadId=upload["UploadId"]) == ("NoSuchUpload", 404)


def test_part_without_the_checksum_of_its_upload_is_refused(s3: Any) -> None:
    place = {"Bucket": "bkt", "Key": "checksums"}
    upload_id = s3.create_multipart_upload(**place, ChecksumAlgorithm="SHA256")["UploadId"]
    part = {**place, "UploadId": upload_id, "PartNumber": 1}
    assert error_of(s3.upload_part, **part, Body=b"p", ChecksumAlgorithm="CRC32")[0] == "InvalidRequest"
    etag = s3.upload_part(**part, Body=b"p", ChecksumAlgorithm="SHA256")["ETag"]
    named = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    complete = {**place, "UploadId": upload_id, "MultipartUpload": named}
    assert error_of(s3.complete_multipart_upload, **complete)[0] == "InvalidRequest"


def test_unsigned_payload_is_accepted(endpoint_url: str) -> None:
    client = new_client(endpoint_url, s3={"payload_signing_enabled": False})
    client.put_object(Bucket="bkt", Key="unsigned", Body=b"x")
    assert client.get_object(Bucket="bkt", Key="unsigned")["Body"].read() == b"x"
