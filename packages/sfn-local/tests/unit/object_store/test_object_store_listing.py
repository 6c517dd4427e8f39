"""Listing against its definition: keys sorted by their bytes, cut by prefix, rolled up by delimiter, in pages."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sfn_local.object_store import ObjectStore, ObjectStoreError
from sfn_local.object_store.listing import list_page
from sfn_local.object_store.records import Attributes, ObjectInfo, StoredObject

# U+FFFD sorts after U+10000 in UTF-16, before it in UTF-8.
TEXTS = st.text("ab/\x7fé\ufffd\U00010000", max_size=5)
# What a definition can ask for has halves of surrogate pairs too, which no key has.
ASKED = st.text("ab/\x7fé\ufffd\U00010000\ud800", max_size=5)


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def definition(keys: set[str], prefix: str, delimiter: str, start_after: str) -> list[str]:
    """Everything that a listing has, as the API reference describes it, without regard to cost."""
    entries = set()
    for key in keys:
        if key.startswith(prefix) and as_bytes(key) > as_bytes(start_after):
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            entries.add(key if at < 0 else key[: at + len(delimiter)])
    return sorted((entry for entry in entries if as_bytes(entry) > as_bytes(start_after)), key=as_bytes)


class Scans:
    """An index of keys in memory that counts what is read from it."""

    def __init__(self, keys: set[str]) -> None:
        self._keys = sorted(key.encode() for key in keys)
        self.rows_read = 0

    def __call__(self, lower: bytes, upper: bytes | None, limit: int) -> list[StoredObject]:
        found = [key for key in self._keys if key >= lower and (upper is None or key < upper)][:limit]
        self.rows_read += len(found)
        return [StoredObject(ObjectInfo("bkt", key.decode(), 0, "", 0, Attributes()), "", "") for key in found]


def pages(scan: Scans, prefix: str, delimiter: str, start_after: str, max_keys: int) -> Iterator[list[str]]:
    token = None
    while True:
        page = list_page(
            scan,
            lambda stored: stored.info,
            prefix=prefix,
            delimiter=delimiter,
            start_after=start_after,
            token=token,
            max_keys=max_keys,
        )
        yield sorted([info.key for info in page.objects] + page.common_prefixes, key=str.encode)
        token = page.next_token
        if token is None:
            return


@given(
    keys=st.sets(TEXTS.filter(bool), max_size=30),
    prefix=ASKED,
    delimiter=st.sampled_from(["", "/", "a", "é", "ab", "\ud800"]),
    start_after=ASKED,
    max_keys=st.integers(1, 5),
)
@settings(max_examples=500)
def test_pages_together_are_the_listing(
    keys: set[str], prefix: str, delimiter: str, start_after: str, max_keys: int
) -> None:
    found = list(pages(Scans(keys), prefix, delimiter, start_after, max_keys))
    assert [entry for page in found for entry in page] == definition(keys, prefix, delimiter, start_after)
    assert all(len(page) == max_keys for page in found[:-1])
    assert len(found) == 1 or found[-1]


def test_cost_of_a_page_does_not_grow_with_what_it_rolls_up() -> None:
    scan = Scans({f"{folder}/{number:05}" for folder in "abcdefgh" for number in range(2000)})
    (page,) = pages(scan, "", "/", "", 1000)
    assert page == [f"{folder}/" for folder in "abcdefgh"]
    assert scan.rows_read == 8


def test_cost_of_a_page_does_not_grow_with_what_follows_it() -> None:
    scan = Scans({f"{number:05}" for number in range(20_000)})
    assert next(pages(scan, "", "", "", 10)) == [f"{number:05}" for number in range(10)]
    assert scan.rows_read == 11


def test_page_of_no_keys_is_the_last(tmp_path) -> None:
    with closing(ObjectStore(tmp_path)) as store:
        store.create_bucket("bkt")
        store.put("bkt", "k", [])
        page = store.list("bkt", max_keys=0)
        assert (page.objects, page.common_prefixes, page.next_token) == ([], [], None)
        with pytest.raises(ObjectStoreError, match="InvalidArgument"):
            store.list("bkt", token="not a token")
