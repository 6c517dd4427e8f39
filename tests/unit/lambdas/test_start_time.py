"""Start's time: items that don't end within it are counted in the error."""

import itertools
import time
from collections.abc import Iterator

import pytest

from lambdas import start
from lambdas.batch.time_limit import TimeLimit
from lambdas.items import caps
from lambdas.items.item_sources import Item
from lambdas.run_files.errors import InvalidInputError


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps, "max_written_items", lambda: 100)


def hanging() -> Iterator[Item]:
    yield from (Item("0"), Item("1"))
    time.sleep(600)


@pytest.mark.parametrize(
    ("items", "count"), [(map(Item, map(str, itertools.count())), None), (hanging(), 2)], ids=["endless", "hanging"]
)
def test_items_that_do_not_end_are_counted(items: Iterator[Item], count: int | None) -> None:
    seen = 0
    with pytest.raises(InvalidInputError, match="have not ended in the") as caught:  # noqa: PT012 - what comes before it counts
        for _ in start.within(TimeLimit(0.7), items):
            seen += 1
    assert f"there are {seen:,} so far, a run may have 100" in str(caught.value)
    assert count in (None, seen)


def test_items_that_end_are_all_there() -> None:
    assert len(list(start.within(TimeLimit(60), map(Item, map(str, range(1000)))))) == 1000
