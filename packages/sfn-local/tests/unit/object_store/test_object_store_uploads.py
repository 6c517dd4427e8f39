"""Multipart uploads of the object store."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import md5
from pathlib import Path

import pytest
from sfn_local.object_store import (
    Attributes,
    CompletedPart,
    Condition,
    NoSuchBucketError,
    NoSuchUploadError,
    ObjectStore,
    ObjectStoreError,
    PreconditionFailedError,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with closing(ObjectStore(tmp_path, min_part_bytes=3)) as store:
        store.create_bucket("bkt")
        yield store


@pytest.fixture
def upload_id(store: ObjectStore) -> str:
    return store.uploads.create("bkt", "k", attributes=Attributes("text/plain")).upload_id


def upload(store: ObjectStore, upload_id: str, *bodies: bytes) -> list[CompletedPart]:
    parts = []
    for number, body in enumerate(bodies, 1):
        with store.uploads.open_part_writer("bkt", "k", upload_id, number) as writer:
            writer.write(body)
        parts.append(CompletedPart(number, writer.commit().etag))
    return parts


def part_files(store: ObjectStore) -> int:
    return len(list((store.root / ".parts").iterdir()))


def test_object_is_made_of_the_named_parts_and_the_others_are_dropped(store: ObjectStore, upload_id: str) -> None:
    parts = upload(store, upload_id, b"one", b"not named", b"three")
    info = store.uploads.complete("bkt", "k", upload_id, [parts[0], parts[2]])
    with store.open("bkt", "k") as file:
        assert file.read() == b"onethree"
    digest = md5(md5(b"one").digest() + md5(b"three").digest()).hexdigest()
    assert (info.etag, info.size, info.attributes.content_type) == (f"{digest}-2", 8, "text/plain")
    assert part_files(store) == 0
    with pytest.raises(NoSuchUploadError):
        store.uploads.complete("bkt", "k", upload_id, parts)


def test_part_that_is_uploaded_again_replaces_the_first(store: ObjectStore, upload_id: str) -> None:
    first = upload(store, upload_id, b"first")
    second = upload(store, upload_id, b"second")
    assert part_files(store) == 1
    with pytest.raises(ObjectStoreError, match="InvalidPart"):
        store.uploads.complete("bkt", "k", upload_id, first)
    assert store.uploads.complete("bkt", "k", upload_id, second).size == 6


def test_what_does_not_fit_the_parts_is_refused_and_the_upload_stays(store: ObjectStore, upload_id: str) -> None:
    one, two, three = upload(store, upload_id, b"one", b"2", b"three")
    cases = [
        ("MalformedXML", []),
        ("InvalidPartOrder", [three, one]),
        ("InvalidPartOrder", [one, one]),
        ("InvalidPart", [CompletedPart(9, one.etag)]),
        ("InvalidPart", [CompletedPart(1, one.etag, "AAAA")]),
        ("EntityTooSmall", [one, two, three]),
    ]
    for code, parts in cases:
        with pytest.raises(ObjectStoreError, match=code):
            store.uploads.complete("bkt", "k", upload_id, parts)
    assert store.uploads.complete("bkt", "k", upload_id, [one, two]).size == 4


def test_condition_of_a_completion_holds_or_the_upload_stays(store: ObjectStore, upload_id: str) -> None:
    parts = upload(store, upload_id, b"one")
    store.put("bkt", "k", [b"there"])
    with pytest.raises(PreconditionFailedError):
        store.uploads.complete("bkt", "k", upload_id, parts, condition=Condition(if_none_match=True))
    store.delete("bkt", "k")
    assert store.uploads.complete("bkt", "k", upload_id, parts, condition=Condition(if_none_match=True)).size == 3


def test_part_of_an_aborted_upload_leaves_nothing(store: ObjectStore, upload_id: str) -> None:
    writer = store.uploads.open_part_writer("bkt", "k", upload_id, 1)
    writer.write(b"late")
    store.uploads.abort("bkt", "k", upload_id)
    with pytest.raises(NoSuchUploadError):
        writer.commit()
    assert part_files(store) == 0


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_number_is_bounded(store: ObjectStore, upload_id: str, number: int) -> None:
    with pytest.raises(ObjectStoreError, match="between 1 and 10000"):
        store.uploads.open_part_writer("bkt", "k", upload_id, number)


def test_uploads_belong_to_their_bucket_and_key(store: ObjectStore, upload_id: str) -> None:
    with pytest.raises(NoSuchUploadError):
        store.uploads.parts("bkt", "other", upload_id)
    for call in (lambda: store.uploads.parts("other", "k", upload_id), lambda: store.uploads.list("other")):
        with pytest.raises(NoSuchBucketError):
            call()


def test_uploads_and_parts_are_there_after_a_restart(store: ObjectStore, upload_id: str, tmp_path: Path) -> None:
    parts = upload(store, upload_id, b"one", b"two")
    (tmp_path / ".parts/0").write_bytes(b"of a part that was never entered")
    store.close()
    with closing(ObjectStore(tmp_path, min_part_bytes=3)) as again:
        assert [part.etag for part in again.uploads.parts("bkt", "k", upload_id)] == [part.etag for part in parts]
        assert part_files(again) == 2
        assert again.uploads.complete("bkt", "k", upload_id, parts).size == 6
