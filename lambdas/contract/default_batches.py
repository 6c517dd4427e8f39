"""How many batches a run has whose input gives no batch size: Start forms them, and plans and estimates count on them.

Only the number of items is known then, not how long one takes.  Few children pay off where items are short, and many
where they are long: between, a batch has four items, so that a run of short items costs no more than one child an
item, with two state transitions where ours has four, would.
"""

# Up to so many items each has a child of its own: children that all start within a second, 100 Standard ones being
# allowed, and as many items computed at once as there are.
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
