"""A cache of compiled texts that stays small whatever clients send."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Compiled = TypeVar("Compiled")

# Longer texts are compiled again each time, so that a cache holds at most this many characters an entry.
MAX_CACHED_CHARACTERS = 1_000


def cached_by_text(maxsize: int) -> Callable[[Callable[[str], Compiled]], Callable[[str], Compiled]]:
    """Cache a function of one text for the ``maxsize`` texts used last."""

    def decorate(compile_text: Callable[[str], Compiled]) -> Callable[[str], Compiled]:
        cached = lru_cache(maxsize)(compile_text)

        @wraps(compile_text)
        def compiled(text: str) -> Compiled:
            return cached(text) if len(text) <= MAX_CACHED_CHARACTERS else compile_text(text)

        return compiled

    return decorate
