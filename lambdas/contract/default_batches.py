"""How many batches a run has whose input gives no batch size: Start forms them, and plans and estimates count on them.

Only the number of items is known then, not how long one takes.  Few children cost less where items are short, many end
sooner where items are long.  Between, a batch has four items: a child of ours takes four state transitions, a child
of the article's design two, and a run of short items should not cost more than in that design.
"""

# Up to so many items, each has a child of its own: all of them are computed at once.
FEWEST = 64
# At most 100 Standard children start a second, so more children would only wait.  Source: Step Functions quotas,
# "Quotas related to Map Run".
MOST = 1_000
ITEMS_BETWEEN = 4


def default_batch_count(item_count: int) -> int:
    """Return how many batches ``item_count`` items form at the most, 1 or more."""
    return max(1, min(item_count, MOST, max(FEWEST, -(-item_count // ITEMS_BETWEEN))))


def default_batch_size(item_count: int) -> int:
    """Return how many items such a batch has, where all are equal."""
    return max(1, -(-item_count // default_batch_count(item_count)))
