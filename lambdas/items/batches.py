"""Forms batches: at most 10,000 groups of neighbouring items, of a known number or of a stream.

10,000 at most: what one Map Run can run in parallel; by default fewer (lambdas/contract/default_batches.py).
Source: AWS Step Functions quotas, "Quotas related to Map Run".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from lambdas.contract.default_batches import default_batch_count, default_batch_size
from lambdas.contract.limits import MAX_BATCH_COUNT
from lambdas.run_files.errors import InvalidInputError
from lambdas.run_files.runs import CHECKSUM_MODULUS, Batch, add_line


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer division that rounds up, exact for integers of any length."""
    return -(-numerator // denominator)


def check_batch_size(batch_size: int, item_count: int) -> None:
    """Refuse a batch size that makes more than 10,000 batches, and say which is the smallest allowed."""
    smallest = ceil_div(item_count, MAX_BATCH_COUNT)
    if batch_size < smallest:
        raise InvalidInputError(
            f"batch_size must be {smallest} or more for {item_count} items (at most {MAX_BATCH_COUNT} batches), "
            f"got {batch_size}"
        )


def range_batches(item_count: int, batch_size: int | None) -> list[Batch]:
    """Return the batches of items ``0 .. item_count - 1``; of no items, one empty batch.

    An empty dataset file is avoided, because how the service treats one is not documented.
    """
    if batch_size is None:
        batch_size = default_batch_size(item_count)
    check_batch_size(batch_size, item_count)
    firsts = range(0, max(item_count, 1), batch_size)
    return [Batch(number, first, min(batch_size, item_count - first)) for number, first in enumerate(firsts)]


def tolerated_failure_count(
    batch_counts: Iterable[int], percentage: float, *, whole_item_count: int | None = None
) -> int:
    """Return how many failed batches a Map Run can have before more items failed than ``percentage`` allows.

    The largest k such that the k smallest batches hold no more items than allowed: with k + 1 failed batches the
    percentage is exceeded for sure, so stopping there is never too early.  Sum applies the percentage to items.

    Parameters
    ----------
    whole_item_count
        Items that the percentage is of, where the batches have only some of them.
    """
    if percentage == 0:
        return 0
    smallest_first = sorted(batch_counts)
    allowed = tolerated_items(sum(smallest_first) if whole_item_count is None else whole_item_count, percentage)
    held = 0
    for number, count in enumerate(smallest_first):
        held += count
        if held > allowed:
            return number
    return len(smallest_first)


def tolerated_items(item_count: int, percentage: float) -> int:
    """Return how many items may fail; exact: 29 of 100 items is 29 %, whatever 0.29 is in binary."""
    return int(item_count * Fraction(str(percentage)) / 100)


@dataclass(slots=True)
class Segment:
    """Neighbouring items that stay together."""

    count: int = 0
    size_bytes: int = 0
    weight: float = 0
    checksum: int = 0

    def add(self, position: int, line: bytes, weight: float) -> None:
        self.count += 1
        self.size_bytes += len(line)
        self.weight += weight
        self.checksum = add_line(self.checksum, position, line)

    def join(self, other: "Segment") -> None:
        self.count += other.count
        self.checksum = (self.checksum + other.checksum) % CHECKSUM_MODULUS
        self.size_bytes += other.size_bytes
        self.weight += other.weight


class BatchForming:
    """Groups items of unknown number and weight while they stream by, in constant memory.

    With a batch size, batches end at every ``batch_size`` items, whatever they weigh.  Without one, items collect in
    segments no heavier than a bound that rises so that there are never more than 20,000 of them; ``batches`` joins
    those to the default number of batches or fewer, of equal count if items have no weight and of about equal weight if
    they have.
    """

    MAX_SEGMENTS = 2 * MAX_BATCH_COUNT

    def __init__(self, batch_size: int | None) -> None:
        self._batch_size = batch_size
        self._bound: float = 0
        self._segments: list[Segment] = []
        self.item_count = 0

    def add(self, line: bytes, weight: float) -> None:
        """Take the next item, by its line of items.jsonl, of ``weight`` 1 where items have none."""
        position = self.item_count
        self.item_count += 1
        last = self._segments[-1] if self._segments else None
        if last is not None and self._fits(last, weight):
            last.add(position, line, weight)
            return
        segment = Segment()
        segment.add(position, line, weight)
        self._segments.append(segment)
        if self._batch_size is None and len(self._segments) > self.MAX_SEGMENTS:
            self._raise_bound()

    def _fits(self, last: Segment, weight: float) -> bool:
        if self._batch_size is None:
            return last.weight + weight <= self._bound
        # Past the limit the run is refused; its items are still counted, to say which size is allowed.
        return last.count < self._batch_size or len(self._segments) > MAX_BATCH_COUNT

    def _raise_bound(self) -> None:
        # Two neighbours together weigh more than the bound, so at most 2 * total / bound + 1 segments remain.
        total = sum(segment.weight for segment in self._segments)
        self._bound = max(2 * self._bound, 4 * total / self.MAX_SEGMENTS)
        joined = self._segments[:1]
        for segment in self._segments[1:]:
            if joined[-1].weight + segment.weight <= self._bound:
                joined[-1].join(segment)
            else:
                joined.append(segment)
        self._segments = joined

    def batches(self, key: str, *, weighted: bool) -> list[Batch]:
        """Return the batches of all items seen, placed in the object ``key``."""
        if self._batch_size is not None:
            check_batch_size(self._batch_size, self.item_count)
        groups = self._groups(weighted=weighted) if self._batch_size is None else iter(self._segments)
        batches: list[Batch] = []
        first = offset = 0
        for number, group in enumerate(groups):
            batches.append(Batch(number, first, group.count, key, offset, group.size_bytes, group.checksum))
            first += group.count
            offset += group.size_bytes
        return batches or [Batch(0, 0, 0, key)]

    def _groups(self, *, weighted: bool) -> Iterator[Segment]:
        total = sum(segment.weight for segment in self._segments)
        group_count = default_batch_count(self.item_count)
        together = max(1, ceil_div(len(self._segments), group_count))
        group, group_number, weight_before = Segment(), 0, 0.0
        for position, segment in enumerate(self._segments):
            if weighted:
                middle = (weight_before + segment.weight / 2) / total
                number = min(int(middle * group_count), group_count - 1)
            else:
                number = position // together
            if group.count and number != group_number:
                yield group
                group = Segment()
            group.join(segment)
            group_number = number
            weight_before += segment.weight
        if group.count:
            yield group
