"""Large objects pass through the endpoint as streams, in every encoding that clients use."""

import hashlib
import http.client
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from s3_endpoint import new_client, served
from sfn_local.object_store import ObjectStore

MIB = 1024 * 1024
LARGE_BYTES = 300 * MIB

# What a server may need beyond what it has at the start: pieces in flight, not objects.
ALLOWED_GROWTH_BYTES = 40 * MIB

# Serves until its standard input ends; prints its peak memory, in bytes, for each line that it reads.
SERVER = """
import resource, sys
from pathlib import Path
from s3_endpoint import served
from sfn_local.object_store import ObjectStore

store = ObjectStore(Path(sys.argv[1]))
store.create_bucket("bkt")
with served(store) as url:
    print(url, flush=True)
    for line in sys.stdin:
        unit = 1 if sys.platform == "darwin" else 1024
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, flush=True)
"""


class Server:
    """A server process and how much memory it has used."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.endpoint_url = process.stdout.readline().strip()

    def peak_bytes(self) -> int:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    command = [sys.executable, "-c", SERVER, str(folder)]
    path = {"PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parents[3] / 'src'}"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=path) as process:
        yield Server(process)
        process.stdin.close()


class Zeros(io.RawIOBase):
    """A file of zeros that is nowhere in memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self._size - self._position)
        buffer[:count] = bytes(count)
        self._position += count
        return count


def test_memory_of_the_server_stays_flat_for_a_large_object(tmp_path: Path) -> None:
    with server(tmp_path / "s3") as running:
        s3 = new_client(running.endpoint_url)
        s3.put_object(Bucket="bkt", Key="small", Body=b"warm up")
        before = running.peak_bytes()
        s3.put_object(Bucket="bkt", Key="large", Body=Zeros(LARGE_BYTES))
        body = s3.get_object(Bucket="bkt", Key="large", ChecksumMode="ENABLED")["Body"]
        assert sum(len(chunk) for chunk in body.iter_chunks(MIB)) == LARGE_BYTES
        s3.copy_object(Bucket="bkt", Key="copy", CopySource="bkt/large")
        upload_id = s3.create_multipart_upload(Bucket="bkt", Key="parts")["UploadId"]
        part = {"Bucket": "bkt", "Key": "parts", "UploadId": upload_id}
        etag = s3.upload_part_copy(**part, PartNumber=1, CopySource="bkt/copy")["CopyPartResult"]["ETag"]
        s3.complete_multipart_upload(**part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        assert s3.head_object(Bucket="bkt", Key="parts")["ContentLength"] == LARGE_BYTES
        assert running.peak_bytes() - before < ALLOWED_GROWTH_BYTES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with closing(ObjectStore(tmp_path / "s3")) as store:
        store.create_bucket("bkt")
        yield store


@pytest.fixture
def address(store: ObjectStore) -> Iterator[str]:
    with served(store) as url:
        yield urlsplit(url).netloc


def send(address: str, headers: dict[str, str], body: bytes, *, is_chunked: bool = False) -> tuple[int, bytes]:
    """Sign and send a PutObject with a payload that is described by ``headers``."""
    request = AWSRequest("PUT", f"http://{address}/bkt/k", headers={"Host": address} | headers)
    signer = _AsDescribed(Credentials("AKID", "secret"), "s3", "us-east-1")
    signer.add_auth(request)
    with closing(http.client.HTTPConnection(address)) as connection:
        pieces = [body[start : start + 1000] for start in range(0, len(body), 1000)]
        connection.request(
            "PUT",
            "/bkt/k",
            iter(pieces) if is_chunked else body,
            dict(request.headers.items()),
            encode_chunked=is_chunked,
        )
        response = connection.getresponse()
        return response.status, response.read()


class _AsDescribed(S3SigV4Auth):
    """Signs the payload as the headers describe it already."""

    def payload(self, request: AWSRequest) -> str:
        return request.context["described"]

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["described"] = request.headers["X-Amz-Content-SHA256"]
        super()._modify_request_before_signing(request)


def chunked(content: bytes) -> tuple[dict[str, str], bytes]:
    encoded = AwsChunkedWrapper(
        io.BytesIO(content), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=64 * 1024
    ).read()
    headers = {
        "Content-Encoding": "aws-chunked",
        "Transfer-Encoding": "chunked",
        "X-Amz-Content-SHA256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Decoded-Content-Length": str(len(content)),
        "X-Amz-Trailer": "x-amz-checksum-crc32",
        "X-Amz-Sdk-Checksum-Algorithm": "CRC32",
    }
    return headers, encoded


@pytest.mark.parametrize("size", [0, 1, 200_000, 3 * MIB])
def test_payload_with_a_trailing_checksum_is_stored_decoded(store: ObjectStore, address: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    headers, encoded = chunked(content)
    assert send(address, headers, encoded, is_chunked=True) == (200, b"")
    info, file = store.open_with_info("bkt", "k")
    with file:
        assert file.read() == content
    assert info.attributes.headers == {}
    assert info.checksum.algorithm == "CRC32"


def test_payload_with_another_trailing_checksum_is_refused(store: ObjectStore, address: str) -> None:
    headers, encoded = chunked(b"content")
    status, answer = send(address, headers, encoded.replace(b"content", b"contents"[1:]), is_chunked=True)
    assert (status, b"<Code>BadDigest</Code>" in answer) == (400, True)
    assert store.list("bkt").objects == []


def test_payload_with_another_sha256_is_refused(store: ObjectStore, address: str) -> None:
    described = {"X-Amz-Content-SHA256": hashlib.sha256(b"signed").hexdigest()}
    status, answer = send(address, described, b"other")
    assert (status, b"<Code>XAmzContentSHA256Mismatch</Code>" in answer) == (400, True)
    assert store.list("bkt").objects == []


def test_payload_of_unknown_length_is_refused(store: ObjectStore, address: str) -> None:
    status, answer = send(
        address, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD", "Transfer-Encoding": "chunked"}, b"x", is_chunked=True
    )
    assert (status, b"<Code>MissingContentLength</Code>" in answer) == (411, True)
    assert store.list("bkt").objects == []


def test_client_that_breaks_off_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with served(store) as url:
        address = urlsplit(url).netloc
        request = AWSRequest(
            "PUT", f"{url}/bkt/k", headers={"Host": address, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
        )
        _AsDescribed(Credentials("AKID", "secret"), "s3", "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection(address)
        connection.putrequest("PUT", "/bkt/k", skip_host=True)
        for name, value in {**dict(request.headers.items()), "Content-Length": "4000000"}.items():
            connection.putheader(name, value)
        connection.endheaders(bytes(3_000_000))
        connection.close()
    assert list((tmp_path / "s3/.staging").iterdir()) == []
    assert store.list("bkt").objects == []
