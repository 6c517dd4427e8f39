"""Words for items, which handlers and commands use alike, and which the report reads again."""


def name_items(first: int, count: int) -> str:
    """Return e.g. ``items 24 to 31``."""
    return f"item {first}" if count == 1 else f"items {first} to {first + count - 1}"
