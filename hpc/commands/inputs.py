"""The execution input: from options and @FILE arguments to JSON text.  Start checks the values."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from hpc.errors import NotStartedError
from hpc.targets.workload_file import workload_name
from hpc.terminal.printable import is_unicode, shorten

# The service treats JSON numbers as doubles, which hold every integer up to this one.
MAX_EXACT_INTEGER = 2**53
# Functions of a workload that Sum calls, and that can be replayed.
FUNCTIONS = ("combine", "finish")
# Step Functions' quota for an execution input.
MAX_INPUT_BYTES = 262_144
# Cap on an @FILE argument, so that an endless file such as /dev/zero ends.
MAX_FILE_CHARACTERS = 16 * 1024 * 1024


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
        if not is_unicode(json.dumps(value, ensure_ascii=False)):
            raise ValueError("a string holds a lone surrogate, which UTF-8 does not have")
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def execution_input(
    args: argparse.Namespace,
    uploaded: str | None,
    expected_usd: float | None = None,
    package_sha256: str | None = None,
) -> str:
    """Return the execution input as JSON text.

    Parameters
    ----------
    args
        What ``hpc run`` was given.
    uploaded
        Where the files that ``--items`` or ``--source`` names were put, ``s3://bucket/key``.
    expected_usd
        What the run is expected to cost: a stack may have a limit.  An input that is given as it is stays so.
    package_sha256
        Checksum of the package with the run's workload.
    """
    if args.input is not None:
        return read_json(args.input, "--input")
    fields = {
        "size": args.size,
        "items": uploaded if args.items is not None else None,
        "source": uploaded if args.source is not None else None,
        "back_end": args.back_end,
        "workload": workload_name(args.workload),
        "uploaded_workload": package_sha256,
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
