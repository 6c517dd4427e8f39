"""A disk that takes no more is told from other faults, and is an answer that no client tries again."""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sfn_local.disk import takes_no_more
from sfn_local.object_store import ObjectStore
from sfn_local.object_store.staging import StagedFile
from sfn_local.protocol import ServiceError
from sfn_local.protocol.messages import RequestBody
from sfn_local.s3 import S3Service


def full_database() -> sqlite3.Error:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.execute("CREATE TABLE a (b)")
    return caught.value


def error_of(number: int) -> OSError:
    return OSError(number, os.strerror(number))


FULL = [error_of(errno.ENOSPC), error_of(errno.EDQUOT), error_of(errno.EROFS), error_of(errno.EFBIG), full_database()]
OTHER = [error_of(errno.EIO), error_of(errno.ENOENT), OSError("text"), sqlite3.OperationalError("text"), ValueError()]


def test_what_is_full_is_known() -> None:
    assert [takes_no_more(error) for error in (*FULL, *OTHER)] == [True] * len(FULL) + [False] * len(OTHER)


async def body() -> AsyncIterator[bytes]:
    yield b"content"


@pytest.mark.parametrize("error", FULL, ids=str)
@pytest.mark.parametrize("principal", ["user", "function", "states"])
def test_object_that_a_full_disk_refuses_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, principal: str
) -> None:
    def refuse(*_given: Any) -> None:
        raise error

    monkeypatch.setattr(StagedFile, "seal", refuse)
    reasons: list[str] = []
    with closing(ObjectStore(tmp_path)) as store:
        store.create_bucket("bkt")
        service = S3Service(store, region="us-east-1", account="1" * 12, on_full=reasons.append)
        params = {"Bucket": "bkt", "Key": "k", "Body": RequestBody(body(), 7, {})}
        with pytest.raises(ServiceError) as refused:
            asyncio.run(service.handle("PutObject", params, principal))
    # botocore tries 500, 502, 503, 504 and 509 again.
    assert (refused.value.code, refused.value.status) == ("InsufficientStorage", 507)
    assert refused.value.message.startswith(f"s3://bkt/k can't be written to the disk of {tmp_path}: ")
    # A user's upload that is too large is no reason to end what others run.
    assert reasons == ([] if principal == "user" else [refused.value.message])
    assert list((tmp_path / ".staging").iterdir()) == []
