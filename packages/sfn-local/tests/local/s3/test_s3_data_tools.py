"""S3 on this machine as data tools use it: pyarrow, polars, DuckDB and fsspec send what boto3 doesn't."""

import os
import subprocess
import sys
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError
from s3_endpoint import error_of, new_client, served
from sfn_local.object_store import ObjectStore
from sfn_local.protocol.crc import CODES, CyclicChecksum


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Any]:
    with closing(ObjectStore(tmp_path)) as store, served(store) as url:
        store.create_bucket("bkt")
        store.put("bkt", "k", [b"0123456789"])
        store.put("bkt", "empty", [])
        yield new_client(url, signature_version="s3v4", request_checksum_calculation="when_required")


@pytest.mark.parametrize("name", ["x-amz-api-version", "x-amz-colour", "x-amz-acl"])
def test_header_that_an_operation_does_not_have_is_ignored(s3: Any, name: str) -> None:
    s3.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header(name, "2006-03-01"))
    assert s3.list_objects_v2(Bucket="bkt")["KeyCount"] == 2
    assert s3.head_bucket(Bucket="bkt")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_names_in_headers_may_be_in_small_letters(s3: Any) -> None:
    def ask(request: Any, **_: Any) -> None:
        request.headers.add_header("x-amz-checksum-mode", "enabled")

    s3.put_object(Bucket="bkt", Key="sum", Body=b"123456789", ChecksumCRC32C="4waSgw==")
    s3.meta.events.register("before-sign.s3.HeadObject", ask)
    assert s3.head_object(Bucket="bkt", Key="sum")["ChecksumCRC32C"] == "4waSgw=="


def test_presigned_url_is_read_without_a_key(s3: Any) -> None:
    url = s3.generate_presigned_url("get_object", {"Bucket": "bkt", "Key": "k"}, ExpiresIn=600)
    assert urllib.request.urlopen(url).read() == b"0123456789"
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(url.replace("/bkt/k?", "/bkt/empty?"))
    assert (refused.value.code, b"SignatureDoesNotMatch" in refused.value.read()) == (403, True)
    url = s3.generate_presigned_url("put_object", {"Bucket": "bkt", "Key": "put"}, ExpiresIn=600)
    urllib.request.urlopen(urllib.request.Request(url, data=b"new", method="PUT")).read()
    assert s3.get_object(Bucket="bkt", Key="put")["Body"].read() == b"new"


def test_bucket_is_deleted_when_it_is_empty(s3: Any) -> None:
    assert error_of(s3.delete_bucket, Bucket="bkt") == ("BucketNotEmpty", 409)
    s3.delete_objects(Bucket="bkt", Delete={"Objects": [{"Key": "k"}, {"Key": "empty"}]})
    upload = {"Bucket": "bkt", "Key": "k", "UploadId": s3.create_multipart_upload(Bucket="bkt", Key="k")["UploadId"]}
    assert error_of(s3.delete_bucket, Bucket="bkt") == ("BucketNotEmpty", 409)
    s3.abort_multipart_upload(**upload)
    s3.delete_bucket(Bucket="bkt")
    assert s3.list_buckets()["Buckets"] == []
    assert error_of(s3.delete_bucket, Bucket="bkt") == ("NoSuchBucket", 404)
    s3.create_bucket(Bucket="bkt")
    assert s3.list_objects_v2(Bucket="bkt")["KeyCount"] == 0


def test_answer_that_nothing_was_modified_has_etag_and_time(s3: Any) -> None:
    head = s3.head_object(Bucket="bkt", Key="k")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="bkt", Key="k", IfNoneMatch=head["ETag"])
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 304
    assert metadata["HTTPHeaders"]["etag"] == head["ETag"]
    assert metadata["HTTPHeaders"]["last-modified"] == head["LastModified"].strftime("%a, %d %b %Y %H:%M:%S GMT")


def test_moment_that_has_not_come_is_no_condition(s3: Any) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    assert s3.get_object(Bucket="bkt", Key="k", IfModifiedSince=later)["Body"].read() == b"0123456789"


@pytest.mark.parametrize(
    ("key", "text"), [("empty", "bytes=-5"), ("empty", "bytes=0-"), ("k", "bytes=-0"), ("k", "bytes=10-")]
)
def test_range_that_an_object_has_not_is_invalid(s3: Any, key: str, text: str) -> None:
    assert error_of(s3.get_object, Bucket="bkt", Key=key, Range=text) == ("InvalidRange", 416)


def test_checksum_of_a_completed_upload_is_compared(s3: Any) -> None:
    upload = {"Bucket": "bkt", "Key": "parts"}
    upload |= {"UploadId": s3.create_multipart_upload(**upload, ChecksumAlgorithm="SHA256")["UploadId"]}
    part = s3.upload_part(**upload, PartNumber=1, Body=b"part", ChecksumAlgorithm="SHA256")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]}]}
    # The checksum of the part is not the checksum of the checksums.
    wrong = {"MultipartUpload": parts, "ChecksumSHA256": part["ChecksumSHA256"]}
    assert error_of(s3.complete_multipart_upload, **upload, **wrong) == ("BadDigest", 400)
    right = b64encode(sha256(sha256(b"part").digest()).digest()).decode()
    completed = s3.complete_multipart_upload(**upload, MultipartUpload=parts, ChecksumSHA256=right)
    assert completed["ChecksumSHA256"] == f"{right}-1"


@pytest.mark.parametrize(
    ("name", "value"), [("CRC32C", "4waSgw=="), ("CRC64NVME", "rosUhgp5mIg="), ("CRC32", "y/Q5Jg==")]
)
def test_checksums_of_other_clients_are_compared_and_kept(s3: Any, name: str, value: str) -> None:
    s3.put_object(Bucket="bkt", Key="sum", Body=b"123456789", **{f"Checksum{name}": value})
    head = s3.head_object(Bucket="bkt", Key="sum", ChecksumMode="ENABLED")
    assert (head[f"Checksum{name}"], head["ChecksumType"]) == (value, "FULL_OBJECT")
    refused = error_of(s3.put_object, Bucket="bkt", Key="sum", Body=b"12345678", **{f"Checksum{name}": value})
    assert refused == ("BadDigest", 400)


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "CRC64NVME"])
def test_upload_in_parts_has_the_checksum_of_its_bytes(s3: Any, name: str) -> None:
    upload = {"Bucket": "bkt", "Key": "parts"}
    created = s3.create_multipart_upload(**upload, ChecksumAlgorithm=name, ChecksumType="FULL_OBJECT")
    assert (created["ChecksumAlgorithm"], created["ChecksumType"]) == (name, "FULL_OBJECT")
    upload |= {"UploadId": created["UploadId"]}
    assert s3.list_parts(**upload)["ChecksumType"] == "FULL_OBJECT"
    bodies = [bytes(5 * 1024 * 1024) + b"first", b"second"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    whole = CyclicChecksum(CODES[name])
    whole.update(b"".join(bodies))
    given = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
    wrong = completion_error(s3, upload, given | {f"Checksum{name}": CyclicChecksum(CODES[name]).b64digest()})
    assert wrong == ("BadDigest", 400)
    assert completion_error(s3, upload, given | {"ChecksumType": "COMPOSITE"}) == ("InvalidRequest", 400)
    done = s3.complete_multipart_upload(**upload, **given, **{f"Checksum{name}": whole.b64digest()})
    assert (done[f"Checksum{name}"], done["ChecksumType"]) == (whole.b64digest(), "FULL_OBJECT")


def completion_error(s3: Any, upload: dict[str, str], given: dict[str, Any]) -> tuple[str, int]:
    return error_of(s3.complete_multipart_upload, **upload, **given)


@pytest.mark.parametrize(("name", "kind"), [("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")])
def test_checksum_that_an_algorithm_has_not_is_refused(s3: Any, name: str, kind: str) -> None:
    given = {"Bucket": "bkt", "Key": "parts", "ChecksumAlgorithm": name, "ChecksumType": kind}
    assert error_of(s3.create_multipart_upload, **given) == ("InvalidRequest", 400)
    del given["ChecksumAlgorithm"]
    assert error_of(s3.create_multipart_upload, **given) == ("InvalidRequest", 400)


@pytest.mark.parametrize("name", ["get_bucket_versioning", "get_bucket_acl", "get_bucket_policy", "get_bucket_tagging"])
def test_what_is_not_served_is_named(s3: Any, name: str) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(s3, name)(Bucket="bkt")
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("NotImplemented", 501)
    assert "".join(name.split("_")) in response["Error"]["Message"].lower()


_PARQUET = """
import pyarrow as pa, pyarrow.dataset as ds, pyarrow.parquet as pq
import pandas as pd
pq.write_table(pa.table({"a": list(range(1000))}), "s3://bkt/tables/one.parquet")
print(ds.dataset("s3://bkt/tables").count_rows(), pd.read_parquet("s3://bkt/tables/one.parquet").shape)
"""


def test_parquet_is_written_and_read_without_settings(s3: Any) -> None:
    endpoint = {"AWS_ENDPOINT_URL": s3.meta.endpoint_url, "AWS_REGION": "us-east-1", "PATH": os.environ["PATH"]}
    keys = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    run = subprocess.run(
        [sys.executable, "-c", _PARQUET],
        check=False,
        env=endpoint | keys,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (run.returncode, run.stdout) == (0, "1000 (1000, 1)\n"), run.stderr
