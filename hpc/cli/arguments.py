"""From command line arguments to the execution input: types and well-formed JSON; Start checks the values."""

import argparse
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpc.errors import NotStartedError
from hpc.targets.workload_file import workload_name
from hpc.terminal.printable import shorten

# The service treats JSON numbers as doubles, which hold every integer up to this one.
MAX_EXACT_INTEGER = 2**53
MAX_PORT = 65_535
# Functions of a workload that can be replayed.
FUNCTIONS = ("combine", "finish")
# Step Functions takes more, but commands and S3 keys have the name in them.
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,79}")
MAX_NOTE_CHARACTERS = 1_000
# Of an execution input, by the service.
MAX_INPUT_BYTES = 262_144
# Read of a file that an option names: whitespace included, enough for an input; /dev/zero has no end.
MAX_FILE_CHARACTERS = 16 * 1024 * 1024


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


size = integer_within(0, MAX_EXACT_INTEGER)
batch_size = integer_within(1, MAX_EXACT_INTEGER)
# The most that Step Functions runs for one Map Run.
max_concurrency = integer_within(1, 10_000)
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
    if not _is_unicode(text):
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


def parse_json(text: str) -> Any:
    """Parse JSON as RFC 8259 has it, refusing what would change on its way.

    Raises
    ------
    ValueError
        If it is not JSON, or holds NaN or Infinity, a number that a double does not hold, the same key twice,
        a lone surrogate, or is nested too deeply.
    """
    try:
        value = json.loads(
            text,
            parse_int=_exact_integer,
            parse_float=_finite_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_keys,
        )
        if not _is_unicode(json.dumps(value, ensure_ascii=False)):
            raise ValueError("a string holds a lone surrogate, which UTF-8 does not have")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def execution_input(args: argparse.Namespace, uploaded: str | None, expected_usd: float | None = None) -> str:
    """Return the execution input as JSON text.

    Parameters
    ----------
    args
        What ``hpc run`` was given.
    uploaded
        Where the files that ``--items`` or ``--source`` names were put, ``s3://bucket/key``.
    expected_usd
        What the run is expected to cost: a stack may have a limit.  An input that is given as it is stays so.
    """
    if args.input is not None:
        return read_json(args.input, "--input")
    fields = {
        "size": args.size,
        "items": uploaded if args.items is not None else None,
        "source": uploaded if args.source is not None else None,
        "back_end": args.back_end,
        "workload": workload_name(args.workload),
        "params": args.params,
        "batch_size": args.batch_size,
        "max_concurrency": args.max_concurrency,
        "tolerated_failure_percentage": args.tolerated_failure_percentage,
        "expected_usd": expected_usd,
    }
    # An absent option is left out: its default is Start's to give.
    given = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(given, separators=(",", ":"), ensure_ascii=False)


def read_json(text_or_file: str, option: str) -> str:
    """Return the text of an option that is JSON itself or ``@FILE``; it is passed on as it was written."""
    text = read_text(text_or_file, option)
    try:
        parse_json(text)
    except ValueError as error:
        raise NotStartedError(f"{option} {shorten(text_or_file)} must be JSON or @FILE: {error}") from error
    return text.strip()


def read_text(text_or_file: str, option: str) -> str:
    """Return the text of an option that is the text itself or ``@FILE``.

    Raises
    ------
    NotStartedError
        If the file can't be read, or is far longer than what the service takes.
    """
    if not text_or_file.startswith("@"):
        return text_or_file
    try:
        # An editor may have begun the file with a byte order mark.
        with Path(text_or_file[1:]).open(encoding="utf-8-sig") as file:
            text = file.read(MAX_FILE_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        raise NotStartedError(f"{option} {shorten(text_or_file)} can't be read as a UTF-8 file: {error}") from error
    if len(text) > MAX_FILE_CHARACTERS:
        raise NotStartedError(
            f"{option} {shorten(text_or_file)} is too long: it has over {MAX_FILE_CHARACTERS:,} characters, "
            f"an execution input may have at most {MAX_INPUT_BYTES:,} bytes"
        )
    return text


def _exact_integer(text: str) -> int:
    if len(text) > len(str(-MAX_EXACT_INTEGER)) or abs(int(text)) > MAX_EXACT_INTEGER:
        raise ValueError(
            f"the integer {shorten(text, 40)} is over {MAX_EXACT_INTEGER:,}, where JSON numbers, "
            "which are doubles to the service, stop being exact: write it as a string"
        )
    return int(text)


def _finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {shorten(text, 40)} is too big for a double")
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON value")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{shorten(twice)}' is given twice")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
