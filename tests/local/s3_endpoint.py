"""An object store behind the real HTTP endpoint, and clients for it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
import uvicorn
from botocore.config import Config
from botocore.exceptions import ClientError

from hpc_local.http_api import HttpApi
from hpc_local.object_store import ObjectStore
from hpc_local.s3 import S3Service
from hpc_local.sigv4 import Credential


@contextmanager
def served(store: ObjectStore) -> Iterator[str]:
    """Serve a store over HTTP on loopback and give its address."""
    app = HttpApi(
        {"s3": S3Service(store, region="us-east-1", account="123456789012")}, {"AKID": Credential("secret", "tests")}
    )
    # With the protocol named, accepted connections send at once: else a response's two parts wait 40 ms for each other.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, ws="none", lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def new_client(endpoint_url: str | None, *, secret: str = "secret", kind: Any = boto3.client, **config: Any) -> Any:
    return kind(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="AKID",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


def error_of(call: Any, **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]
