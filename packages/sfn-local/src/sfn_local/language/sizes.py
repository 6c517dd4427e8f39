"""How long a value is as JSON text, without writing it: what is in many places takes memory once and text each time.

A payload template of 50,000 members that all name a document of 250 kB is 50,000 references, and 12.5 GB of text.
"""

from sfn_local.language import Json
from sfn_local.language.errors import DataLimitExceededError

# Limit of a payload before it is reduced to the 256 KiB with which it can leave a state.
MAX_UNWRITTEN_CHARACTERS = 16 * 1024 * 1024
# So many values, of 256 KiB at the most each, are not more than that; nobody has to count.
FEW_VALUES = MAX_UNWRITTEN_CHARACTERS // 262_144


def characters(value: Json) -> int:
    """About how long a value is as compact JSON text: exact but for escapes and digits; looks at each part once."""
    return _characters(value, {})


def _characters(value: Json, known: dict[int, int]) -> int:
    if isinstance(value, str):
        return len(value) + 2
    if not isinstance(value, dict | list):
        return 4
    size = known.get(id(value))
    if size is None:
        if isinstance(value, dict):
            size = sum(len(name) + 4 + _characters(member, known) for name, member in value.items())
        else:
            size = sum(_characters(item, known) + 1 for item in value)
        known[id(value)] = size = size + 2
    return size


def check_characters(count: int, what: str) -> None:
    """Refuse a payload before its text is built.

    Raises
    ------
    DataLimitExceededError
        If it has more characters than a payload ever may.
    """
    if count > MAX_UNWRITTEN_CHARACTERS:
        raise DataLimitExceededError(
            f"{what} has more than {MAX_UNWRITTEN_CHARACTERS} characters, and a payload at most 262144 bytes."
        )
