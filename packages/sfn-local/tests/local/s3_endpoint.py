"""An object store behind the real HTTP endpoint, and clients for it."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sfn_local.endpoint.http_api import HttpApi
from sfn_local.endpoint.sigv4 import Credential
from sfn_local.loopback import AsgiApplication, LoopbackServer
from sfn_local.object_store import ObjectStore
from sfn_local.s3 import S3Service


@contextmanager
def served(store: ObjectStore) -> Iterator[str]:
    """Serve a store over HTTP on loopback and give its address."""
    service = S3Service(store, region="us-east-1", account="123456789012")
    with served_app(HttpApi({"s3": service}, {"AKID": Credential("secret", "tests")})) as address:
        yield f"http://{address}"


@contextmanager
def served_app(app: AsgiApplication) -> Iterator[str]:
    """Serve an application on loopback and give its address, ``127.0.0.1:port``."""
    address: Future[str] = Future()
    stopping = threading.Event()

    async def serve() -> None:
        server = LoopbackServer()
        server.start(app)
        address.set_result(server.address)
        await asyncio.to_thread(stopping.wait)
        await server.stop()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield address.result()
    finally:
        stopping.set()
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
