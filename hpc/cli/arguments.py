"""Types of command line arguments: what argparse calls to read and check one text."""

import argparse
import math
import re
from collections.abc import Callable
from typing import Any

from hpc.commands.inputs import FUNCTIONS, MAX_EXACT_INTEGER, parse_json, read_text
from hpc.contract.limits import MAX_CONCURRENCY, MAX_ITEMS, MAX_NOTE_CHARACTERS
from hpc.errors import NotStartedError
from hpc.terminal.printable import is_unicode, shorten

MAX_PORT = 65_535
# Step Functions takes more, but commands and S3 keys have the name in them.
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,79}")


def integer(text: str) -> int:
    """Read an integer that a double holds exactly."""
    digits = text.strip().removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        raise argparse.ArgumentTypeError(f"must be an integer, got '{shorten(text)}'")
    if len(digits.lstrip("0")) > len(str(MAX_EXACT_INTEGER)) or abs(int(text)) > MAX_EXACT_INTEGER:
        raise argparse.ArgumentTypeError(
            f"must be an integer of at most {MAX_EXACT_INTEGER:,} (JSON numbers are doubles), got '{shorten(text)}'"
        )
    return int(text)


def item_or_function(text: str) -> int | str:
    """Read the number of an item, or the name of a function that is of no item."""
    return text if text in FUNCTIONS else integer(text)


def integer_within(low: int, high: int) -> Callable[[str], int]:
    """Return what reads an integer from ``low`` to ``high``."""

    def read(text: str) -> int:
        value = integer(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be {low:,} to {high:,}, got {value:,}")
        return value

    return read


size = integer_within(0, MAX_ITEMS)
batch_size = integer_within(1, MAX_ITEMS)
# The most that Step Functions runs for one Map Run.
max_concurrency = integer_within(1, MAX_CONCURRENCY)
# 0 means any that is free.
port = integer_within(0, MAX_PORT)


def number(text: str) -> int | float:
    """Read a finite number; an integer stays one."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:  # Python's own digit separators
        raise argparse.ArgumentTypeError(f"must be a number, got '{shorten(text)}'")
    return int(value) if value.is_integer() else value


def number_within(low: float, high: float) -> Callable[[str], int | float]:
    """Return what reads a finite number from ``low`` to ``high``."""

    def read(text: str) -> int | float:
        value = number(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be {low:,} to {high:,}, got {value:,}")
        return value

    return read


def plain_text(text: str) -> str:
    """Read text that JSON can carry."""
    if not is_unicode(text):
        raise argparse.ArgumentTypeError(f"must be UTF-8 text, got {shorten(ascii(text))}")
    return text


def run_name(text: str) -> str:
    """Read the name of a new run: one that Step Functions takes, and that can't be taken for something else."""
    if not RUN_NAME.fullmatch(text) or text == "latest" or text.startswith("plan-") or text.isdecimal():
        raise argparse.ArgumentTypeError(
            "must be 3 to 80 of A-Z, a-z, 0-9, - and _, a letter or digit first, not latest, not a number, "
            f"and not begin with plan-, got '{shorten(text)}'"
        )
    return text


def note(text: str) -> str:
    """Read a note about a run."""
    if len(plain_text(text)) > MAX_NOTE_CHARACTERS:
        raise argparse.ArgumentTypeError(f"must be {MAX_NOTE_CHARACTERS:,} characters or less, got {len(text):,}")
    return text


def json_object_text(text: str) -> dict[str, Any]:
    """Read a JSON object strictly, from the text or the file that ``@FILE`` names."""
    try:
        value = parse_json(read_text(text, "the file"))
    except NotStartedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be JSON or @FILE, got '{shorten(text)}': {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"must be a JSON object, got '{shorten(text)}'")
    return value
