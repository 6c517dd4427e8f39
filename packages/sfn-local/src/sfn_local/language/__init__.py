"""The Amazon States Language as pure functions on JSON values: paths, templates, expressions, rules, definitions."""

from typing import Any

Json = Any  # null, bool, int, float, str, list[Json] or dict[str, Json]; Python has no useful recursive alias for it
