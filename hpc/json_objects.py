"""JSON that others wrote, where anything may stand: what is no object says nothing."""

import json
from typing import Any


def json_object(text: str | None) -> dict[str, Any]:
    """Return the JSON object that a text is, an empty one if it is none."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):  # nested too deeply
        return {}
    return value if isinstance(value, dict) else {}
