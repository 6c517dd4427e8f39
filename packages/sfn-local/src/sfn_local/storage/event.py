"""The shape of a history event, which every layer above the store passes on."""

from typing import Any

Event = dict[str, Any]
"""As GetExecutionHistory returns it, with ``timestamp`` in seconds since the epoch."""
