"""A page of a bucket's listing: prefix, delimiter and continuation over an ordered scan that skips whole groups."""

from __future__ import annotations

import base64
from collections.abc import Callable

from sfn_local.object_store.errors import ObjectStoreError
from sfn_local.object_store.records import Listing, ObjectInfo, StoredObject

# Source: Amazon S3 API reference, ListObjectsV2: a page holds at most 1,000 entries.
MAX_PAGE_ENTRIES = 1000

Scan = Callable[[bytes, bytes | None, int], list[StoredObject]]
Settle = Callable[[StoredObject], ObjectInfo | None]


def list_page(
    scan: Scan, settle: Settle, *, prefix: str, delimiter: str, start_after: str, token: str | None, max_keys: int
) -> Listing:
    """Form one page.

    Parameters
    ----------
    scan : Scan
        ``scan(lower, upper, limit)`` gives the first objects from ``lower`` and below ``upper``, in order.
    settle : Settle
        Gives an object as it is now, None if its file is gone.

    Notes
    -----
    Cost is O(page): a group of keys with a common prefix is passed by one seek, however many keys it has.
    """
    grouping = _Grouping(_as_bytes(prefix), _as_bytes(delimiter))
    lower = _decode_token(token) if token is not None else grouping.first_after(_as_bytes(start_after))
    lower = max(lower, grouping.prefix)
    upper = _next_bound(grouping.prefix)
    page = Listing([], [], None)
    # Behind a common prefix one object is enough to know the next entry, and the others of its group are passed over.
    limit = 1 if delimiter else min(max_keys + 1, MAX_PAGE_ENTRIES)
    while max_keys:
        found = scan(lower, upper, limit)
        for stored in found:
            info = settle(stored)
            key = stored.info.key.encode()
            group = grouping.group_of(key)
            following = (_next_bound(group) if group else None) or key + b"\0"
            if info is not None:
                if len(page.objects) + len(page.common_prefixes) == max_keys:
                    return Listing(page.objects, page.common_prefixes, _encode_token(key))
                if group:
                    page.common_prefixes.append(group.decode())
                    lower, limit = following, 1
                    break
                page.objects.append(info)
            lower = key + b"\0"
        else:
            if len(found) < limit:
                break
            limit = min(2 * limit, MAX_PAGE_ENTRIES)
    return page


class _Grouping:
    """Groups keys under common prefixes, by prefix and delimiter of a list."""

    def __init__(self, prefix: bytes, delimiter: bytes) -> None:
        self.prefix = prefix
        self._delimiter = delimiter

    def group_of(self, key: bytes) -> bytes | None:
        """Return the key up to the first delimiter after the prefix; None if it is listed by itself."""
        at = key.find(self._delimiter, len(self.prefix)) if self._delimiter else -1
        return None if at < 0 else key[: at + len(self._delimiter)]

    def first_after(self, start_after: bytes) -> bytes:
        """Return the lower bound of what comes after a key; the group that the key is in doesn't."""
        if not start_after:
            return b""
        group = self.group_of(start_after) if start_after.startswith(self.prefix) else None
        return (_next_bound(group) if group else None) or start_after + b"\0"


def _next_bound(prefix: bytes) -> bytes | None:
    """Return the least bytes that are greater than all that begin with ``prefix``; None if there are none.

    UTF-8 has no byte 0xFF, so the last byte can always be incremented.
    """
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else None


def _as_bytes(text: str) -> bytes:
    """Return the bytes of a text in the order of keys; no key begins with what is not Unicode."""
    return text.encode("utf-8", "surrogatepass")


def _encode_token(lower: bytes) -> str:
    return base64.urlsafe_b64encode(lower).decode("ascii")


def _decode_token(token: str) -> bytes:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True)
    except ValueError as error:
        raise ObjectStoreError("InvalidArgument", "the continuation token is not one that was given out") from error
