"""The object store as its callers see it: objects, conditions, names of files, changes by hand, many threads."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sfn_local.object_store import (
    Attributes,
    Condition,
    InvalidKeyError,
    NoSuchBucketError,
    NoSuchKeyError,
    ObjectStore,
    ObjectStoreError,
    PreconditionFailedError,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "s3"


@pytest.fixture
def store(root: Path) -> Iterator[ObjectStore]:
    with closing(ObjectStore(root, clock=Clock())) as store:
        store.create_bucket("bkt")
        yield store


class Clock:
    """Advances by a second at each look."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        self.now_ns += 1_000_000_000
        return self.now_ns


def read(store: ObjectStore, key: str) -> bytes:
    with store.open("bkt", key) as file:
        return file.read()


def files(root: Path) -> list[str]:
    """All files of objects and of what is on its way, without the index."""
    found = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in found if not name.startswith((".index", ".lock")))


def test_object_is_a_plain_file_under_its_key(store: ObjectStore, root: Path) -> None:
    info = store.put("bkt", "runs/one/result.json", [b"{", b"}"], content_type="application/json", metadata={"a": "b"})
    assert (root / "bkt/runs/one/result.json").read_bytes() == b"{}"
    assert info == store.info("bkt", "runs/one/result.json")
    assert (info.size, info.etag) == (2, md5(b"{}").hexdigest())
    assert (info.attributes.content_type, info.attributes.metadata) == ("application/json", {"a": "b"})
    assert info.modified_ns == (root / "bkt/runs/one/result.json").stat().st_mtime_ns


def test_objects_are_there_after_a_restart(root: Path) -> None:
    with closing(ObjectStore(root)) as store:
        store.create_bucket("bkt")
        infos = [store.put("bkt", key, [key.encode()]) for key in ("a", "b/c", "b//d")]
    with closing(ObjectStore(root)) as store:
        assert [store.info("bkt", key) for key in ("a", "b/c", "b//d")] == infos
        assert read(store, "b//d") == b"b//d"


@given(keys=st.lists(st.text("aA/.\0é\n", min_size=1, max_size=4), min_size=1, max_size=8, unique=True))
@settings(max_examples=50, deadline=None)
def test_any_keys_can_be_stored_beside_each_other(tmp_path_factory: pytest.TempPathFactory, keys: list[str]) -> None:
    root = tmp_path_factory.mktemp("s3")
    with closing(ObjectStore(root)) as store:
        store.create_bucket("bkt")
        for key in keys:
            store.put("bkt", key, [key.encode()])
        assert [read(store, key) for key in keys] == [key.encode() for key in keys]
        assert [info.key for info in store.list("bkt").objects] == sorted(keys, key=str.encode)
        store.delete("bkt", *keys)
        assert files(root) == []
        assert list((root / "bkt").iterdir()) == []


@pytest.mark.parametrize("key", ["/", "a//b", "a/", "../../outside", "a/./b", "x" * 300, "a\0b", "\U0001f389" * 70])
def test_key_that_no_file_can_have_is_stored_elsewhere(store: ObjectStore, root: Path, key: str) -> None:
    store.put("bkt", key, [b"here"])
    assert read(store, key) == b"here"
    (name,) = files(root)
    assert name.startswith(".other/bkt/")
    assert not (root.parent / "outside").exists()


def test_keys_that_are_file_and_folder_at_once_are_both_kept(store: ObjectStore) -> None:
    for key in ("a/b", "a", "c", "c/d"):
        store.put("bkt", key, [key.encode()])
    assert [read(store, key) for key in ("a/b", "a", "c", "c/d")] == [b"a/b", b"a", b"c", b"c/d"]


def test_file_that_somebody_put_there_is_not_overwritten(store: ObjectStore, root: Path) -> None:
    (root / "bkt/mine").write_text("mine")
    store.put("bkt", "mine", [b"stored"])
    assert (read(store, "mine"), (root / "bkt/mine").read_text()) == (b"stored", "mine")


@pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513, "\ud800"])
def test_what_is_no_key_is_refused(store: ObjectStore, key: str) -> None:
    with pytest.raises(InvalidKeyError):
        store.put("bkt", key, [])
    with pytest.raises(InvalidKeyError):
        store.info("bkt", key)


@pytest.mark.parametrize("name", ["", "ab", "x" * 64, "Upper", "a_b", "-ab", "ab-", "a..b", ".staging", "a/b", "../x"])
def test_what_is_no_bucket_name_is_refused(store: ObjectStore, name: str) -> None:
    with pytest.raises(ObjectStoreError, match="InvalidBucketName"):
        store.create_bucket(name)


def test_missing_bucket_and_missing_key_are_told_apart(store: ObjectStore) -> None:
    with pytest.raises(NoSuchKeyError):
        store.info("bkt", "k")
    with pytest.raises(NoSuchKeyError):
        store.open("bkt", "k")
    for bucket in ("other", "\ud800"):
        for call in (store.info, store.open, store.delete):
            with pytest.raises(NoSuchBucketError):
                call(bucket, "k")
        with pytest.raises(NoSuchBucketError):
            store.list(bucket)
        with pytest.raises(NoSuchBucketError):
            store.put(bucket, "k", [])


def test_write_that_fails_leaves_the_old_object_and_nothing_else(store: ObjectStore, root: Path) -> None:
    store.put("bkt", "k", [b"old"])
    with suppress(RuntimeError), store.open_writer("bkt", "k") as writer:
        writer.write(b"new")
        raise RuntimeError
    assert (read(store, "k"), files(root)) == (b"old", ["bkt/k"])


def test_open_file_stays_the_version_that_was_opened(store: ObjectStore) -> None:
    store.put("bkt", "k", [b"old"])
    info, file = store.open_with_info("bkt", "k")
    with file:
        store.put("bkt", "k", [b"newer"])
        assert (info.size, file.read()) == (3, b"old")
    store.delete("bkt", "k")
    with pytest.raises(NoSuchKeyError):
        store.open("bkt", "k")


def test_conditions_are_checked_when_the_write_is_published(store: ObjectStore) -> None:
    writer = store.open_writer("bkt", "k", condition=Condition(if_none_match=True))
    writer.write(b"late")
    store.put("bkt", "k", [b"meanwhile"])
    with pytest.raises(PreconditionFailedError):
        writer.commit()
    assert read(store, "k") == b"meanwhile"
    etag = store.info("bkt", "k").etag
    with store.open_writer("bkt", "k", condition=Condition(if_match=etag)) as writer:
        writer.write(b"matched")
    assert read(store, "k") == b"matched"
    with pytest.raises(PreconditionFailedError):
        store.open_writer("bkt", "k", condition=Condition(if_match=etag)).commit()
    with pytest.raises(NoSuchKeyError):
        store.open_writer("bkt", "none", condition=Condition(if_match=etag)).commit()


def test_one_of_many_writers_that_want_no_object_wins(store: ObjectStore) -> None:
    barrier = threading.Barrier(8)

    def write(number: int) -> bool:
        barrier.wait()
        try:
            store.put("bkt", "lock", [str(number).encode()], if_none_match=True)
        except PreconditionFailedError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(write, range(8)))
    assert won.count(True) == 1
    assert read(store, "lock") == str(won.index(True)).encode()


def test_readers_see_whole_objects_while_writers_replace_them(store: ObjectStore) -> None:
    contents = [bytes([number]) * 10_000 * (number + 1) for number in range(4)]
    store.put("bkt", "k", [contents[0]])
    stop = threading.Event()

    def write() -> None:
        for round_ in range(40):
            store.put("bkt", "k", [contents[round_ % 4]])
        stop.set()

    def reads() -> set[bool]:
        seen = set()
        while not stop.is_set():
            info, file = store.open_with_info("bkt", "k")
            with file:
                content = file.read()
            seen.add(content in contents and info.etag == md5(content).hexdigest())
            seen.add(len(store.list("bkt").objects) == 1)
        return seen

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(reads) for _ in range(2)]
        threads.submit(write).result()
        assert [reader.result() for reader in readers] == [{True}, {True}]


def test_object_follows_a_change_of_its_file(store: ObjectStore, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    store.put("bkt", "k", [b"old"], content_type="text/plain")
    (root / "bkt/k").write_bytes(b"edited by hand")
    with caplog.at_level(logging.WARNING):
        assert [info.size for info in store.list("bkt").objects] == [14]
    assert "s3://bkt/k was changed" in caplog.text
    info = store.info("bkt", "k")
    assert (info.etag, info.attributes.content_type) == (md5(b"edited by hand").hexdigest(), "text/plain")
    assert read(store, "k") == b"edited by hand"


@pytest.mark.parametrize("look", ["list", "info", "open", "put"])
def test_object_whose_file_is_gone_is_gone(store: ObjectStore, root: Path, look: str) -> None:
    store.put("bkt", "a/k", [b"old"])
    (root / "bkt/a/k").unlink()
    (root / "bkt/a").rmdir()
    if look == "list":
        assert store.list("bkt").objects == []
    elif look == "put":
        assert store.put("bkt", "a/k", [b"new"], if_none_match=True).size == 3
    else:
        with pytest.raises(NoSuchKeyError):
            getattr(store, look)("bkt", "a/k")


def test_folder_in_place_of_a_file_is_no_object(store: ObjectStore, root: Path) -> None:
    store.put("bkt", "k", [b"old"])
    (root / "bkt/k").unlink()
    (root / "bkt/k").mkdir()
    with pytest.raises(NoSuchKeyError):
        store.open("bkt", "k")
    store.put("bkt", "k", [b"new"])
    assert read(store, "k") == b"new"


def test_headers_that_cannot_be_stored_are_refused() -> None:
    with pytest.raises(ValueError, match="Content-Type"):
        Attributes(headers={"Content-Type": "text/plain"})


def test_store_that_another_process_has_open_is_refused(store: ObjectStore, root: Path) -> None:
    program = (
        "import pathlib, sys; from sfn_local.object_store import ObjectStore; ObjectStore(pathlib.Path(sys.argv[1]))"
    )
    run = subprocess.run([sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=False)
    assert "BlockingIOError" in run.stderr


def test_index_of_another_version_is_refused(root: Path) -> None:
    ObjectStore(root).close()
    with closing(sqlite3.connect(root / ".index.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="version 99"):
        ObjectStore(root)


BROKEN = {
    "half of it": lambda content: content[: len(content) // 2],
    "nothing of a database": lambda _content: b"no database" * 1000,
}


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_index_is_refused_by_its_name_with_what_helps(root: Path, broken: str) -> None:
    ObjectStore(root).close()
    path = root / ".index.sqlite"
    path.write_bytes(BROKEN[broken](path.read_bytes()))
    with pytest.raises(OSError, match=r"malformed|not a database") as refused:
        ObjectStore(root)
    assert f"cannot open {path}: " in str(refused.value)
    assert "put the home of the server back from a copy" in str(refused.value)


def test_commits_are_durable_before_they_return(root: Path) -> None:
    with closing(ObjectStore(root)) as store:
        assert store._index._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store._index._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_full_disk_is_told_and_leaves_the_store_usable(store: ObjectStore) -> None:
    writer = store._index._writer
    (page_count,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {page_count}")
    with pytest.raises(sqlite3.OperationalError, match="database or disk is full"):
        store.put("bkt", "k", [b"content"], metadata={"long": "x" * 100_000})
    store.put("bkt", "k", [b"short"])
    assert read(store, "k") == b"short"


@pytest.fixture(params=["file", "folder", "bucket"])
def linked(request: pytest.FixtureRequest, store: ObjectStore, root: Path, tmp_path: Path) -> Path:
    """Put a symbolic link to a folder outside in the place of an object's file, folder or bucket; return the folder."""
    store.put("bkt", "a/b/k", [b"mine"])
    outside = tmp_path / "outside"
    shutil.move(root / "bkt", outside)
    (outside / "a/b/k").write_bytes(b"elsewhere")
    if request.param == "bucket":
        (root / "bkt").symlink_to(outside)
    elif request.param == "folder":
        (root / "bkt").mkdir()
        (root / "bkt/a").symlink_to(outside / "a")
    else:
        (root / "bkt/a/b").mkdir(parents=True)
        (root / "bkt/a/b/k").symlink_to(outside / "a/b/k")
    return outside


def test_link_below_a_bucket_is_not_followed(store: ObjectStore, linked: Path) -> None:
    def refused(call: Callable[[], object]) -> None:
        with pytest.raises(ObjectStoreError, match="is a symbolic link, which is not followed") as caught:
            call()
        assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)

    refused(lambda: store.open("bkt", "a/b/k"))
    refused(lambda: store.info("bkt", "a/b/k"))
    refused(lambda: store.put("bkt", "a/b/k", [b"written"]))
    refused(lambda: store.delete("bkt", "a/b/k"))
    assert store.list("bkt").objects == []
    assert files(linked) == ["a/b/k"]
    assert (linked / "a/b/k").read_bytes() == b"elsewhere"


def test_new_key_is_not_written_through_a_link(store: ObjectStore, root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "bkt/a").symlink_to(tmp_path / "outside")
    with pytest.raises(ObjectStoreError, match="is a symbolic link"):
        store.put("bkt", "a/new", [b"written"])
    assert files(tmp_path / "outside") == []
    assert files(root) == []


def test_object_is_there_again_when_the_link_is_gone(store: ObjectStore, root: Path) -> None:
    store.put("bkt", "k", [b"mine"])
    (root / "bkt/k").rename(root / "kept")
    (root / "bkt/k").symlink_to(root / "kept")
    assert store.list("bkt").objects == []
    (root / "kept").replace(root / "bkt/k")
    assert read(store, "k") == b"mine"


def test_pipe_in_the_place_of_an_object_is_no_object(store: ObjectStore, root: Path) -> None:
    store.put("bkt", "k", [b"mine"])
    (root / "bkt/k").unlink()
    os.mkfifo(root / "bkt/k")
    with pytest.raises(NoSuchKeyError):
        store.open("bkt", "k")
