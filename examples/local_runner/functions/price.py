"""The Lambda function that prices an order."""

from typing import Any


class EmptyOrderError(Exception):
    """An order has no lines."""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the order's number and its price in cents."""
    if not event["lines"]:
        raise EmptyOrderError(f"order {event['order']} has no lines")
    return {"order": event["order"], "cents": sum(line["count"] * line["cents"] for line in event["lines"])}
