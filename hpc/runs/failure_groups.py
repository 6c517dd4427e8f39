"""Failed items by their error: items whose errors differ in their numbers only are one group."""

import re
from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field

from hpc.runs.failed_items import FailedItem
from hpc.terminal.printable import shorten

SHOWN_OF_GROUP = 5
# Errors that differ by more than their numbers; what comes after so many is counted together.
MAX_GROUPS = 200
OTHERS = "other errors"
SHOWN_CAUSE_CHARACTERS = 300
# Digits in a word are a part of a name, such as "se0.py", which tells errors apart; the id of a request is none.
NUMBER = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b|(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")


@dataclass
class Group:
    """Items with the same error, but for its numbers; ``first`` are those with the lowest numbers, in order."""

    first: list[FailedItem] = field(default_factory=list)
    count: int = 0

    def add(self, item: FailedItem) -> None:
        self.count += 1
        insort(self.first, item, key=lambda each: each.index)
        del self.first[SHOWN_OF_GROUP:]


def group_failures(items: Iterable[FailedItem]) -> dict[str, Group]:
    """Return the items by error, the most frequent first; memory does not grow with their number.

    Returns
    -------
    dict
        The key is the error of the group's first item, as it stands.
    """
    groups: dict[str, Group] = {}
    for item in items:
        kind = NUMBER.sub("N", _error(item))
        if kind not in groups and len(groups) >= MAX_GROUPS:
            kind = OTHERS
        groups.setdefault(kind, Group()).add(item)
    most_frequent = sorted(groups.items(), key=lambda pair: -pair[1].count)
    return {kind if kind == OTHERS else _error(group.first[0]): group for kind, group in most_frequent}


def _error(item: FailedItem) -> str:
    return f"{item.error}: {shorten(item.cause, SHOWN_CAUSE_CHARACTERS)}".removesuffix(": ")
