"""The shape of a history event, which every layer above the store passes on."""

from typing import Any

Event = dict[str, Any]
"""An event of GetExecutionHistory, with ``timestamp`` in seconds since the epoch."""
